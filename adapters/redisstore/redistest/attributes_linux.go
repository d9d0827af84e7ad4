package redistest

import "syscall"

// attributes has a server end with the tests, however they end.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

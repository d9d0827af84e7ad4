package redistest

import "syscall"

// attributes makes a server end when the tests end, however they do.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

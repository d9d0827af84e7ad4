//go:build unix && !linux

package pgtest

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
)

func attributes() *syscall.SysProcAttr { return nil }

// own does nothing: on these systems the tests do not run as root.
func own(paths ...string) error { return nil }

// stopped reports whether a process does not run, because it was stopped or has ended.
func stopped(pid int) bool {
	out, err := exec.Command("ps", "-o", "stat=", "-p", fmt.Sprint(pid)).Output()
	state := strings.TrimSpace(string(out))
	return err != nil || strings.HasPrefix(state, "T") || strings.HasPrefix(state, "Z")
}

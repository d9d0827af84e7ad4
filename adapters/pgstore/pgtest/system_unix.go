//go:build unix && !linux

package pgtest

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
)

func attributes() *syscall.SysProcAttr { return nil }

// own has nothing to do: elsewhere the tests do not run as root.
func own(paths ...string) error { return nil }

// stopped reports whether a process does not run: it was stopped, or is gone.
func stopped(pid int) bool {
	out, err := exec.Command("ps", "-o", "stat=", "-p", fmt.Sprint(pid)).Output()
	state := strings.TrimSpace(string(out))
	return err != nil || strings.HasPrefix(state, "T") || strings.HasPrefix(state, "Z")
}

package pgtest

import (
	"bytes"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
)

// attributes has a program end with the tests, however they end, and run as
// somebody else than root.
func attributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if uid, gid, err := somebody(); err == nil {
		a.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	return a
}

// own gives files to whom the server runs as.
func own(paths ...string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	uid, gid, err := somebody()
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err := os.Chown(path, uid, gid); err != nil {
			return err
		}
	}
	return nil
}

// somebody returns whom the server runs as where we are root.
func somebody() (uid, gid int, err error) {
	if os.Geteuid() != 0 {
		return 0, 0, fmt.Errorf("not root")
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		if uid, err = strconv.Atoi(u.Uid); err != nil {
			return 0, 0, err
		}
		gid, err = strconv.Atoi(u.Gid)
		return uid, gid, err
	}
	return 0, 0, fmt.Errorf("postgres does not run as root, and there is neither a user postgres nor nobody")
}

// stopped reports whether a process does not run: it was stopped, or is gone.
// Its state follows the name, which is in parentheses and may hold any.
func stopped(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	state := strings.TrimSpace(string(text[bytes.LastIndexByte(text, ')')+1:]))
	return strings.HasPrefix(state, "T") || strings.HasPrefix(state, "Z")
}

// Package api is the reference server: the MedTWIN API on a gate, and its command line.
//
// Begin with server.go, which assembles it, and routes.go, the table of its routes. Keys,
// people, team, plan and audit log are package portal's; what is here is particular to
// MedTWIN.
package api

import (
	"context"
	"fmt"
	"io"
)

// Run is the program as a value. It returns when ctx has ended and everything is written,
// or when it cannot go on.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "keys", "accounts", "users":
			return runGate(ctx, args, stdout, stderr)
		case "requests":
			return runRequests(ctx, args[1:], stdout, stderr)
		case "migrate":
			return runMigrate(ctx, args[1:], stdout, stderr)
		case "backup":
			return runBackup(ctx, args[1:], stdout, stderr)
		case "serve":
			args = args[1:]
		case "help":
			args = []string{"--help"}
		case "version", "--version", "-version":
			_, err := fmt.Fprintln(stdout, release())
			return err
		}
	}
	return runServe(ctx, args, stdout, stderr)
}

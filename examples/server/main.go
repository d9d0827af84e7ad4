// Command server is Tollgate's reference server: the MedTWIN API of the seed
// documents on top of the library, and the end-to-end test of it.
//
//	go run ./examples/server                 serves on a SQLite file it makes
//	go run ./examples/server keys create …   manages keys as the operator
//	go run ./examples/server accounts …      manages accounts
//	go run ./examples/server requests …      decides requests for access
//	go run ./examples/server users …         manages the people in them
//	go run ./examples/server migrate         makes or updates the tables in Postgres
//	go run ./examples/server backup FILE     backs up an SQLite database
//	go run ./examples/server version         tells which release this is
//	go run ./examples/server help            lists flags and commands
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}

// run is the program as a value: the end-to-end tests start it too. It returns
// when ctx has ended and everything is written, or when it cannot go on.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "keys":
			return runKeys(ctx, args[1:], stdout, stderr)
		case "accounts":
			return runAccounts(ctx, args[1:], stdout, stderr)
		case "requests":
			return runRequests(ctx, args[1:], stdout, stderr)
		case "users":
			return runUsers(ctx, args[1:], stdout, stderr)
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

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
	"os"
	"os/signal"
	"syscall"

	"medtwin.ai/tollgate/examples/server/api"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := api.Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}

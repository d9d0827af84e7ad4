// Command fleet is one of several processes that serve the same keys, which are in Postgres.
// What one of them revokes, the others refuse within the time that it prints.
//
//	DATABASE=postgres://… go run . migrate
//	DATABASE=postgres://… ADDRESS=localhost:8081 go run .
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/adapters/pgstore"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	config := pgstore.Config{URL: os.Getenv("DATABASE")}
	if len(os.Args) > 1 && os.Args[1] == "migrate" { // once for all processes, before a new release starts
		if err := pgstore.Migrate(ctx, config, len(pgstore.Migrations("tollgate"))); err != nil {
			log.Fatal(err)
		}
		return
	}
	db := tollgate.Must(pgstore.Open(ctx, config))
	defer db.Close()
	gate := tollgate.Must(tollgate.New(tollgate.Config{
		Store:   db,
		Secrets: tollgate.Must(keyfmt.OpenKeyring("acme.secrets")), // the same file for every process
		Prefix:  "acme", Permissions: []string{"read", "write"}, ReadOnly: []string{"read"},
		Plans: map[string]string{"standard": "600-M"}, // counted by each process on its own
		// Known keys go on for five minutes while Postgres is down: part of the time below.
		OutageLease: 5 * time.Minute,
	}))
	gate.Public("GET /health", "liveness", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "ok") }))
	gate.Handle("GET /v1/reports", authz.Need{ID: "reports.list", Permission: "read"}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "no reports yet")
	}))
	if tollgate.Must(gate.Command(ctx, os.Args[1:], os.Stdout)) {
		return
	}

	// In order: serve until told to stop, finish requests, then write the last uses of keys.
	background, end := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- gate.Run(background) }()
	srv := &http.Server{Addr: os.Getenv("ADDRESS"), Handler: gate, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		deadline, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		srv.Shutdown(deadline)
	}()
	fmt.Println("a revoked key is refused everywhere after", gate.MaxRevocationDelay(), "at the latest")
	if err := srv.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
	end()
	<-ended
}

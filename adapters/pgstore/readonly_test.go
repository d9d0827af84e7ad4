package pgstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"medtwin.ai/tollgate/store"
)

// ownDatabase makes a database on the shared server, with the tables.
func ownDatabase(t *testing.T, name string, settings ...string) *Store {
	t.Helper()
	if err := server.Exec(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after the store is closed
		if err := server.Exec(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return open(t, Config{URL: server.URL(append(settings, "dbname="+name)...)})
}

// terminate ends the connections of a database, as an operator does.
func terminate(t *testing.T, database string) {
	t.Helper()
	err := server.Exec(t.Context(), fmt.Sprintf(
		`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '%s'`, database))
	if err != nil {
		t.Fatal(err)
	}
}

// A database that was read-only, and is so no more, takes writes at once, though
// the connections of the pool were made meanwhile; and while it is, Ready says so
// and reads go on. case T9
func TestReadOnlyAndBack(t *testing.T) {
	const name = "read_only_and_back"
	ctx := t.Context()
	s := ownDatabase(t, name, "pool_max_conns=4")
	newKeys(t, s, 1)
	if err := s.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	writes := []struct {
		name string
		do   func() error
	}{
		{"a statement", func() error { return s.Accounts().SetPlan(ctx, "acct_1", "standard", "") }},
		{"a statement that returns", func() error {
			_, err := s.Users().EndSessions(ctx, "nobody")
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			return err
		}},
		{"a transaction", func() error {
			disabled := false
			_, err := s.KeyAdmin().Update(ctx, "acct_1", newKey(1).ID, store.KeyUpdate{Was: newKey(1).Grant, Disabled: &disabled}, t0)
			return err
		}},
		{"Ready", func() error { return s.Ready(ctx) }},
	}
	for _, w := range writes {
		t.Run(w.name, func(t *testing.T) {
			if err := server.Exec(ctx, `ALTER DATABASE `+name+` SET default_transaction_read_only = on`); err != nil {
				t.Fatal(err)
			}
			terminate(t, name)
			// Every connection of the pool is made now.
			var held []interface{ Release() }
			for range s.pool.Stat().MaxConns() {
				c, err := s.pool.fresh(ctx)
				if err != nil {
					t.Fatal(err)
				}
				held = append(held, c)
			}
			for _, c := range held {
				c.Release()
			}
			if _, _, err := s.Keys().Find(ctx, newKey(1).Digest); err != nil {
				t.Errorf("a read: %v", err)
			}
			for range 3 {
				outage(t, w.name, w.do())
			}
			if err := s.Ready(ctx); err == nil || !strings.Contains(err.Error(), "takes no writes") {
				t.Errorf("Ready while it is read-only: %v", err)
			}
			again, err := Open(ctx, Config{Pool: s.pool.Pool})
			if err != nil {
				t.Fatalf("Open while it is read-only: %v", err)
			}
			if err := again.Ready(ctx); err == nil {
				t.Error("a store that was opened on a read-only database is ready")
			}
			if err := server.Exec(ctx, `ALTER DATABASE `+name+` RESET default_transaction_read_only`); err != nil {
				t.Fatal(err)
			}
			within(t, 5*time.Second, w.name, func() bool { return w.do() == nil })
		})
	}
}

// Callers do not notice that the server has closed connections: the pool repeats
// reads, and writes of which nothing was sent. case T9
func TestClosedConnections(t *testing.T) {
	const name = "closed_connections"
	ctx := t.Context()
	s := ownDatabase(t, name, "pool_max_conns=4")
	newKeys(t, s, 1)
	newLogin(t, s)
	reads := []struct {
		name string
		do   func() error
	}{
		{"Find", func() error {
			_, _, err := s.Keys().Find(ctx, newKey(1).Digest)
			return err
		}},
		{"List", func() error {
			list, err := s.KeyAdmin().List(ctx, "acct_1", "", 10)
			if err == nil && len(list) != 1 {
				err = fmt.Errorf("%d keys", len(list))
			}
			return err
		}},
		{"Sessions.Find", func() error {
			_, err := s.Sessions().Find(ctx, newSession(1).Digest)
			return err
		}},
		{"Ready", func() error { return s.Ready(ctx) }},
	}
	for _, r := range reads {
		t.Run(r.name, func(t *testing.T) {
			var held []interface{ Release() }
			for range s.pool.Stat().MaxConns() {
				c, err := s.pool.fresh(ctx)
				if err != nil {
					t.Fatal(err)
				}
				held = append(held, c)
			}
			terminate(t, name)
			for _, c := range held { // the pool does not know yet: they were in use just now
				c.Release()
			}
			if err := r.do(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A statement that may have been executed is not sent again, and a connection that
// cannot be made is not tried twice.
func TestAgain(t *testing.T) {
	p := &pool{Pool: open(t, config(t)).pool.Pool}
	dial := func() error {
		_, err := pgx.Connect(t.Context(), "postgres://127.0.0.1:1/x?sslmode=disable")
		return err
	}
	ended, stop := context.WithCancel(t.Context())
	stop()
	tests := []struct {
		name        string
		ctx         context.Context
		err         error
		read, write bool
	}{
		{name: "none"},
		{name: "an answer", err: pgx.ErrNoRows},
		{name: "a conflict", err: code(uniqueViolation)},
		{name: "read-only", err: code(readOnlyTransaction), read: true, write: true},
		{name: "an administrator", err: code(adminShutdown), read: true},
		{name: "a crash", err: code(crashShutdown), read: true},
		{name: "idle for too long", err: code(idleSessionTimeout), read: true},
		{name: "a broken connection", err: code("08006"), read: true},
		{name: "nobody there", err: dial()},
		{name: "the caller has gone", ctx: ended, err: code(adminShutdown)},
		{name: "time is up", err: context.DeadlineExceeded},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx := t.Context()
			if tt.ctx != nil {
				ctx = tt.ctx
			}
			err := tt.err
			if err != nil {
				err = fmt.Errorf("wrapped: %w", err)
			}
			if got := p.again(ctx, true, err); got != tt.read {
				t.Errorf("a read: %v, want %v", got, tt.read)
			}
			if got := p.again(ctx, false, err); got != tt.write {
				t.Errorf("a write: %v, want %v", got, tt.write)
			}
		})
	}
}

func code(c string) error { return &pgconn.PgError{Code: c} }

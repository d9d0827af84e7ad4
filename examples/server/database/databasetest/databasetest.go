// Package databasetest gives each test a database of its own, on SQLite or on a
// private Postgres that the tests of a package share.
package databasetest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"medtwin.ai/tollgate/adapters/pgstore/pgtest"
	"medtwin.ai/tollgate/examples/server/database"
)

// server is the Postgres of the package.
var server *pgtest.Server

var databases atomic.Int64

// Main runs the tests of a package and returns the exit code, which is not 0
// where they have left something behind.
func Main(m *testing.M) (code int) {
	return pgtest.Main(m, func(s *pgtest.Server) error {
		server = s
		return nil
	})
}

// Server returns the Postgres of the package.
func Server() *pgtest.Server { return server }

// Postgres returns the URL of an empty database, with settings such as
// "pool_max_conns=4" added. It is dropped when the test ends, which must have
// closed its connections by then.
func Postgres(tb testing.TB, settings ...string) (url string) {
	tb.Helper()
	name := fmt.Sprintf("test_%d", databases.Add(1))
	if err := server.Exec(context.Background(), "CREATE DATABASE "+name); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := drop(name); err != nil {
			tb.Error(err)
		}
	})
	return server.URL(append([]string{"dbname=" + name}, settings...)...)
}

// drop waits for connections of processes that were killed, which Postgres
// takes a moment to notice.
func drop(name string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(10 * time.Second)
	for {
		err := server.Exec(context.Background(), "DROP DATABASE "+name)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-late:
			return errors.Join(err, server.Exec(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)"))
		}
	}
}

// OnPostgres reports whether a test runs within one that is called
// TestPostgres, which runs others of its package again.
func OnPostgres(tb testing.TB) bool { return strings.HasPrefix(tb.Name(), "TestPostgres/") }

// Name returns what --database of the server names for the test: a file of its
// own, or where it is [OnPostgres], a database.
func Name(tb testing.TB) string {
	tb.Helper()
	if OnPostgres(tb) {
		return Postgres(tb, "default_query_exec_mode=exec", "search_path=pg_temp") // as behind PgBouncer
	}
	return "sqlite:" + filepath.Join(tb.TempDir(), "db")
}

// Each runs a test on a file of SQLite and on Postgres: on what --database of
// the server names.
func Each(t *testing.T, test func(t *testing.T, name string)) {
	t.Run("sqlite", func(t *testing.T) { test(t, "sqlite:"+filepath.Join(t.TempDir(), "db")) })
	t.Run("postgres", func(t *testing.T) { test(t, Postgres(t)) })
}

// Open opens what was named, and makes its tables.
func Open(ctx context.Context, name string) (*database.DB, error) {
	if path, ok := strings.CutPrefix(name, "sqlite:"); ok {
		return database.SQLite(ctx, path)
	}
	db, err := database.Postgres(name)
	if err == nil {
		if err = db.Prepare(ctx); err != nil {
			err = errors.Join(err, db.Close())
		}
	}
	return db, err
}

package database_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate/examples/server/database"
	"medtwin.ai/tollgate/examples/server/database/databasetest"
)

// fill has the pool make all its connections, and returns them at once: so each
// was in use a moment ago, and is not looked at before it is used again.
func fill(t *testing.T, db *database.DB) (release func()) {
	t.Helper()
	var held []interface{ Release() }
	for range db.Pool().Stat().MaxConns() {
		c, err := db.Pool().Acquire(t.Context())
		must(t, err)
		must(t, c.Ping(t.Context()))
		held = append(held, c)
	}
	return func() {
		for _, c := range held {
			c.Release()
		}
	}
}

func terminate(t *testing.T, name string) {
	t.Helper()
	must(t, databasetest.Server().Exec(t.Context(),
		`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '`+name+`'`))
}

func open(t *testing.T) (db *database.DB, name string) {
	t.Helper()
	text := databasetest.Postgres(t, "pool_max_conns=4")
	u, err := url.Parse(text)
	must(t, err)
	if name = u.Query().Get("dbname"); name == "" {
		name = strings.TrimPrefix(u.Path, "/")
	}
	db, err = databasetest.Open(t.Context(), text)
	must(t, err)
	t.Cleanup(func() { db.Close() })
	return db, name
}

const write = `UPDATE tollgate_server.webhooks SET account = ''`

// A database that was read-only takes writes as soon as it is so no more, also on
// connections that were made meanwhile. case T9
func TestReadOnlyAndBack(t *testing.T) {
	ctx := t.Context()
	db, name := open(t)
	writes := []struct {
		name string
		do   func() error
	}{
		{"a statement", func() error {
			_, err := db.Exec(ctx, write)
			return err
		}},
		{"a transaction", func() error {
			return db.Do(ctx, func(tx database.Tx) error {
				_, err := tx.Exec(ctx, write)
				return err
			})
		}},
	}
	for _, w := range writes {
		t.Run(w.name, func(t *testing.T) {
			must(t, w.do())
			must(t, databasetest.Server().Exec(ctx, `ALTER DATABASE `+name+` SET default_transaction_read_only = on`))
			terminate(t, name)
			db.Pool().Reset()
			fill(t, db)()
			if err := w.do(); err == nil {
				t.Error("it takes writes")
			}
			var n int
			must(t, db.Row(ctx, `SELECT count(*) FROM tollgate_server.webhooks`).Scan(&n))
			must(t, databasetest.Server().Exec(ctx, `ALTER DATABASE `+name+` RESET default_transaction_read_only`))
			tick := time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			for late := time.After(5 * time.Second); w.do() != nil; {
				select {
				case <-tick.C:
				case <-late:
					t.Fatal("it takes no writes")
				}
			}
		})
	}
}

// What the server has closed costs reads and transactions nothing. case T9
func TestClosedConnections(t *testing.T) {
	ctx := t.Context()
	db, name := open(t)
	tests := []struct {
		name string
		do   func() error
	}{
		{"Row", func() error { return db.Row(ctx, `SELECT count(*) FROM tollgate_server.webhooks`).Scan(new(int)) }},
		{"Rows", func() error {
			rows, err := db.Rows(ctx, `SELECT account FROM tollgate_server.webhooks`)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
			}
			return rows.Err()
		}},
		{"Do", func() error {
			return db.Do(ctx, func(tx database.Tx) error {
				_, err := tx.Exec(ctx, write)
				return err
			})
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			db.Pool().Reset()
			release := fill(t, db)
			terminate(t, name)
			release()
			must(t, tt.do())
		})
	}
}

package database_test

import (
	"database/sql"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/examples/server/database"
	"medtwin.ai/tollgate/examples/server/database/databasetest"
)

// each runs a test on SQLite and, with either way of sending arguments, on
// Postgres.
func each(t *testing.T, test func(t *testing.T, db *database.DB)) {
	open := func(name string) func(t *testing.T) {
		return func(t *testing.T) {
			if name == "sqlite" {
				name = databasetest.Name(t)
			} else {
				name = databasetest.Postgres(t, "default_query_exec_mode="+name, "search_path=pg_temp")
			}
			db, err := databasetest.Open(t.Context(), name)
			must(t, err)
			t.Cleanup(func() { db.Close() })
			test(t, db)
		}
	}
	for _, name := range []string{"sqlite", "cache_statement", "exec", "simple_protocol"} {
		t.Run(name, open(name))
	}
}

// One text of a statement serves both.
func TestStatements(t *testing.T) {
	each(t, func(t *testing.T, db *database.DB) {
		ctx := t.Context()
		add := func(id, account string) int64 {
			t.Helper()
			n, err := db.Exec(ctx, `INSERT INTO tollgate_server.webhooks (id, account, url, kinds, created) VALUES ($1, $2, '', '', 0) ON CONFLICT DO NOTHING`, id, account)
			must(t, err)
			return n
		}
		if n := add("we_1", "acct_1"); n != 1 {
			t.Errorf("%d rows", n)
		}
		if n := add("we_1", "acct_2"); n != 0 {
			t.Errorf("again: %d rows", n)
		}
		var account string
		find := func(id string) error {
			account = ""
			return db.Row(ctx, `SELECT account FROM tollgate_server.webhooks WHERE id = $1`+db.For("SHARE"), id).Scan(&account)
		}
		if err := find("we_1"); err != nil || account != "acct_1" {
			t.Errorf("%q, %v", account, err)
		}
		for _, id := range []string{"we_2", "we_1\x00", "we\xff"} {
			if err := find(id); !errors.Is(err, sql.ErrNoRows) {
				t.Errorf("%q: %q, %v", id, account, err)
			}
		}
		abandoned := errors.New("abandoned")
		if err := db.Do(ctx, func(tx database.Tx) error {
			_, err := tx.Exec(ctx, `DELETE FROM tollgate_server.webhooks`)
			return errors.Join(err, tx.Lock(ctx, "a lock"), abandoned)
		}); !errors.Is(err, abandoned) {
			t.Error(err)
		}
		if err := find("we_1"); err != nil {
			t.Errorf("after a transaction that failed: %v", err)
		}
	})
}

// What is looked up or put in order compares byte by byte, whatever the
// collation of the database.
func TestCollations(t *testing.T) {
	db := postgres(t, databasetest.Postgres(t))
	must(t, db.Prepare(t.Context()))
	var all, others int
	must(t, db.Row(t.Context(), `SELECT count(*), count(*) FILTER (WHERE collname <> 'C')
		FROM pg_index CROSS JOIN unnest(indcollation) AS of_column (id) JOIN pg_collation c ON c.oid = of_column.id
		WHERE indrelid::regclass::text LIKE 'tollgate_server.%'`).Scan(&all, &others))
	if all < 10 || others > 0 {
		t.Errorf("%d of %d columns of indexes have another collation than C", others, all)
	}
}

// case T1: no error repeats a password, whatever else is wrong.
func TestPasswordIsNotTold(t *testing.T) {
	const password = "hunter2secret"
	got := map[string]string{}
	for _, text := range []string{
		"postgres://u:PASSWORD@127.0.0.1:port/x",
		"postgres://u:PASSWORD@127.0.0.1:1/x?sslmode=none",
		"postgres://u:PASSWORD@127.0.0.1:1/x?pool_max_conns=many",
		"postgres://u:PASSWORD@127.0.0.1:1/x?pool_max_conns=1",
		"postgres://127.0.0.1:1/x?user=u&password=PASSWORD&connect_timeout=x",
		"postgres://127.0.0.1:1/x?user=u&connect_timeout=PASSWORD&password=PASSWORD",
		"postgres://u:PASSWORD/1@127.0.0.1:1/x",
		"postgres://u:1/PASSWORD@127.0.0.1:1/x",
		"postgres://u:1#PASSWORD@127.0.0.1:1/x",
		"postgres://u:PASSWORD?@127.0.0.1:1/x",
		"postgres://u:1?PASSWORD@127.0.0.1:1/x",
		"postgres://u:%PASSWORD@127.0.0.1:1/x",
		"postgres://u:PASSWORD@[::1/x",
		"postgres://u:PASSWORD@127.0.0.1:1/x?sslmode=disable", // nobody is there
		"postgresql://u:PASSWORD@127.0.0.1:1,127.0.0.1:2/x?sslmode=disable",
	} {
		db, err := database.Postgres(strings.ReplaceAll(text, "PASSWORD", password))
		if err == nil {
			err = db.Prepare(t.Context())
			db.Close()
		}
		if err == nil {
			t.Errorf("%s: no error", text)
			continue
		}
		if strings.Contains(err.Error(), password[:4]) {
			t.Errorf("%s: %v", text, err)
		}
		got[text], _, _ = strings.Cut(err.Error(), ":")
	}
	want := map[string]string{}
	for text := range got {
		want[text] = "no URL of a database"
	}
	want["postgres://u:PASSWORD@127.0.0.1:1/x?sslmode=none"] = "failed to configure TLS (sslmode is invalid)"
	want["postgres://u:PASSWORD@127.0.0.1:1/x?pool_max_conns=many"] = "cannot parse pool_max_conns (strconv.ParseInt"
	want["postgres://u:PASSWORD@127.0.0.1:1/x?pool_max_conns=1"] = "pool_max_conns must be 2 or more"
	want["postgres://127.0.0.1:1/x?user=u&password=PASSWORD&connect_timeout=x"] = "invalid connect_timeout (strconv.ParseInt"
	for _, text := range []string{"postgres://u:PASSWORD@127.0.0.1:1/x?sslmode=disable", "postgresql://u:PASSWORD@127.0.0.1:1,127.0.0.1:2/x?sslmode=disable"} {
		want[text] = "database"
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("errors (-want +got):\n%s", d)
	}

	wrong, err := url.Parse(databasetest.Server().URL())
	must(t, err)
	wrong.User = url.UserPassword("tollgate", password)
	db := postgres(t, wrong.String())
	if err := db.Prepare(t.Context()); err == nil || strings.Contains(err.Error(), password) || !strings.Contains(err.Error(), "authentication failed") {
		t.Errorf("another password: %v", err)
	}
}

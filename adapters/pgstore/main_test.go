package pgstore

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"medtwin.ai/tollgate/adapters/pgstore/pgtest"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/storetest"
)

// server is the Postgres of this package's tests. Those that hurt it have one
// of their own.
var server *pgtest.Server

func TestMain(m *testing.M) {
	os.Exit(pgtest.Main(m, func(s *pgtest.Server) error {
		server = s
		// The example makes no effort to leave nothing behind.
		return errors.Join(s.Exec(context.Background(), "CREATE DATABASE example"), os.Setenv("DATABASE_URL", s.URL("dbname=example")))
	}))
}

// config is of a schema of the test's own, without tables yet.
func config(t testing.TB, settings ...string) Config {
	t.Helper()
	return Config{
		URL:    server.URL(append([]string{"pool_max_conns=8"}, settings...)...),
		Schema: server.Schema(t), Heartbeat: 50 * time.Millisecond,
	}
}

// open makes the tables and opens the store, and closes it when the test ends.
func open(t testing.TB, c Config) *Store {
	t.Helper()
	if err := Migrate(t.Context(), c, newest()); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	s.beatTimeout = 10 * time.Second // whatever else the machine does
	t.Cleanup(func() { s.Close() })
	return s
}

// empty opens the store of a schema that the checks of a test share, without what
// the last of them has left. To make a schema for each takes longer than the checks.
func empty(t testing.TB, c Config) *Store {
	t.Helper()
	s := open(t, c)
	byHand(t, s, `DELETE FROM tollgate.sessions; DELETE FROM tollgate.keys; DELETE FROM tollgate.invitations; DELETE FROM tollgate.memberships; DELETE FROM tollgate.users;
		DELETE FROM tollgate.events; DELETE FROM tollgate.fingerprints; DELETE FROM tollgate.accounts`)
	return s
}

// One of two stores is behind a pooler. The suite covers, on this backend, case A8, case K6, case K8, case K11, case
// K12, case K16, case K18, case K20, case K21, case K22, case S7, case S9, case
// S11 and case S23, as far as they are the store's.
func TestStore(t *testing.T) {
	c := config(t)
	direct, pooled := open(t, c), behindPooler(t, c)
	storetest.Run(t, func(t *testing.T) storetest.Backend { return storetest.Pair(empty(t, pooled), direct) })
}

// Nothing depends on search_path, nor on the name of the schema.
func TestSchemaNames(t *testing.T) {
	for _, name := range []string{
		"", "public2", "Tollgate", "with space", `quo"te`, "apos'trophe", "dollar$1$$", "dot.ted", "tollgate.", "select",
		`back\slash`, "%s {schema} :x ?", "ünïcode 名", strings.Repeat("x", 63),
	} {
		t.Run(name, func(t *testing.T) {
			for _, mode := range []string{"cache_statement", "exec"} {
				c := Config{URL: server.URL("search_path=pg_temp", "default_query_exec_mode="+mode), Schema: name, Heartbeat: 50 * time.Millisecond}
				s := open(t, c)
				newAccount(t, s)
				newLogin(t, s)
				w, _ := watch(t, s)
				k := newKey(1)
				if err := s.KeyAdmin().Create(t.Context(), k, 9, t0); err != nil {
					t.Fatal(err)
				}
				w.hear(t, k.ID)
				if got, _, err := s.Keys().Find(t.Context(), k.Digest); err != nil || got.ID != k.ID {
					t.Errorf("Find: %q, %v", got.ID, err)
				}
				if err := s.Keys().Touch(t.Context(), []store.Use{{ID: k.ID, At: t0}}); err != nil {
					t.Error(err)
				}
				if err := Migrate(t.Context(), c, 0); err != nil {
					t.Error(err)
				}
				w.hear(t, "Gap")
				quoted := s.schema.quoted
				// RESTRICT: nothing may be left in it.
				if err := server.Exec(t.Context(), "DROP SCHEMA "+quoted+" RESTRICT"); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestMistakes(t *testing.T) {
	pool, err := pgxpool.New(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	german, err := pgxpool.New(t.Context(), server.URL("datestyle=German"))
	if err != nil {
		t.Fatal(err)
	}
	defer german.Close()
	for _, tt := range []struct {
		want string
		c    Config
	}{
		{"URL and Pool are both empty", Config{}},
		{"both URL and Pool", Config{URL: server.URL(), Pool: pool}},
		{"Heartbeat is -1ns", Config{Pool: pool, Heartbeat: -1}},
		{"64 bytes", Config{Pool: pool, Schema: strings.Repeat("x", 64)}},
		{"no text that Postgres", Config{Pool: pool, Schema: "a\x00b"}},
		{"cannot parse", Config{URL: "postgres://localhost:port/x"}},
		{"connection refused", Config{URL: "postgres://127.0.0.1:1/x?sslmode=disable"}},
		{"run Migrate", Config{Pool: pool, Schema: "nowhere"}},
		{`"German, DMY", want ISO`, Config{Pool: german}},
		{"password authentication failed", Config{URL: strings.Replace(server.URL(), "tollgate:", "tollgate:x", 1)}},
		{`want "read committed"`, Config{URL: server.URL("default_transaction_isolation=serializable")}},
		{"URL and Pool are both empty\npgsto", Config{Heartbeat: -1}}, // and the second mistake after it
	} {
		s, err := Open(t.Context(), tt.c)
		if err == nil || s != nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Open: %v, want %q", err, tt.want)
		}
		outage(t, "Open", err)
		if err != nil && strings.Contains(err.Error(), pool.Config().ConnConfig.Password) {
			t.Errorf("Open tells the password: %v", err)
		}
	}
}

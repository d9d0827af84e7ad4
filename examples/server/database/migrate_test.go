package database_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/adapters/pgstore"
	"medtwin.ai/tollgate/examples/server/database"
	"medtwin.ai/tollgate/examples/server/database/databasetest"
)

func postgres(t *testing.T, url string) *database.DB {
	t.Helper()
	db, err := database.Postgres(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The newest version comes with the library's newest.
func TestVersions(t *testing.T) {
	sql, err := database.SQL(database.Newest())
	must(t, err)
	all := pgstore.Migrations("")
	if !strings.Contains(sql, all[len(all)-1].Up) {
		t.Errorf("version %d of the database lacks version %d of the library's schema", database.Newest(), len(all))
	}
}

// Of several servers that find an empty database at once, one makes the tables.
// Doing it again, or in another way, has the same result.
func TestMigrate(t *testing.T) {
	ctx := t.Context()
	url := databasetest.Postgres(t)
	db := postgres(t, url)
	for round := range 3 {
		var all sync.WaitGroup
		for i := range 8 {
			other := postgres(t, url)
			all.Go(func() {
				do := other.Prepare
				if i%2 == 1 {
					do = func(ctx context.Context) error { return other.Migrate(ctx, database.Newest()) }
				}
				if err := do(ctx); err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		all.Wait()
		if _, err := db.Library(ctx); err != nil {
			t.Error(err)
		}
		if round == 1 { // the third finds nothing again
			must(t, db.Migrate(ctx, 0))
			must(t, db.Migrate(ctx, 0))
		}
	}
	want := structure(t, url)

	printed := databasetest.Postgres(t)
	sql, err := database.SQL(database.Newest())
	must(t, err)
	psql := exec.Command(databasetest.Server().Bin("psql"), "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", printed)
	psql.Stdin = strings.NewReader(sql)
	if out, err := psql.CombinedOutput(); err != nil {
		t.Fatalf("psql: %v\n%s", err, out)
	}
	if d := cmp.Diff(want, structure(t, printed)); d != "" {
		t.Errorf("what is printed makes something else (-migrate +print):\n%s", d)
	}
	must(t, postgres(t, printed).Prepare(ctx))
	for _, v := range []int{-1, database.Newest() + 1} {
		if err := db.Migrate(ctx, v); err == nil || !strings.Contains(err.Error(), "no version") {
			t.Errorf("version %d: %v", v, err)
		}
		if _, err := database.SQL(v); err == nil {
			t.Errorf("version %d is printed", v)
		}
	}
}

// structure is a database without what is in it.
func structure(t *testing.T, url string) string {
	t.Helper()
	db := postgres(t, url)
	rows, err := db.Rows(t.Context(), `
		SELECT format('%s.%s.%s %s %s %s', table_schema, table_name, column_name, data_type, is_nullable, column_default), collation_name IS NULL
			FROM information_schema.columns WHERE table_schema LIKE 'tollgate%'
		UNION ALL SELECT indexdef, true FROM pg_indexes WHERE schemaname LIKE 'tollgate%'
		UNION ALL SELECT format('version %s', version), true FROM tollgate_server.migrations
		UNION ALL SELECT format('version %s of the library', version), true FROM tollgate.migrations
		ORDER BY 1`)
	must(t, err)
	defer rows.Close()
	var lines []string
	for rows.Next() {
		var line, plain string
		must(t, rows.Scan(&line, &plain))
		lines = append(lines, line+" "+plain)
	}
	must(t, rows.Err())
	return strings.Join(lines, "\n")
}

// A database of another release is left alone, and what is to be done is said.
func TestOtherRelease(t *testing.T) {
	for _, tt := range []struct {
		name, change string
		want         error
	}{
		{"older", `DELETE FROM tollgate_server.migrations WHERE version > 1`, database.ErrOlder},
		{"newer", `INSERT INTO tollgate_server.migrations VALUES (1000, 'later', 1000)`, database.ErrNewer},
		{"older library", `DELETE FROM tollgate.migrations`, database.ErrOlder},
		{"newer library", `INSERT INTO tollgate.migrations VALUES (1000, 'later', 1000)`, database.ErrNewer},
		{"newer, for us too", `INSERT INTO tollgate_server.migrations VALUES (1000, 'later', 1); INSERT INTO tollgate.migrations VALUES (1000, 'later', 1)`, nil},
		{"older library alone", `DELETE FROM tollgate.migrations; DROP SCHEMA tollgate_server CASCADE`, database.ErrOlder},
		{"library alone", `DROP SCHEMA tollgate_server CASCADE`, nil},
		{"empty schemas", `DROP SCHEMA tollgate, tollgate_server CASCADE; CREATE SCHEMA tollgate; CREATE SCHEMA tollgate_server`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			db := postgres(t, databasetest.Postgres(t))
			must(t, db.Prepare(t.Context()))
			_, err := db.Pool().Exec(t.Context(), tt.change)
			must(t, err)
			if err = db.Prepare(t.Context()); err == nil {
				_, err = db.Library(t.Context())
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if tt.want == database.ErrOlder && !strings.Contains(err.Error(), "run: server migrate") {
				t.Errorf("%v", err)
			}
			if err := db.Migrate(t.Context(), database.Newest()); errors.Is(err, database.ErrNewer) != strings.HasPrefix(tt.name, "newer") {
				t.Errorf("Migrate: %v", err)
			}
		})
	}
}

// The documented grants hold for tables that are made later: by an upgrade, and by
// going down to nothing and up again.
func TestGrantsOutliveUpgrades(t *testing.T) {
	ctx := t.Context()
	const owner, server = "tollgate_owner", "tollgate_server"
	text, err := os.ReadFile("../../../docs/operators.md")
	must(t, err)
	_, text, _ = bytes.Cut(text, []byte("```sql\n"))
	grants, _, found := bytes.Cut(text, []byte("```"))
	if !found || !bytes.Contains(grants, []byte("ALTER DEFAULT PRIVILEGES")) {
		t.Fatalf("docs/operators.md has no grants: %q", grants)
	}
	url := databasetest.Postgres(t)
	admin := postgres(t, url)
	run := func(sql string) {
		t.Helper()
		_, err := admin.Pool().Exec(ctx, sql)
		must(t, err)
	}
	t.Cleanup(func() {
		_, err := admin.Pool().Exec(context.Background(), `DROP OWNED BY `+owner+`; DROP OWNED BY `+server+`; DROP ROLE `+owner+`, `+server)
		if err != nil {
			t.Error(err)
		}
	})
	for _, role := range []string{owner, server} {
		run(`CREATE ROLE ` + role + ` LOGIN PASSWORD 'low'`)
	}
	run(`DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO ` + owner + `', current_database()); END $$`)
	as := func(role string) *database.DB {
		return postgres(t, "postgres://"+role+":low"+url[strings.Index(url, "@"):])
	}
	migrations, serving := as(owner), as(server)
	must(t, migrations.Migrate(ctx, 1))
	_, err = migrations.Pool().Exec(ctx, string(grants))
	must(t, err)
	works := func(what string) {
		t.Helper()
		if err := serving.Prepare(ctx); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		s, err := serving.Library(ctx)
		must(t, err)
		if err := s.Ready(ctx); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		var without string
		must(t, serving.Pool().QueryRow(ctx, `SELECT coalesce(string_agg(c.oid::regclass || ' ' || p, ', '), '')
			FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p
			WHERE n.nspname LIKE 'tollgate%' AND c.relkind = 'r' AND NOT has_table_privilege(c.oid, p)`).Scan(&without))
		if without != "" {
			t.Errorf("%s: the server lacks %s", what, without)
		}
	}
	must(t, migrations.Migrate(ctx, database.Newest()))
	works("after an upgrade")
	must(t, migrations.Migrate(ctx, 0))
	must(t, migrations.Migrate(ctx, database.Newest()))
	works("down to nothing and up again")
}

// A role that may create nothing serves what is in place, and makes nothing.
func TestRoleWithoutCreate(t *testing.T) {
	ctx := t.Context()
	const role = "tollgate_test_server"
	must(t, databasetest.Server().Exec(ctx, `CREATE ROLE `+role+` LOGIN PASSWORD 'low'`))
	t.Cleanup(func() {
		if err := databasetest.Server().Exec(context.Background(), `DROP ROLE `+role); err != nil {
			t.Error(err)
		}
	})
	url := databasetest.Postgres(t)
	at := strings.Index(url, "@")
	low := "postgres://" + role + ":low" + url[at:]
	if err := postgres(t, low).Prepare(ctx); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("an empty database: %v", err)
	}
	db := postgres(t, url)
	must(t, db.Prepare(ctx))
	_, err := db.Pool().Exec(ctx, `GRANT USAGE ON SCHEMA tollgate, tollgate_server TO `+role+`;
		GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA tollgate, tollgate_server TO `+role)
	must(t, err)
	served := postgres(t, low)
	must(t, served.Prepare(ctx))
	if _, err := served.Library(ctx); err != nil {
		t.Error(err)
	}
	if _, err := served.Exec(ctx, `INSERT INTO tollgate_server.webhooks (id, account, url, kinds, created) VALUES ($1, $2, '', '', 0)`, "we_1", "acct_1"); err != nil {
		t.Error(err)
	}
	must(t, served.Migrate(ctx, database.Newest())) // there is nothing to do
}

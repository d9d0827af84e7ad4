package pgstore

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// made returns what the schema is made of.
func made(t *testing.T, c Config) []string {
	t.Helper()
	s, err := connect(c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	list, err := collect(t.Context(), s.conn, func(s *string) []any { return []any{s} }, `
		SELECT format('column %s.%s %s %s %s %s', table_name, column_name, data_type, is_nullable, column_default, collation_name)
			FROM information_schema.columns WHERE table_schema = $1
		UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = $1
		UNION ALL SELECT format('%s, enabled %s', pg_get_triggerdef(t.oid), t.tgenabled) FROM pg_trigger t JOIN pg_class r ON r.oid = t.tgrelid
			JOIN pg_namespace n ON n.oid = r.relnamespace WHERE n.nspname = $1 AND NOT t.tgisinternal
		UNION ALL SELECT pg_get_functiondef(p.oid) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = $1
		UNION ALL SELECT format('%s: %s', o.conrelid::regclass, pg_get_constraintdef(o.oid)) FROM pg_constraint o
			JOIN pg_namespace n ON n.oid = o.connamespace WHERE n.nspname = $1
		ORDER BY 1`, s.schema.name)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestMigrate(t *testing.T) {
	ctx, c := t.Context(), config(t)
	if err := Migrate(ctx, c, 0); err != nil { // there is nothing to do
		t.Fatal(err)
	}
	open(t, c)
	up := made(t, c)
	if len(up) < 100 {
		t.Fatalf("Migrate made little: %q", up)
	}
	if err := Migrate(ctx, c, 0); err != nil {
		t.Fatal(err)
	}
	if down := made(t, c); len(down) != 0 {
		t.Errorf("down to nothing leaves %q", down)
	}
	if _, err := Open(ctx, c); !errors.Is(err, ErrOlder) {
		t.Errorf("Open without tables: %v, want ErrOlder", err)
	}
	for range 2 { // the second time there is nothing to do
		if err := Migrate(ctx, c, newest()); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(up, made(t, c)); d != "" {
			t.Errorf("up, down and up again (-once +again):\n%s", d)
		}
	}
	newAccount(t, open(t, c))

	for _, version := range []int{-1, newest() + 1} {
		if err := Migrate(ctx, c, version); err == nil {
			t.Errorf("Migrate to version %d succeeded", version)
		}
	}
	if err := Migrate(ctx, Config{}, 1); err == nil {
		t.Error("Migrate of nothing succeeded")
	}
}

// Each step down leaves the schema as the step before made it.
func TestMigrateStepByStep(t *testing.T) {
	c := config(t)
	var steps [][]string
	for v := range newest() + 1 {
		if err := Migrate(t.Context(), c, v); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, made(t, c))
	}
	for v := newest(); v > 0; v-- {
		if err := Migrate(t.Context(), c, v); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(steps[v], made(t, c)); d != "" {
			t.Errorf("version %d after a step down (-on the way up +on the way down):\n%s", v, d)
		}
	}
}

// Other tools can run what is printed, and Open accepts their work.
func TestMigrations(t *testing.T) {
	ours, theirs := config(t), config(t)
	open(t, ours)
	byName := func(c Config) []string {
		list := made(t, c)
		for i := range list {
			list[i] = strings.ReplaceAll(list[i], c.Schema, "tollgate")
		}
		return list
	}
	sql := "CREATE SCHEMA " + theirs.Schema + ";"
	for i, m := range Migrations(theirs.Schema) {
		if m.Version != i+1 || m.Name == "" || !strings.Contains(m.Up, "INSERT INTO") || !strings.Contains(m.Down, "DELETE FROM") {
			t.Errorf("migration %d is %+v", i, m)
		}
		sql += m.Up
	}
	if err := server.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), theirs)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if d := cmp.Diff(byName(ours), byName(theirs)); d != "" {
		t.Errorf("what Migrate made and what was run by hand (-Migrate +by hand):\n%s", d)
	}
	down := Migrations(theirs.Schema)
	sql = ""
	for i := range down {
		sql += down[len(down)-1-i].Down
	}
	if err := server.Exec(t.Context(), sql+"DROP SCHEMA "+theirs.Schema+" RESTRICT"); err != nil {
		t.Errorf("down by hand: %v", err)
	}
	if first := Migrations("")[0].Up; !strings.Contains(first, `CREATE TABLE "tollgate".keys (`) {
		t.Errorf("by default the schema is not tollgate: %s", first)
	}
}

// A migration that works with this release can be made while it runs.
func TestNextDatabase(t *testing.T) {
	c := config(t)
	s := open(t, c)
	byHand(t, s, fmt.Sprintf(`INSERT INTO tollgate.migrations VALUES (%d, 'of_tomorrow', %d)`, newest()+1, newest()))
	if next, err := Open(t.Context(), c); err != nil {
		t.Errorf("Open: %v", err)
	} else {
		next.Close()
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("Ready: %v", err)
	}
	for _, to := range []int{0, newest()} {
		if err := Migrate(t.Context(), c, to); !errors.Is(err, ErrNewer) {
			t.Errorf("Migrate to %d: %v, want ErrNewer: it does not know the way", to, err)
		}
	}
}

func TestNewerDatabase(t *testing.T) {
	c := config(t)
	s := open(t, c)
	byHand(t, s, fmt.Sprintf(`INSERT INTO tollgate.migrations VALUES (%d, 'of_tomorrow', %[1]d)`, newest()+1))
	before := made(t, c)
	if s, err := Open(t.Context(), c); !errors.Is(err, ErrNewer) || s != nil {
		t.Errorf("Open: %v, want ErrNewer", err)
	}
	if err := Migrate(t.Context(), c, 0); !errors.Is(err, ErrNewer) {
		t.Errorf("Migrate: %v, want ErrNewer", err)
	}
	if err := s.Ready(t.Context()); !errors.Is(err, ErrNewer) {
		t.Errorf("Ready of a store that was open before: %v, want ErrNewer", err)
	}
	if d := cmp.Diff(before, made(t, c)); d != "" {
		t.Errorf("a database that was refused has changed:\n%s", d)
	}
}

// A migration that fails half-way leaves the schema as it was.
func TestMigrateIsAtomic(t *testing.T) {
	c := config(t)
	// In the way of version 1, near its end.
	if err := server.Exec(t.Context(), `CREATE SCHEMA `+c.Schema+`; CREATE TABLE `+c.Schema+`.events (somebody text)`); err != nil {
		t.Fatal(err)
	}
	before := made(t, c)
	if err := Migrate(t.Context(), c, newest()); err == nil {
		t.Error("Migrate succeeded over a table of the same name")
	}
	if d := cmp.Diff(before, made(t, c)); d != "" {
		t.Errorf("a migration that failed left its traces:\n%s", d)
	}
}

// Processes that start together do not trip over each other, however strictly
// their transactions are kept apart by default.
func TestMigrateTogether(t *testing.T) {
	for _, isolation := range []string{"read committed", "repeatable read", "serializable"} {
		t.Run(isolation, func(t *testing.T) {
			c := config(t)
			strict := c
			strict.URL = server.URL("default_transaction_isolation=" + url.PathEscape(isolation))
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					if err := Migrate(t.Context(), strict, newest()); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			newAccount(t, open(t, c))
		})
	}
}

// A role that may not make schemas migrates one that was made for it, and a
// role that may not make tables works with them.
func TestRoles(t *testing.T) {
	c := config(t)
	maker, worker := c.Schema+"_maker", c.Schema+"_worker"
	t.Cleanup(func() {
		for _, role := range []string{maker, worker} {
			if err := server.Exec(context.Background(), "DROP OWNED BY "+role+" CASCADE; DROP ROLE "+role); err != nil {
				t.Error(err)
			}
		}
	})
	if err := server.Exec(t.Context(), fmt.Sprintf(`CREATE ROLE %[1]s LOGIN PASSWORD 'x'; CREATE ROLE %[2]s LOGIN PASSWORD 'x';
		CREATE SCHEMA %[3]s AUTHORIZATION %[1]s`, maker, worker, c.Schema)); err != nil {
		t.Fatal(err)
	}
	as := func(role string) Config {
		c := c
		c.URL = server.URL("user="+role, "password=x", "pool_max_conns=4")
		return c
	}
	if err := Migrate(t.Context(), as(maker), newest()); err != nil {
		t.Fatal(err)
	}
	if err := server.Exec(t.Context(), fmt.Sprintf(`GRANT USAGE ON SCHEMA %[1]s TO %[2]s;
		GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %[1]s TO %[2]s`, c.Schema, worker)); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), as(worker))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w, _ := watch(t, s)
	newKeys(t, s, 2)
	newLogin(t, s)
	w.hear(t, newKey(2).ID)
	if err := s.KeyAdmin().Rotate(t.Context(), "acct_1", newKey(1).ID, newKey(3), t0, t0); err != nil {
		t.Error(err)
	}
	if _, err := s.KeyAdmin().Prune(t.Context(), t0, 1000); err != nil {
		t.Error(err)
	}
	if err := Migrate(t.Context(), as(worker), newest()); err != nil {
		t.Errorf("Migrate where there is nothing to do: %v", err)
	}
	if err := Migrate(t.Context(), as(worker), 0); err == nil {
		t.Error("a role without the right to it dropped the tables")
	}
}

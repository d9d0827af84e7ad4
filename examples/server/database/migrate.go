package database

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"medtwin.ai/tollgate/adapters/pgstore"
)

var (
	// ErrOlder is returned for a database that lacks a migration.
	ErrOlder = errors.New("the database is of an older release: run: server migrate")
	// ErrNewer is returned for a database that a newer release has made.
	ErrNewer = errors.New("the database is of a newer release than this program")
)

//go:embed migrations/*.sql
var migrations embed.FS

// versions are those of the database as a whole: what makes the server's own
// tables ("" where those stay as they are), and the version of the library's schema that goes with them. Each
// must work with the programs of the version before, so that one can migrate
// first and replace the servers then.
var versions = []struct {
	file    string
	library int
}{
	0: {}, // no tables at all
	1: {"0001_all_tables", 1},
	2: {"", 2},
	3: {"", 3},
	4: {"", 4},
	5: {"", 5},
}

// Newest is the version that this release needs.
func Newest() int { return len(versions) - 1 }

func up(version int) string {
	return file(version, ".up.sql") +
		fmt.Sprintf("\nINSERT INTO %s.migrations (version, since) VALUES (%d, %d);\n", schema, version, max(1, version-1))
}

func down(version int) string {
	return fmt.Sprintf("DELETE FROM %s.migrations WHERE version = %d;\n\n", schema, version) +
		file(version, ".down.sql")
}

// file returns the SQL of a version, nothing where it changes the library's tables
// alone.
func file(version int, way string) string {
	name := versions[version].file
	if name == "" {
		return ""
	}
	b, err := migrations.ReadFile("migrations/" + name + way)
	if err != nil {
		panic(err) // they are in the binary
	}
	return string(b)
}

// Prepare makes the tables where there are none, those of the library as well,
// also when several do it at once. It changes nothing else: a database of an
// older release is [ErrOlder], one of a newer [ErrNewer] unless that has said
// that this one works with it.
func (d *DB) Prepare(ctx context.Context) error {
	if d.pool == nil {
		return nil // it is as [SQLite] has made it
	}
	at, there, err := version(ctx, d.pool.Pool)
	switch {
	case err != nil:
		return err
	case there && at < Newest():
		return fmt.Errorf("%w (it has version %d, and this release needs %d)", ErrOlder, at, Newest())
	case there:
		return nil
	}
	// The library's may be there: of another program, so it is not for us to
	// bring them up to date.
	if err := d.pool.QueryRow(ctx, `SELECT to_regclass('tollgate.migrations') IS NOT NULL`).Scan(&there); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	if there {
		if _, err := d.Library(ctx); err != nil {
			return err
		}
	}
	return d.Migrate(ctx, Newest())
}

// Library opens the records of the library, on the same connections but for
// those of [DB.Listen].
func (d *DB) Library(ctx context.Context) (*pgstore.Store, error) {
	s, err := pgstore.Open(ctx, pgstore.Config{Pool: d.pool.Pool, Listen: d.listen})
	return s, ours(err)
}

// ours is an error of the library's, whose versions say nothing to operators.
func ours(err error) error {
	switch {
	case errors.Is(err, pgstore.ErrOlder):
		return ErrOlder
	case errors.Is(err, pgstore.ErrNewer):
		return ErrNewer
	}
	return err
}

// Migrate brings all tables up or down to a version, 0 being none. Of several
// at once one does the work and the others wait. Going down loses what the
// older version cannot hold; stop the servers first.
func (d *DB) Migrate(ctx context.Context, to int) error {
	if err := known(to); err != nil {
		return err
	}
	if d.pool == nil {
		if to != Newest() {
			return errors.New("SQLite has the newest version only")
		}
		return nil
	}
	err := pgx.BeginTxFunc(ctx, d.pool.Pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, schema+" migrates"); err != nil {
			return err
		}
		at, _, err := version(ctx, tx)
		if err == nil && at > Newest() {
			err = newer(at)
		}
		if err != nil {
			return err
		}
		for ; at > to; at-- {
			if _, err := tx.Exec(ctx, down(at)); err != nil {
				return fmt.Errorf("down from version %d: %w", at, err)
			}
		}
		// In a transaction of its own: where that is committed and this one is
		// not, doing it again goes on from there.
		if err := pgstore.Migrate(ctx, pgstore.Config{Pool: d.pool.Pool}, versions[to].library); err != nil {
			return ours(err)
		}
		if at < to {
			return steps(ctx, tx, at, to)
		}
		return nil
	})
	if err != nil && !errors.Is(err, ErrNewer) {
		err = fmt.Errorf("migrate: %w", err)
	}
	return err
}

func known(version int) error {
	if version < 0 || version > Newest() {
		return fmt.Errorf("there is no version %d of the database; the newest is %d", version, Newest())
	}
	return nil
}

// steps goes up.
func steps(ctx context.Context, tx pgx.Tx, at, to int) error {
	// Not IF NOT EXISTS, which asks for the right to make one also where it is.
	var there bool
	if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = '`+schema+`')`).Scan(&there); err != nil {
		return err
	}
	if !there {
		if _, err := tx.Exec(ctx, `CREATE SCHEMA `+schema); err != nil {
			return err
		}
	}
	for at < to {
		at++
		if _, err := tx.Exec(ctx, up(at)); err != nil {
			return fmt.Errorf("up to version %d: %w", at, err)
		}
	}
	return nil
}

// version returns that of the database, 0 where there is none, and whether our
// tables are there. It is ErrNewer where this release cannot work with them.
func version(ctx context.Context, q interface {
	QueryRow(context.Context, string, ...any) pgx.Row
}) (v int, there bool, err error) {
	// Not to_regclass, which in a transaction that has waited for another to
	// make the table may remember that there was none.
	err = q.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = '`+schema+`' AND c.relname = 'migrations')`).Scan(&there)
	var since int
	if err == nil && there {
		err = q.QueryRow(ctx, `SELECT coalesce(max(version), 0), coalesce(max(since), 0) FROM `+schema+`.migrations`).Scan(&v, &since)
	}
	switch {
	case err != nil:
		err = fmt.Errorf("database: %w", err)
	case since > Newest():
		err = newer(v)
	}
	return v, there, err
}

func newer(at int) error {
	return fmt.Errorf("%w (it has version %d, and this release knows %d)", ErrNewer, at, Newest())
}

// SQL is what [DB.Migrate] does to an empty Postgres, for other tools: a
// transaction for each version of the library's schema and of ours.
func SQL(to int) (string, error) {
	if err := known(to); err != nil {
		return "", err
	}
	var b strings.Builder
	transaction := func(title, sql string) {
		fmt.Fprintf(&b, "-- %s\nBEGIN;\n\n%s\nCOMMIT;\n\n", title, strings.TrimRight(sql, "\n")+"\n")
	}
	done := 0
	for v := 1; v <= to; v++ {
		for _, m := range pgstore.Migrations("")[done:versions[v].library] {
			sql := m.Up
			if m.Version == 1 {
				sql = "CREATE SCHEMA IF NOT EXISTS tollgate;\n\n" + sql
			}
			transaction(fmt.Sprintf("Version %d, the library's part: %d, %s", v, m.Version, m.Name), sql)
		}
		done = versions[v].library
		sql := up(v)
		if v == 1 {
			sql = "CREATE SCHEMA IF NOT EXISTS " + schema + ";\n\n" + sql
		}
		transaction(fmt.Sprintf("Version %d, the server's part", v), sql)
	}
	return b.String(), nil
}

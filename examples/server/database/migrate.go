package database

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"medtwin.ai/tollgate/adapters/pgstore"
	"medtwin.ai/tollgate/store/sqlkit"
)

var (
	// ErrOlder is returned for a database that lacks a migration.
	ErrOlder = errors.New("the database is of an older release: run: server migrate")
	// ErrNewer is returned for a database that a newer release has made.
	ErrNewer = sqlkit.ErrNewer
)

// schema is where the tables are.
const schema = "tollgate_server"

//go:embed postgres.up.sql
var postgresUp string

//go:embed postgres.down.sql
var postgresDown string

// library has, for each version of the database as a whole, the version of the
// library's schema that goes with it. Version 0 has no tables at all. Each must work
// with the programs of the version before, so that one can migrate first and replace
// the servers then.
var library = []int{0, 1, 2, 3, 4, 5}

// postgresSchema has the steps of the server's own tables. Most change only those of
// the library.
var postgresSchema = func() sqlkit.Schema {
	steps := []sqlkit.Migration{{Version: 1, Name: "all_tables", Up: postgresUp, Down: postgresDown}}
	for v := 2; v < len(library); v++ {
		steps = append(steps, sqlkit.Migration{Version: v, Name: "library"})
	}
	return sqlkit.Postgres(schema, steps)
}()

// Newest is the version that this release needs.
func Newest() int { return postgresSchema.Newest() }

// scripts runs the statements of migrations.
type scripts struct{ c Conn }

// Exec implements [sqlkit.Conn].
func (s scripts) Exec(ctx context.Context, script string) error {
	_, err := s.c.Exec(ctx, script)
	return err
}

// Row implements [sqlkit.Conn].
func (s scripts) Row(ctx context.Context, query string, into ...any) error {
	return s.c.Row(ctx, query).Scan(into...)
}

// Prepare makes the tables where there are none, those of the library as well,
// also when several do it at once. It changes nothing else: a database of an
// older release is [ErrOlder], one of a newer [ErrNewer] unless that has said
// that this one works with it.
func (d *DB) Prepare(ctx context.Context) error {
	if !d.postgres {
		return nil // it is as [SQLite] has made it
	}
	at, err := postgresSchema.Version(ctx, scripts{d.Conn})
	switch {
	case err != nil:
		return fmt.Errorf("database: %w", err)
	case at > 0 && at < Newest():
		return fmt.Errorf("%w (it has version %d, and this release needs %d)", ErrOlder, at, Newest())
	case at > 0:
		return nil
	}
	// The library's may be there: of another program, so it is not for us to
	// bring them up to date.
	var there bool
	if err := d.Row(ctx, `SELECT to_regclass('tollgate.migrations') IS NOT NULL`).Scan(&there); err != nil {
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
	if errors.Is(err, pgstore.ErrOlder) { // its versions say nothing to operators
		err = ErrOlder
	}
	return s, err
}

// Migrate brings all tables up or down to a version, 0 being none. Of several
// at once one does the work and the others wait. Going down loses what the
// older version cannot hold; stop the servers first.
func (d *DB) Migrate(ctx context.Context, to int) error {
	if err := postgresSchema.Check(to); err != nil {
		return err
	}
	if !d.postgres {
		if to != Newest() {
			return errors.New("SQLite has the newest version only")
		}
		return nil
	}
	err := d.Do(ctx, func(tx Tx) error {
		if _, err := postgresSchema.Migrate(ctx, scripts{tx.Conn}, to); err != nil {
			return err
		}
		// In a transaction of its own, while this one keeps others out. If that is
		// committed and this one is not, doing it again goes on from there.
		return pgstore.Migrate(ctx, pgstore.Config{Pool: d.pool.Pool}, library[to])
	})
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// SQL is what [DB.Migrate] does to an empty Postgres, for other tools: a
// transaction for each version of the library's schema and of ours.
func SQL(to int) (string, error) {
	if err := postgresSchema.Check(to); err != nil {
		return "", err
	}
	var b strings.Builder
	add := func(name string, steps []sqlkit.Migration) {
		for _, m := range steps {
			if m.Version == 1 {
				m.Up = "CREATE SCHEMA IF NOT EXISTS " + name + ";\n\n" + m.Up
			}
			fmt.Fprintf(&b, "-- Version %d of the schema %s, %s\nBEGIN;\n\n%s\nCOMMIT;\n\n", m.Version, name, m.Name, strings.TrimSpace(m.Up)+"\n")
		}
	}
	add("tollgate", pgstore.Migrations("")[:library[to]])
	add(schema, postgresSchema.Scripts()[:to])
	return b.String(), nil
}

package sqlitestore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrNewer is returned for a database whose schema a newer release has made.
var ErrNewer = errors.New("sqlitestore: the database is of a newer release")

//go:embed migrations/*.sql
var files embed.FS

// A Migration is one step of the schema, each way in SQL.
type Migration struct {
	Version  int // from 1, without holes
	Name     string
	Up, Down string
}

// Migrations returns the steps to the newest schema, in order. [Open] takes
// them by itself.
func Migrations() []Migration {
	ups, err := files.ReadDir("migrations")
	if err != nil {
		panic(err) // they are in the binary
	}
	var list []Migration
	for _, f := range ups { // sorted by name
		base, up := strings.CutSuffix(f.Name(), ".up.sql")
		if !up {
			continue
		}
		number, name, _ := strings.Cut(base, "_")
		version, err := strconv.Atoi(number)
		if err != nil || version != len(list)+1 {
			panic("sqlitestore: migrations/" + f.Name() + " is out of order")
		}
		list = append(list, Migration{version, name, text(base + ".up.sql"), text(base + ".down.sql")})
	}
	return list
}

func text(name string) string {
	b, err := files.ReadFile("migrations/" + name)
	if err != nil {
		panic(err) // they are in the binary
	}
	return string(b)
}

func newest() int { return len(Migrations()) }

// Migrate brings the schema of the database at path up or down to a version,
// 0 being no schema at all. Going down loses what the older schema cannot
// hold; stop the programs that use the file first.
func Migrate(ctx context.Context, path string, version int) error {
	if err := (Config{Path: path}).check(); err != nil {
		return err
	}
	if version < 0 || version > newest() {
		return fmt.Errorf("sqlitestore: there is no version %d of the schema; the newest is %d", version, newest())
	}
	if err := touchFile(path); err != nil {
		return fmt.Errorf("sqlitestore: %w", err)
	}
	db, err := connect(path, writer, 1)
	if err != nil {
		return err
	}
	return errors.Join(migrate(ctx, db, version), db.Close())
}

// migrate writes nothing to a database that has the version already, so that
// a read-only one can be opened.
func migrate(ctx context.Context, db *sql.DB, to int) error {
	at, err := version(ctx, db)
	if err != nil || at == to {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("sqlitestore: migrate: %w", err)
	}
	defer tx.Rollback() // no effect after Commit
	if at, err = version(ctx, tx); err != nil {
		return err // asked again, as another process may have been faster
	}
	const table = `CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT`
	if _, err := tx.ExecContext(ctx, table); err != nil {
		return fmt.Errorf("sqlitestore: migrate: %w", err)
	}
	all := Migrations()
	for ; at < to; at++ {
		m := all[at]
		if err := step(ctx, tx, m.Up, `INSERT INTO migrations VALUES (?, ?)`, m.Version, m.Name); err != nil {
			return fmt.Errorf("sqlitestore: migrate up to version %d: %w", m.Version, err)
		}
	}
	for ; at > to; at-- {
		m := all[at-1]
		if err := step(ctx, tx, m.Down, `DELETE FROM migrations WHERE version = ?`, m.Version); err != nil {
			return fmt.Errorf("sqlitestore: migrate down from version %d: %w", m.Version, err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("sqlitestore: migrate: %w", err)
	}
	return nil
}

func step(ctx context.Context, tx *sql.Tx, script, record string, args ...any) error {
	if _, err := tx.ExecContext(ctx, script); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, record, args...)
	return err
}

// version returns the version of the schema, 0 where there is none.
func version(ctx context.Context, q interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}) (int, error) {
	var v int
	err := q.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'migrations'`).Scan(&v)
	if err == nil && v > 0 {
		err = q.QueryRowContext(ctx, `SELECT coalesce(max(version), 0) FROM migrations`).Scan(&v)
	}
	if err != nil {
		return 0, fmt.Errorf("sqlitestore: version of the schema: %w", err)
	}
	if v > newest() {
		return 0, fmt.Errorf("%w: it has version %d of the schema and this release knows %d", ErrNewer, v, newest())
	}
	return v, nil
}

package sqlitestore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"time"

	"medtwin.ai/tollgate/store/sqlkit"
	"modernc.org/sqlite"
)

// ErrNewer means that a newer release has made the schema.
var ErrNewer = sqlkit.ErrNewer

//go:embed migrations/*.sql
var files embed.FS

// tables returns the steps of the schema.
func tables() sqlkit.Schema {
	steps, err := sqlkit.ReadMigrations(files, "migrations")
	if err != nil {
		panic("sqlitestore: " + err.Error()) // they are in the binary
	}
	return sqlkit.SQLite("migrations", steps)
}

// Migrations returns the steps to the newest schema, in order. [Open] takes them.
func Migrations() []sqlkit.Migration { return tables().Scripts() }

func newest() int { return tables().Newest() }

// Migrate takes the database at path up or down to a version of the schema. Version 0
// has no tables. Going down deletes what the older version cannot store; stop the
// programs that use the file first.
func Migrate(ctx context.Context, path string, version int) error {
	if err := errors.Join((Config{Path: path}).check(), tables().Check(version)); err != nil {
		return err
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

// migrate begins no transaction if the database has the version already, so that a
// read-only file can be opened.
func migrate(ctx context.Context, db *sql.DB, to int) error {
	at, err := version(ctx, db)
	if err == nil && at != to {
		err = migrateIn(ctx, db, to)
	}
	if err != nil {
		return fmt.Errorf("sqlitestore: migrate: %w", err)
	}
	return nil
}

// version returns the version of the schema. The first connection to a new file makes it
// a file with a write-ahead log, and SQLite refuses that at once, without its busy time-out,
// while another process does the same: version tries again for as long.
func version(ctx context.Context, db *sql.DB) (int, error) {
	for end := time.Now().Add(busyTimeout); ; {
		at, err := tables().Version(ctx, handle{db})
		if e := (*sqlite.Error)(nil); !errors.As(err, &e) || e.Code()&0xff != busy || time.Now().After(end) {
			return at, err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

const (
	busy        = 5 // SQLITE_BUSY, https://sqlite.org/rescode.html
	busyTimeout = 5 * time.Second
)

func migrateIn(ctx context.Context, db *sql.DB, to int) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // no effect after Commit
	if _, err := tables().Migrate(ctx, handle{tx}, to); err != nil {
		return err
	}
	return tx.Commit()
}

// A handle is a database or a transaction, for package sqlkit.
type handle struct {
	sql interface {
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
		QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	}
}

// Exec implements [sqlkit.Conn].
func (h handle) Exec(ctx context.Context, script string) error {
	_, err := h.sql.ExecContext(ctx, script)
	return err
}

// Row implements [sqlkit.Conn].
func (h handle) Row(ctx context.Context, query string, into ...any) error {
	return h.sql.QueryRowContext(ctx, query).Scan(into...)
}

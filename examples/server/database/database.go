// Package database has the server's own tables, beside those of the library,
// in SQLite or Postgres, and runs statements on them that are written once.
//
// A statement numbers its arguments ($1) and names the schema of tables
// (tollgate_server.documents), so that nothing depends on search_path. In SQLite that
// is the name of the attached file. What only Postgres needs at the end of a query is
// what [Conn.For] returns.
//
// SQLite has one writer at a time. Postgres has many, and each statement sees
// what was committed before it began. So what is read and then written is
// locked (FOR UPDATE), what is counted and then added to is done under
// [Tx.Lock], and what is claimed is claimed by one UPDATE.
package database

import (
	"context"
	"database/sql"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A DB is an open database. It is safe for concurrent use.
type DB struct {
	Conn
	sql *sql.DB

	listen *pgx.ConnConfig // of the streams of changes; nil: as the pool's
}

// Pool returns the connections to Postgres, nil for SQLite.
func (d *DB) Pool() *pgxpool.Pool {
	if d.pool == nil {
		return nil
	}
	return d.pool.Pool
}

// Close closes the database, after the calls under way.
func (d *DB) Close() error {
	err := d.sql.Close()
	if d.pool != nil {
		d.pool.Pool.Close()
	}
	return err
}

// A Conn runs statements: on the database, or in a transaction.
type Conn struct {
	sql interface {
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
		QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	}
	postgres bool
	pool     *pool // nil: SQLite, or in a transaction
}

// Exec returns how many rows a statement has changed.
func (c Conn) Exec(ctx context.Context, statement string, args ...any) (changed int64, err error) {
	args = c.args(args)
	res, err := c.sql.ExecContext(ctx, statement, args...)
	if c.pool.readOnly(err) { // it had no effect
		res, err = c.sql.ExecContext(ctx, statement, args...)
	}
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Rows returns what a statement finds.
func (c Conn) Rows(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	args = c.args(args)
	rows, err := c.sql.QueryContext(ctx, statement, args...)
	for tries := c.pool.tries(statement); tries > 0 && ended(ctx, err); tries-- {
		rows, err = c.sql.QueryContext(ctx, statement, args...)
	}
	return rows, err
}

// Row returns the first that a statement finds; its Scan may return
// [sql.ErrNoRows].
func (c Conn) Row(ctx context.Context, statement string, args ...any) *sql.Row {
	args = c.args(args)
	row := c.sql.QueryRowContext(ctx, statement, args...)
	for tries := c.pool.tries(statement); tries > 0 && ended(ctx, row.Err()); tries-- {
		row = c.sql.QueryRowContext(ctx, statement, args...)
	}
	return row
}

// For returns the clause of a SELECT that locks what it finds: " FOR UPDATE", or nothing
// for SQLite, where there is one writer.
func (c Conn) For(lock string) string {
	if !c.postgres {
		return ""
	}
	return " FOR " + lock
}

// args replaces texts that Postgres cannot hold with NULL, which is equal to
// nothing that is in there.
func (c Conn) args(args []any) []any {
	for i, a := range args {
		if s, ok := a.(string); ok && c.postgres && !Holds(s) {
			args[i] = nil
		}
	}
	return args
}

// Holds reports whether either database can hold a text. Postgres knows no
// U+0000 and checks the encoding.
func Holds(text string) bool {
	return strings.IndexByte(text, 0) < 0 && strings.ToValidUTF8(text, "") == text
}

// A Tx is a transaction.
type Tx struct{ Conn }

// Do runs f in a transaction, which is committed when f returns nil.
func (d *DB) Do(ctx context.Context, f func(Tx) error) error {
	tx, err := d.begin(ctx)
	for tries := d.pool.tries(""); tries > 0 && ended(ctx, err); tries-- {
		tx, err = d.begin(ctx)
	}
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := f(Tx{Conn{sql: tx, postgres: d.postgres}}); err != nil {
		d.pool.readOnly(err) // the next transaction begins on another connection
		return err
	}
	return tx.Commit()
}

func (d *DB) begin(ctx context.Context) (*sql.Tx, error) {
	var options sql.TxOptions
	if d.postgres {
		options.Isolation = sql.LevelReadCommitted
	}
	return d.sql.BeginTx(ctx, &options)
}

// Lock keeps other transactions that take the lock of the same name, in any
// process, waiting until this one has ended. In SQLite they all wait anyway.
func (t Tx) Lock(ctx context.Context, name string) error {
	if !t.postgres {
		return nil
	}
	_, err := t.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, schema+" "+name)
	return err
}

// Package database has the server's own tables, beside those of the library,
// in SQLite or Postgres, and runs statements on them that are written once.
//
// A statement numbers its arguments (?1), names tables as SQLite does
// (server_documents; in Postgres they are in the schema tollgate_server, which
// is named before each, so that nothing depends on search_path), and has what
// only Postgres needs in a comment (/*pg FOR UPDATE */).
//
// SQLite has one writer at a time. Postgres has many, and each statement sees
// what was committed before it began. So what is read and then written is
// locked (FOR UPDATE), what is counted and then added to is done under
// [Tx.Lock], and what is claimed is claimed by one UPDATE.
package database

import (
	"context"
	"database/sql"
	"hash/maphash"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A DB is an open database. It is safe for concurrent use.
type DB struct {
	Conn
	sql *sql.DB

	listen *pgx.ConnConfig // of the streams of changes; nil: as the pool's

	places sync.Map // by number, each a chan struct{} that holds the caller inside: see Alone
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
	res, err := c.sql.ExecContext(ctx, c.text(statement), args...)
	if c.pool.readOnly(err) { // it had no effect
		res, err = c.sql.ExecContext(ctx, c.text(statement), args...)
	}
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Rows returns what a statement finds.
func (c Conn) Rows(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	args = c.args(args)
	rows, err := c.sql.QueryContext(ctx, c.text(statement), args...)
	for tries := c.pool.tries(statement); tries > 0 && ended(ctx, err); tries-- {
		rows, err = c.sql.QueryContext(ctx, c.text(statement), args...)
	}
	return rows, err
}

// Row returns the first that a statement finds; its Scan may return
// [sql.ErrNoRows].
func (c Conn) Row(ctx context.Context, statement string, args ...any) *sql.Row {
	args = c.args(args)
	row := c.sql.QueryRowContext(ctx, c.text(statement), args...)
	for tries := c.pool.tries(statement); tries > 0 && ended(ctx, row.Err()); tries-- {
		row = c.sql.QueryRowContext(ctx, c.text(statement), args...)
	}
	return row
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
	_, err := t.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended(?1, 0))`, schema+" "+name)
	return err
}

// Alone runs f while nobody else runs one under the same name, in this process
// or another. In Postgres f runs in the transaction that holds the lock: what
// it writes with tx is committed with the lock's end, or never. A statement on
// another connection could take effect long after that, when others hold the lock,
// if Postgres hung meanwhile. On SQLite, where there is one process, tx is no
// transaction.
func (d *DB) Alone(ctx context.Context, name string, f func(tx Tx) error) error {
	// Those with a place have one connection each, and there is another one for
	// each, as f may need. Those under one name wait for the same place.
	places := 1
	if d.postgres {
		places = max(1, int(d.pool.Stat().MaxConns())/2)
	}
	at, _ := d.places.LoadOrStore(maphash.String(seed, name)%uint64(places), make(chan struct{}, 1))
	place := at.(chan struct{})
	select {
	case place <- struct{}{}:
		defer func() { <-place }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if !d.postgres {
		return f(Tx{d.Conn})
	}
	return d.Do(ctx, func(tx Tx) error {
		if err := tx.Lock(ctx, name); err != nil {
			return err
		}
		return f(tx)
	})
}

var seed = maphash.MakeSeed()

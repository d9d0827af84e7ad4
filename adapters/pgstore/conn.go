package pgstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/sqlkit"
)

// A conn runs statements on the pool or in a transaction.
type conn struct {
	pgx    querier
	schema *schema
	pool   *pool // nil in a transaction
}

// exec runs a statement and returns the number of its rows.
func (c conn) exec(ctx context.Context, statement string, args ...any) (n int, err error) {
	err = c.run(ctx, isRead(statement), func(q querier) error {
		tag, err := q.Exec(ctx, c.schema.in(statement), args...)
		n = int(tag.RowsAffected())
		return err
	})
	return n, err
}

// row is a query for one row.
func (c conn) row(ctx context.Context, statement string, args ...any) row {
	return row{c, ctx, statement, args}
}

type row struct {
	conn      conn
	ctx       context.Context
	statement string
	args      []any
}

// Scan runs the query and reads its row. It returns pgx.ErrNoRows if there is none.
func (r row) Scan(into ...any) error {
	return r.conn.run(r.ctx, isRead(r.statement), func(q querier) error {
		return q.QueryRow(r.ctx, r.conn.schema.in(r.statement), r.args...).Scan(into...)
	})
}

// change runs f in a transaction. Each statement in it sees what was committed before
// that statement began. f runs a second time if the connection took no writes.
func (s *Store) change(ctx context.Context, what string, f func(tx conn) error) error {
	return answer(what, s.pool.transact(ctx, func(tx pgx.Tx) error { return f(conn{pgx: tx, schema: s.schema}) }))
}

// set runs one statement, and returns ErrNotFound if it has changed no row.
func (s *Store) set(ctx context.Context, what, statement string, args ...any) error {
	return answer(what, some(s.exec(ctx, statement, args...)))
}

// count runs one statement and returns the number of rows that it has changed.
func (s *Store) count(ctx context.Context, what, statement string, args ...any) (int, error) {
	n, err := s.exec(ctx, statement, args...)
	return n, answer(what, err)
}

// prune deletes up to most records that ended before the given time. Postgres makes a
// new plan for every call, because there may be few such records, which an index finds
// best, or many.
func (s *Store) prune(ctx context.Context, what, statement string, before time.Time, most int) (int, error) {
	return s.count(ctx, what, statement, pgx.QueryExecModeExec, when(before), most)
}

// touch writes all uses with one statement.
func (s *Store) touch(ctx context.Context, statement string, uses []store.Use) error {
	ids, times := make([]string, 0, len(uses)), make([]time.Time, 0, len(uses))
	for _, u := range uses {
		if !u.At.IsZero() {
			ids, times = append(ids, u.ID), append(times, u.At)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	_, err := s.exec(ctx, statement, ids, times)
	return answer("touch", err)
}

// some returns ErrNotFound if a statement has changed no row.
func some(n int, err error) error {
	if err == nil && n == 0 {
		return store.ErrNotFound
	}
	return err
}

// swapped returns the error of a compare-and-swap: if that has changed no row,
// ErrConflict if the statement has finds the record, and ErrNotFound otherwise.
func (c conn) swapped(ctx context.Context, err error, has, id string) error {
	if !errors.Is(err, pgx.ErrNoRows) && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err := c.row(ctx, has, id).Scan(&id); err != nil {
		return err
	}
	return store.ErrConflict
}

// answer returns the error of package store for an error of Postgres.
func answer(what string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return store.ErrNotFound
	}
	if e := (*pgconn.PgError)(nil); errors.As(err, &e) {
		switch e.Code {
		case uniqueViolation:
			return store.ErrConflict
		case foreignKeyViolation: // the account of a key, the user of a membership
			return store.ErrNotFound
		}
	}
	if sqlkit.IsAnswer(err) {
		return err
	}
	return fmt.Errorf("pgstore: %s: %w", what, err)
}

// Codes of errors, https://www.postgresql.org/docs/current/errcodes-appendix.html.
const (
	connectionException = "08" // a class
	foreignKeyViolation = "23503"
	uniqueViolation     = "23505"
	readOnlyTransaction = "25006"
	adminShutdown       = "57P01"
	crashShutdown       = "57P02"
	idleSessionTimeout  = "57P05"
)

// possible reports whether Postgres can store a text: UTF-8 without U+0000.
func possible(text string) bool {
	return strings.IndexByte(text, 0) < 0 && strings.ToValidUTF8(text, "") == text
}

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
)

// A conn runs statements: on the pool, or in a transaction.
type conn struct {
	pgx interface {
		Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
		Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
		QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	}
	schema *schema
}

// exec returns how many rows a statement has met.
func (c conn) exec(ctx context.Context, statement string, args ...any) (int, error) {
	tag, err := c.pgx.Exec(ctx, c.schema.in(statement), args...)
	return int(tag.RowsAffected()), err
}

func (c conn) row(ctx context.Context, statement string, args ...any) pgx.Row {
	return c.pgx.QueryRow(ctx, c.schema.in(statement), args...)
}

func (c conn) rows(ctx context.Context, statement string, args ...any) (pgx.Rows, error) {
	return c.pgx.Query(ctx, c.schema.in(statement), args...)
}

// change runs f in a transaction. Each statement in it sees what was committed
// before that statement began.
func (s *Store) change(ctx context.Context, what string, f func(tx conn) error) error {
	err := pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		return f(conn{tx, s.schema})
	})
	return answer(what, err)
}

// set makes a change by one statement, which must meet a row.
func (s *Store) set(ctx context.Context, what, statement string, args ...any) error {
	return answer(what, some(s.exec(ctx, statement, args...)))
}

// count makes a change by one statement and returns how many rows it has met.
func (s *Store) count(ctx context.Context, what, statement string, args ...any) (int, error) {
	n, err := s.exec(ctx, statement, args...)
	return n, answer(what, err)
}

// touch records uses with one statement.
func (s *Store) touch(ctx context.Context, statement string, uses []store.Use) error {
	ids, times := make([]string, 0, len(uses)), make([]time.Time, 0, len(uses))
	for _, u := range uses {
		if possible(u.ID) && !u.At.IsZero() {
			ids, times = append(ids, u.ID), append(times, u.At)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	_, err := s.exec(ctx, statement, ids, times)
	return answer("touch", err)
}

// some returns ErrNotFound where a statement has met no row.
func some(n int, err error) error {
	if err == nil && n == 0 {
		return store.ErrNotFound
	}
	return err
}

// swapped gives the error of a compare-and-swap that has met no row its name:
// the statement tells whether the record is there at all.
func (c conn) swapped(ctx context.Context, err error, has, id string) error {
	if !errors.Is(err, pgx.ErrNoRows) && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err := c.row(ctx, has, key(id)).Scan(&id); err != nil {
		return err
	}
	return store.ErrConflict
}

// answer turns what Postgres says into what package store has a name for.
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
	switch err {
	case store.ErrNotFound, store.ErrConflict, store.ErrQuota, store.ErrInactive:
		return err
	}
	return fmt.Errorf("pgstore: %s: %w", what, err)
}

// Codes of errors, https://www.postgresql.org/docs/current/errcodes-appendix.html.
const (
	foreignKeyViolation = "23503"
	uniqueViolation     = "23505"
)

var errTimeless = errors.New("pgstore: now is zero, which would read as never")

// possible reports whether Postgres can hold a text. It knows no U+0000.
func possible(text string) bool {
	return strings.IndexByte(text, 0) < 0 && strings.ToValidUTF8(text, "") == text
}

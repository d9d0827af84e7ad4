package pgstore

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"medtwin.ai/tollgate/store/sqlkit"
)

// columns are the columns of records as pgx reads and writes them.
var columns = sqlkit.Columns{
	Instant: func(t *time.Time) any { return (*instant)(t) },
	Span:    func(d *time.Duration) any { return (*span)(d) },
	When:    when,
}

// one reads a row, or returns ErrNotFound if there is none.
func one[T any](ctx context.Context, s *Store, what string, fields func(*T) []any, statement string, args ...any) (T, error) {
	var t, none T
	if err := s.row(ctx, statement, args...).Scan(record(fields(&t))); err != nil {
		return none, answer(what, err)
	}
	return t, nil
}

// many reads all rows.
func many[T any](ctx context.Context, s *Store, what string, fields func(*T) []any, statement string, args ...any) ([]T, error) {
	list, err := collect(ctx, s.conn, fields, statement, args...)
	return list, answer(what, err)
}

// collect reads all rows.
func collect[T any](ctx context.Context, c conn, fields func(*T) []any, statement string, args ...any) (list []T, err error) {
	err = c.run(ctx, isRead(statement), func(q querier) error {
		rows, err := q.Query(ctx, c.schema.in(statement), args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		list, err = sqlkit.ReadAll(records{rows}, fields)
		return err
	})
	return list, err
}

// when returns an instant as it is written: NULL for never.
func when(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

// What infinity and -infinity are read as. Neither is the zero time, which means never.
var (
	firstInstant = time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC)
	lastInstant  = time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC)
)

// An instant is what a timestamptz is read into.
type instant time.Time

// ScanTimestamptz implements [pgtype.TimestamptzScanner].
func (i *instant) ScanTimestamptz(v pgtype.Timestamptz) error {
	switch {
	case !v.Valid:
		*i = instant{}
	case v.InfinityModifier == pgtype.Infinity:
		*i = instant(lastInstant)
	case v.InfinityModifier == pgtype.NegativeInfinity:
		*i = instant(firstInstant)
	default:
		*i = instant(v.Time.UTC())
	}
	return nil
}

// A span is what microseconds are read into.
type span time.Duration

// ScanInt64 implements [pgtype.Int64Scanner].
func (s *span) ScanInt64(v pgtype.Int8) error {
	*s = span(time.Duration(v.Int64) * time.Microsecond)
	return nil
}

package sqlitestore

import (
	"database/sql"
	"fmt"
	"time"

	"medtwin.ai/tollgate/store/sqlkit"
)

// columns are the columns of records as SQLite stores them. Instants are microseconds
// since 1970.
var columns = sqlkit.Columns{
	Instant: func(t *time.Time) any { return (*instant)(t) },
	Span:    func(d *time.Duration) any { return (*span)(d) },
	When:    micros,
}

// one reads a row, or returns ErrNotFound if there is none.
func one[T any](what string, row *sql.Row, fields func(*T) []any) (T, error) {
	var t, none T
	if err := row.Scan(fields(&t)...); err != nil {
		return none, answer(what, err)
	}
	return t, nil
}

// many reads all rows.
func many[T any](what string, rows *sql.Rows, err error, fields func(*T) []any) ([]T, error) {
	list, err := collect(rows, err, fields)
	if err != nil {
		return nil, answer(what, err)
	}
	return list, nil
}

// collect reads all rows of a query, or returns its error.
func collect[T any](rows *sql.Rows, err error, fields func(*T) []any) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	return sqlkit.ReadAll(rows, fields)
}

// micros returns an instant as it is written: NULL for never.
func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

// An instant is what microseconds since 1970 are read into.
type instant time.Time

// Scan implements [sql.Scanner].
func (i *instant) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*i = instant{}
	case int64:
		*i = instant(time.UnixMicro(v).UTC())
	default:
		return fmt.Errorf("a time is %T, want microseconds", v)
	}
	return nil
}

// A span is what microseconds are read into.
type span time.Duration

// Scan implements [sql.Scanner].
func (s *span) Scan(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("a duration is %T, want microseconds", v)
	}
	*s = span(time.Duration(n) * time.Microsecond)
	return nil
}

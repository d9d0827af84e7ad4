package sqlkit

import "medtwin.ai/tollgate/store"

// Rows are those of a driver: [database/sql.Rows], or pgx.Rows.
type Rows interface {
	Next() bool
	Scan(into ...any) error
	Err() error
}

// ReadAll reads all rows, each into what fields returns for it. It does not close
// them.
func ReadAll[T any](rows Rows, fields func(*T) []any) ([]T, error) {
	var list []T
	for rows.Next() {
		var t T
		if err := rows.Scan(fields(&t)...); err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return list, nil
}

// IsAnswer reports whether err is itself one of the errors of package store, to which a
// backend adds nothing.
func IsAnswer(err error) bool {
	switch err {
	case store.ErrNotFound, store.ErrConflict, store.ErrQuota, store.ErrInactive, store.ErrLast, store.ErrInvalid:
		return true
	}
	return false
}

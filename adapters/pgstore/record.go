package pgstore

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// A record is what a row is read into, field by field. All its texts become parts of
// one string, which is one allocation: most columns of a key are texts, and every key
// that is not in the cache is read by this.
type record []any

// ScanRow implements [pgx.RowScanner].
func (r record) ScanRow(rows pgx.Rows) error {
	values, types := rows.RawValues(), rows.FieldDescriptions()
	if len(values) != len(r) {
		return fmt.Errorf("%d columns, want %d", len(values), len(r))
	}
	text := func(i int) *string { // not for NULL
		if s, ok := r[i].(*string); ok && types[i].DataTypeOID == pgtype.TextOID && values[i] != nil {
			return s
		}
		return nil
	}
	size := 0
	for i := range r {
		if text(i) != nil {
			size += len(values[i])
		}
	}
	var texts strings.Builder
	texts.Grow(size)
	known := rows.Conn().TypeMap()
	for i, field := range r {
		if s := text(i); s != nil {
			begin := texts.Len()
			texts.Write(values[i])
			*s = texts.String()[begin:]
		} else if err := known.Scan(types[i].DataTypeOID, types[i].Format, values[i], field); err != nil {
			return fmt.Errorf("column %s: %w", types[i].Name, err)
		}
	}
	return nil
}

// records reads each row of a query as a record.
type records struct{ pgx.Rows }

// Scan implements [sqlkit.Rows].
func (r records) Scan(into ...any) error { return r.Rows.Scan(record(into)) }

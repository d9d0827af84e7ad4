package webhook

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"medtwin.ai/tollgate/examples/server/database"
)

// A batch is statements that take effect together. After one fails the others
// do nothing.
type batch struct {
	ctx context.Context
	tx  database.Tx
	err error
}

// do executes a statement and returns how many rows it changed.
func (b *batch) do(statement string, args ...any) (changed int64) {
	if b.err == nil {
		changed, b.err = b.tx.Exec(b.ctx, statement, args...)
	}
	return changed
}

// lock keeps others from an account's endpoints: from adding, removing and
// queueing, not from delivering.
func (b *batch) lock(account string) {
	if b.err == nil {
		b.err = b.tx.Lock(b.ctx, "webhooks of "+account)
	}
}

func (s *Sender) together(ctx context.Context, statements func(*batch)) error {
	err := s.db.Do(ctx, func(tx database.Tx) error {
		b := &batch{ctx: ctx, tx: tx}
		statements(b)
		return b.err
	})
	if err != nil {
		err = fmt.Errorf("webhook: %w", err)
	}
	return err
}

// collect returns what all rows hold, read into the places that into names.
func collect[T any](rows *sql.Rows, err error, into func(*T) []any) (list []T, _ error) {
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var v T
		if err := rows.Scan(into(&v)...); err != nil {
			return nil, fmt.Errorf("webhook: %w", err)
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

// micros scans a time.
type micros struct{ t *time.Time }

func (m micros) Scan(v any) error {
	if n, _ := v.(int64); n != 0 {
		*m.t = time.UnixMicro(n).UTC()
	}
	return nil
}

// words scans a list.
type words struct{ list *[]string }

func (w words) Scan(v any) error {
	text, _ := v.(string)
	*w.list = strings.Fields(text)
	return nil
}

package webhook

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// Times are microseconds since 1970; 0 is never.
const schema = `
CREATE TABLE IF NOT EXISTS server_webhooks (
	id        TEXT NOT NULL PRIMARY KEY,
	account   TEXT NOT NULL,
	url       TEXT NOT NULL,
	kinds     TEXT NOT NULL,              -- with spaces between; none: all
	created   INTEGER NOT NULL,
	attempted INTEGER NOT NULL DEFAULT 0, -- when the latest attempt began
	busy      INTEGER NOT NULL DEFAULT 0, -- until when an attempt may be under way
	delivered INTEGER NOT NULL DEFAULT 0, -- when the latest success was
	failed    INTEGER NOT NULL DEFAULT 0, -- when the latest failure was
	failures  INTEGER NOT NULL DEFAULT 0, -- since the latest success
	error     TEXT NOT NULL DEFAULT '',   -- of the latest failure
	dropped   INTEGER NOT NULL DEFAULT 0,
	gone      INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS server_webhooks_account ON server_webhooks (account);
CREATE TABLE IF NOT EXISTS server_deliveries (
	endpoint TEXT NOT NULL,
	event    TEXT NOT NULL,
	body     TEXT NOT NULL,              -- '' once settled
	attempts INTEGER NOT NULL DEFAULT 0,
	due      INTEGER,                    -- NULL once settled: delivered or given up
	settled  INTEGER NOT NULL DEFAULT 0,
	error    TEXT NOT NULL DEFAULT '',   -- of the latest attempt; '' once delivered
	PRIMARY KEY (endpoint, event)
) STRICT;
CREATE INDEX IF NOT EXISTS server_deliveries_due ON server_deliveries (endpoint, due) WHERE due IS NOT NULL`

// A batch is statements that take effect together. After one fails the others
// do nothing.
type batch struct {
	ctx context.Context
	tx  *sql.Tx
	err error
}

// do executes a statement and returns how many rows it changed.
func (b *batch) do(query string, args ...any) (changed int64) {
	if b.err != nil {
		return 0
	}
	var res sql.Result
	if res, b.err = b.tx.ExecContext(b.ctx, query, args...); b.err == nil {
		changed, b.err = res.RowsAffected()
	}
	return changed
}

func (s *Sender) together(ctx context.Context, statements func(*batch)) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err == nil {
		defer tx.Rollback()
		b := &batch{ctx: ctx, tx: tx}
		statements(b)
		if err = b.err; err == nil {
			err = tx.Commit()
		}
	}
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

package sqlitestore

import (
	"context"
	"database/sql"
	"time"

	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/sqlkit"
)

const (
	insertEvent = `INSERT INTO events (` + sqlkit.EventColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
	listEvents  = `SELECT ` + sqlkit.EventColumns + ` FROM events e WHERE e.account = ?1 ORDER BY e.id DESC LIMIT ?3`
	eventsAfter = `SELECT ` + sqlkit.EventColumns + ` FROM events e WHERE e.account = ?1 AND e.id < ?2 ORDER BY e.id DESC LIMIT ?3`
	pruneEvents = `DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at < ?1 ORDER BY at LIMIT ?2)`
)

type events struct{ s *Store }

func (v events) Append(ctx context.Context, e store.Event) error {
	return v.s.change(ctx, "append event", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, insertEvent, columns.EventValues(e)...)
		return err
	})
}

func (v events) List(ctx context.Context, account, after string, limit int) ([]store.Event, error) {
	query := eventsAfter
	if after == "" {
		query = listEvents
	}
	rows, err := v.s.read.QueryContext(ctx, query, account, after, limit)
	return many("list events", rows, err, columns.Event)
}

func (v events) Prune(ctx context.Context, before time.Time, most int) (int, error) {
	return v.s.count(ctx, "prune events", pruneEvents, micros(before), most)
}

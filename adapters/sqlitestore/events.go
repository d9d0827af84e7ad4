package sqlitestore

import (
	"context"
	"database/sql"
	"time"

	"medtwin.ai/tollgate/store"
)

const (
	eventColumns = `e.id, e.account, e.actor, e.kind, e.subject, e.address, e.at, e.note`
	insertEvent  = `INSERT INTO events (id, account, actor, kind, subject, address, at, note) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
	listEvents   = `SELECT ` + eventColumns + ` FROM events e WHERE e.account = ?1 ORDER BY e.id DESC LIMIT ?3`
	eventsAfter  = `SELECT ` + eventColumns + ` FROM events e WHERE e.account = ?1 AND e.id < ?2 ORDER BY e.id DESC LIMIT ?3`
	pruneEvents  = `DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at < ?1 ORDER BY at LIMIT ?2)`
)

// eventFields are where eventColumns are read into.
func eventFields(e *store.Event) []any {
	return []any{&e.ID, &e.Account, &e.Actor, &e.Kind, &e.Subject, &e.Address, (*instant)(&e.At), &e.Note}
}

type events struct{ s *Store }

func (v events) Append(ctx context.Context, e store.Event) error {
	return v.s.change(ctx, "append event", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, insertEvent, e.ID, e.Account, e.Actor, e.Kind, e.Subject, e.Address, micros(e.At), e.Note)
		return err
	})
}

func (v events) List(ctx context.Context, account, after string, limit int) ([]store.Event, error) {
	if limit <= 0 { // to SQLite a negative limit is none
		return nil, nil
	}
	query := eventsAfter
	if after == "" {
		query = listEvents
	}
	rows, err := v.s.read.QueryContext(ctx, query, account, after, limit)
	return many("list events", rows, err, eventFields)
}

func (v events) Prune(ctx context.Context, before time.Time, most int) (int, error) {
	return v.s.count(ctx, "prune events", pruneEvents, micros(before), max(0, most))
}

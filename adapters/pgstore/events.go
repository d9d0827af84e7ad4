package pgstore

import (
	"context"
	"time"

	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/sqlkit"
)

const (
	insertEvent = `INSERT INTO tollgate.events (` + sqlkit.EventColumns + `)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	listEvents  = `SELECT ` + sqlkit.EventColumns + ` FROM tollgate.events e WHERE e.account = $1 ORDER BY e.id DESC LIMIT $2`
	eventsAfter = `SELECT ` + sqlkit.EventColumns + ` FROM tollgate.events e WHERE e.account = $1 AND e.id < $3 ORDER BY e.id DESC LIMIT $2`
	pruneEvents = `DELETE FROM tollgate.events WHERE id IN (SELECT id FROM tollgate.events WHERE at < $1 ORDER BY at LIMIT $2)`
)

type events struct{ s *Store }

func (v events) Append(ctx context.Context, e store.Event) error {
	return v.s.set(ctx, "append event", insertEvent, columns.EventValues(e)...)
}

func (v events) List(ctx context.Context, account, after string, limit int) ([]store.Event, error) {
	if after == "" {
		return many(ctx, v.s, "list events", columns.Event, listEvents, account, limit)
	}
	return many(ctx, v.s, "list events", columns.Event, eventsAfter, account, limit, after)
}

func (v events) Prune(ctx context.Context, before time.Time, most int) (int, error) {
	return v.s.prune(ctx, "prune events", pruneEvents, before, most)
}

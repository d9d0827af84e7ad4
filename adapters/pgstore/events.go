package pgstore

import (
	"context"
	"time"

	"medtwin.ai/tollgate/store"
)

const (
	eventColumns = `e.id, e.account, e.actor, e.kind, e.subject, e.address, e.at, e.note`
	insertEvent  = `INSERT INTO tollgate.events (id, account, actor, kind, subject, address, at, note)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	listEvents  = `SELECT ` + eventColumns + ` FROM tollgate.events e WHERE e.account = $1 ORDER BY e.id DESC LIMIT $2`
	eventsAfter = `SELECT ` + eventColumns + ` FROM tollgate.events e WHERE e.account = $1 AND e.id < $3 ORDER BY e.id DESC LIMIT $2`
	pruneEvents = `DELETE FROM tollgate.events WHERE id IN (SELECT id FROM tollgate.events WHERE at < $1 ORDER BY at LIMIT $2)`
)

// eventFields are where eventColumns are read into.
func eventFields(e *store.Event) []any {
	return []any{&e.ID, &e.Account, &e.Actor, &e.Kind, &e.Subject, &e.Address, (*instant)(&e.At), &e.Note}
}

type events struct{ s *Store }

func (v events) Append(ctx context.Context, e store.Event) error {
	return v.s.set(ctx, "append event", insertEvent, e.ID, e.Account, e.Actor, e.Kind, e.Subject, e.Address, when(e.At), e.Note)
}

func (v events) List(ctx context.Context, account, after string, limit int) ([]store.Event, error) {
	if limit <= 0 { // to Postgres a negative limit is an error
		return nil, nil
	}
	if after == "" {
		return many(ctx, v.s, "list events", eventFields, listEvents, key(account), limit)
	}
	return many(ctx, v.s, "list events", eventFields, eventsAfter, key(account), limit, key(after))
}

func (v events) Prune(ctx context.Context, before time.Time, most int) (int, error) {
	return v.s.prune(ctx, "prune events", pruneEvents, before, most)
}

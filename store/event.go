package store

import (
	"context"
	"time"
)

// An Event is one entry of the audit log. It holds no secret.
type Event struct {
	ID      string // "evt_…"
	Account string // the account that it is about; "" if it is about the operator alone
	Actor   string // who did it: the id of a user or key, or "operator"
	Kind    string // such as "key.revoked"
	Subject string // the id of the record that was changed
	Address string // where the request came from
	At      time.Time
	Note    string // a text for people
}

// Events is the audit log. Nobody can change an event, and only Prune deletes one. An
// event is not written in the transaction of the change that it records.
// Implementations are safe for concurrent use.
type Events interface {
	// Append adds an event. It returns ErrConflict if the id is taken.
	Append(ctx context.Context, e Event) error
	// List returns up to limit events of the account, the newest id first, beginning
	// after the id after; "" begins at the newest.
	List(ctx context.Context, account, after string, limit int) ([]Event, error)
	// Prune deletes up to most events that happened before the given time, and returns
	// how many it has deleted. It keeps events without a time.
	Prune(ctx context.Context, before time.Time, most int) (int, error)
}

package store

import (
	"context"
	"time"
)

// An Event is one entry of the audit log. It holds no secret.
type Event struct {
	ID      string // "evt_…"
	Account string // whom it concerns; "": the operator alone
	Actor   string // who did it: the id of a user or key, or "operator"
	Kind    string // such as "key.revoked"
	Subject string // the id of what it was done to
	Address string // where the request came from
	At      time.Time
	Note    string // for people
}

// Events is the audit log. Nothing changes an event or removes it before its
// retention ends. An event is not part of the transaction of the change that it
// records. Implementations are safe for concurrent use.
type Events interface {
	// Append adds an event; a taken id is ErrConflict.
	Append(ctx context.Context, e Event) error
	// List returns up to limit events of the account, newest id first,
	// beginning after the id after ("": from the start).
	List(ctx context.Context, account, after string, limit int) ([]Event, error)
	// Prune deletes up to most events that happened before the instant given, and
	// returns how many. Those without a time stay.
	Prune(ctx context.Context, before time.Time, most int) (int, error)
}

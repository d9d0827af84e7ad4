package store

import (
	"context"
	"time"

	"medtwin.ai/tollgate/authz"
)

// An Account is who is charged: an organisation with a plan.
type Account struct {
	ID      string // "acct_…"
	Name    string
	Status  authz.Status // zero when it is created: active
	Plan    string       // name of a plan; "": the default
	Limits  string       // limits of its own in ratelimit's notation; "": the plan's
	Created time.Time
}

// Accounts keeps accounts. Implementations are safe for concurrent use.
type Accounts interface {
	// Create adds an account; a taken id is ErrConflict.
	Create(ctx context.Context, a Account) error
	Get(ctx context.Context, id string) (Account, error)
	// List returns up to limit accounts by id, after the one given.
	List(ctx context.Context, after string, limit int) ([]Account, error)
	// SetStatus gives an account one of the three statuses.
	SetStatus(ctx context.Context, id string, s authz.Status) error
	// SetPlan sets plan and own limits together; "" clears either.
	SetPlan(ctx context.Context, id, plan, limits string) error
}

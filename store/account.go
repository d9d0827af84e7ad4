package store

import (
	"context"
	"time"

	"medtwin.ai/tollgate/authz"
)

// An Account is an organisation with a plan. It owns keys and is charged for their use.
type Account struct {
	ID      string // "acct_…"
	Name    string
	Status  authz.Status // Create makes a zero status active
	Plan    string       // the name of a plan; "" is the default plan
	Limits  string       // its own limits in the notation of package ratelimit; "" leaves those of the plan
	Created time.Time
}

// Accounts keeps accounts. Implementations are safe for concurrent use.
type Accounts interface {
	// Create adds an account. It returns ErrConflict if the id is taken.
	Create(ctx context.Context, a Account) error
	Get(ctx context.Context, id string) (Account, error)
	// List returns up to limit accounts in the order of their ids, beginning after
	// the id after; "" begins at the start.
	List(ctx context.Context, after string, limit int) ([]Account, error)
	// SetStatus changes the status of an account.
	SetStatus(ctx context.Context, id string, s authz.Status) error
	// SetPlan changes the plan and the limits of an account together; "" clears
	// either.
	SetPlan(ctx context.Context, id, plan, limits string) error
}

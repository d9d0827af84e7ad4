package ratelimit

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"
)

// Failures counts failed authentications per client address, by
// [AddrSubject]. Known callers never meet it: it is asked only where a
// credential is missing or has to be looked up.
type Failures struct {
	store guarded
	plan  *Plan
}

// failuresScope keeps its counters apart from those of limiters.
const failuresScope = "authentication failures"

// NewFailures returns a counter of failures under plan, which is required.
// store nil means a NewMemory(0) of its own, so that addresses, which anyone
// can have many of, do not compete with verified identities for room. While a
// store fails, this process counts by itself.
func NewFailures(store Store, plan *Plan) (*Failures, error) {
	if plan == nil {
		return nil, errors.New("ratelimit: failures need a plan")
	}
	if store == nil {
		store = NewMemory(0)
	}
	return &Failures{
		store: guarded{store: store, log: slog.New(slog.DiscardHandler)},
		plan:  plan,
	}, nil
}

// Blocked returns for how long addr has failed too often to try again; 0: it
// may. It charges nothing.
func (f *Failures) Blocked(addr netip.Addr, now time.Time) time.Duration {
	return f.take(addr, 0, now)
}

// Charge counts one failure of addr.
func (f *Failures) Charge(addr netip.Addr, now time.Time) {
	f.take(addr, 1, now)
}

func (f *Failures) take(addr netip.Addr, cost int64, now time.Time) time.Duration {
	var d Decision
	t := Take{Scope: failuresScope, Subject: AddrSubject(addr), Plan: f.plan, Cost: cost}
	// No error: guarded counts locally, and the take is a valid one.
	f.store.Take(context.Background(), t, now, &d)
	return d.Retry
}

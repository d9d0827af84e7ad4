package ratelimit

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// Failures counts failed attempts by subject: failed authentications by client
// address, with [AddrSubject], or whatever else is guessed at, such as logins.
// Cached credentials bypass this limit: package authn asks it only about a
// credential that is malformed or must be looked up. Logins never bypass it.
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

// Peek returns how many times subject may fail now and, if that is 0, how long
// until it may fail again. It charges nothing.
func (f *Failures) Peek(subject string, now time.Time) (left int64, retry time.Duration) {
	d := f.take(subject, 0, now)
	left = d.States[0].Remaining
	for i := range d.limits() {
		left = min(left, d.States[i].Remaining)
	}
	return left, d.Retry
}

// Count counts one failure. It has no effect while subject is blocked, so a
// lockout lasts one window at most.
func (f *Failures) Count(subject string, now time.Time) {
	f.take(subject, 1, now)
}

func (f *Failures) take(subject string, cost int64, now time.Time) Decision {
	t := Take{Scope: failuresScope, Subject: subject, Plan: f.plan, Cost: cost}
	// No error: guarded counts locally, and the take is a valid one.
	d, _ := f.store.Take(context.Background(), t, now)
	return d
}

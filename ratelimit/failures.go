package ratelimit

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"
)

// Failures counts failed attempts by subject: failed authentications by client
// address, with [AddrSubject], or whatever else is guessed at, such as logins.
// Whose credential is remembered meets none before an API, where package authn
// asks only about one that is missing or has to be looked up; whoever logs in
// does.
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
	_, retry := f.Peek(AddrSubject(addr), now)
	return retry
}

// Charge counts one failure of addr.
func (f *Failures) Charge(addr netip.Addr, now time.Time) {
	f.Count(AddrSubject(addr), now)
}

// Peek returns how many times subject may fail now, and where that is 0, how
// long until it may once more. It charges nothing.
func (f *Failures) Peek(subject string, now time.Time) (left int64, retry time.Duration) {
	d := f.take(subject, 0, now)
	left = d.States[0].Remaining
	for i := range d.limits() {
		left = min(left, d.States[i].Remaining)
	}
	return left, d.Retry
}

// Count counts one failure of subject. Where it may not fail any more, that
// changes nothing: nobody is held up for longer than a window by his failures.
func (f *Failures) Count(subject string, now time.Time) {
	f.take(subject, 1, now)
}

func (f *Failures) take(subject string, cost int64, now time.Time) (d Decision) {
	t := Take{Scope: failuresScope, Subject: subject, Plan: f.plan, Cost: cost}
	// No error: guarded counts locally, and the take is a valid one.
	f.store.Take(context.Background(), t, now, &d)
	return d
}

package ratelimit

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"
)

// Failures counts failed attempts by subject: failed authentications by the
// address of the client (see [AddrSubject]), or attempts at whatever else can
// be guessed, such as passwords.
//
// Cached credentials bypass this limit: package authn asks it only about a
// credential that is malformed or must be looked up. Logins never bypass it.
type Failures struct {
	store *guarded
	plan  *Plan
}

// failuresScope keeps these counters apart from those of limiters. The name of the
// plan keeps them apart from each other.
const failuresScope = "failures/"

// NewFailures returns a counter of failures under plan, which is required.
// Counters that share a store have plans of different names. A
// nil store means a NewMemory(0) of its own. Anyone can have many addresses,
// and with a store of their own these do not compete with verified identities
// for room. While a store fails, this process counts by itself.
func NewFailures(store Store, plan *Plan) (*Failures, error) {
	if plan == nil || len(plan.limits) == 0 {
		return nil, errors.New("ratelimit: failures need a plan")
	}
	if store == nil {
		store = NewMemory(0)
	}
	if m, ok := store.(*Memory); ok && !m.claim(failuresScope+plan.Name()) {
		return nil, errors.New("ratelimit: another counter of failures under a plan of this name uses the store, so both would charge the same counters: name the plans differently")
	}
	return &Failures{
		store: newGuarded(store, Local, 0, slog.New(slog.DiscardHandler)),
		plan:  plan,
	}, nil
}

// Peek returns how many times subject may fail now. If that is 0, retry is the
// time until it may fail once more. Peek counts nothing.
func (f *Failures) Peek(subject string, now time.Time) (left int64, retry time.Duration) {
	d := f.take(subject, 0, now)
	// The tightest limit counts: any of them blocks the subject.
	left = d.States[0].Remaining
	for i := range d.limits() {
		left = min(left, d.States[i].Remaining)
	}
	return left, d.Retry
}

// Count counts one failure. It has no effect while subject may not fail at all.
// So attempts during a lockout do not prolong it, and a lockout lasts one
// window at most.
func (f *Failures) Count(subject string, now time.Time) {
	f.take(subject, 1, now)
}

// take asks the store, for as long as newGuarded lets it. There is no error to
// return: guarded counts locally if the store fails, and the take is valid. An
// empty subject is counted with those that have no address.
func (f *Failures) take(subject string, cost int64, now time.Time) Decision {
	if subject == "" {
		subject = AddrSubject(netip.Addr{})
	}
	t := Take{Scope: failuresScope + f.plan.Name(), Subject: subject, Plan: f.plan, Cost: cost}
	d, _ := f.store.Take(context.Background(), t, now)
	return d
}

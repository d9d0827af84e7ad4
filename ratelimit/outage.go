package ratelimit

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

var (
	errBroken = errors.New("the store has not answered lately, and is not asked")
	errSlow   = errors.New("the store does not answer in time")
	errGone   = errors.New("the client has gone")
)

// mayHaveRun reports whether a take that failed may have been charged all the same:
// the store was asked and has not answered. Such a take is no debt, because charging it
// twice would refuse a client something, and one take in an outage, of those that go to
// the store before the breaker opens, is what it costs not to.
func mayHaveRun(err error) bool {
	return errors.Is(err, errSlow) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
}

// ask asks the store, and waits for as long as the client does, and until then. A client that hangs up pays all the same: its take goes on.
func (g *guarded) ask(ctx context.Context, t Take, now, until time.Time) (Decision, error) {
	if !g.breaker.admits() {
		return Decision{}, errBroken
	}
	limited, cancel := context.WithDeadline(context.WithoutCancel(ctx), until)
	type answer struct {
		d   Decision
		err error
	}
	answers := make(chan answer, 1)
	// A store that does not heed its context would keep the request, so the
	// request does not wait for the store itself. The breaker bounds how many of
	// these goroutines there are.
	go func() {
		defer cancel()
		d, err := g.store.Take(limited, t, now)
		g.breaker.done(err)
		answers <- answer{d, err}
	}()
	select {
	case a := <-answers:
		return a.d, a.err
	case <-limited.Done():
		select {
		case a := <-answers: // it answered, and then cancel was called
			return a.d, a.err
		default:
			g.breaker.open()
			return Decision{}, errSlow
		}
	case <-ctx.Done():
		return Decision{}, errGone
	}
}

// A breaker keeps requests from a store that does not answer. Three failures in a
// row, or one time-out, open it. Then one request in 200 ms asks the store, and
// the first answer closes it.
type breaker struct {
	failures atomic.Int64
	asking   atomic.Int64 // goroutines that wait for the store
	next     atomic.Int64 // when the store may be asked again, ns since begun; 0: at any time
}

// With these, a store that is down costs 1,000 requests a second one time-out at the
// beginning, and afterwards five of them in a second as long as it takes to fail. A store
// that comes back is used after 225 ms at most.
const (
	maxFailures   = 3
	maxAsking     = 1024 // far more than a store that answers ever has
	probeInterval = 200 * time.Millisecond
)

var begun = time.Now()

// admits reports whether the store may be asked now. While the breaker is open,
// the one request that moves next forward is the probe: all others see the later
// time. If nobody hears of its answer, because the store hangs, the next probe
// comes all the same.
func (b *breaker) admits() bool {
	next := b.next.Load()
	if next != 0 {
		now := int64(time.Since(begun))
		if now < next || !b.next.CompareAndSwap(next, now+probeDelay()) {
			return false
		}
	}
	if b.asking.Add(1) > maxAsking {
		b.asking.Add(-1)
		return false
	}
	return true
}

// done notes the answer of the store. An answer closes the breaker, whenever it
// was asked for: a store that answers late answers.
func (b *breaker) done(err error) {
	b.asking.Add(-1)
	switch {
	case err == nil, errors.Is(err, ErrMisconfigured):
		b.failures.Store(0)
		b.next.Store(0)
	case b.failures.Add(1) >= maxFailures, errors.Is(err, context.DeadlineExceeded):
		b.open()
	}
}

// open keeps requests away until the next probe. If the breaker is open already,
// the time of that probe stays as it is: otherwise the requests that were waiting
// when the store began to hang would put it off.
func (b *breaker) open() { b.next.CompareAndSwap(0, int64(time.Since(begun))+probeDelay()) }

// probeDelay differs from one process to another, because none opens its breaker
// at the same nanosecond. So they do not all ask at once.
func probeDelay() int64 {
	return int64(probeInterval - probeInterval/8 + time.Since(begun)%(probeInterval/4))
}

// debts are the takes that Local has admitted and the store does not know. They
// are paid when the subject is seen again and the store answers, so that a store
// that comes back is not flooded.
type debts struct {
	any atomic.Bool // so that no request locks while there are none
	mu  sync.Mutex
	of  map[debtor][]debt // one for each plan
}

type debtor struct{ scope, subject string }

type debt struct {
	plan *Plan
	cost int64
	at   time.Time // of the last take
}

// maxDebtors bounds debts, and maxDebts the plans of one subject. Beyond them, an
// outage gives back what was used during it, in the store alone.
const (
	maxDebtors = 1 << 16
	maxDebts   = 4
)

// add notes that a subject owes d.
func (d *debts) add(t *Take, more debt) {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := debtor{t.Scope, t.Subject}
	if d.of == nil {
		d.of = make(map[debtor][]debt)
	}
	owed := d.of[key]
	for i := range owed {
		// A plan may be parsed anew for each request.
		if o := &owed[i]; o.plan == more.plan || o.plan.String() == more.plan.String() {
			o.cost += more.cost
			if more.at.After(o.at) {
				o.at = more.at
			}
			return
		}
	}
	if len(owed) < maxDebts && (owed != nil || len(d.of) < maxDebtors) {
		d.of[key] = append(owed, more)
		d.any.Store(true)
	}
}

// take removes what a subject owes, and returns it.
func (d *debts) take(t *Take) []debt {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := debtor{t.Scope, t.Subject}
	owed := d.of[key]
	delete(d.of, key)
	d.any.Store(len(d.of) > 0)
	return owed
}

// pay charges the store what the subject owes, or as much of it as is left: the
// rest was beyond the quota, which other processes have used meanwhile. Windows
// that have passed since are not charged.
//
// A store that was not asked lately is peeked at first. If it does not answer, the
// debt stays: a charge without an answer could not be repeated.
func (g *guarded) pay(ctx context.Context, t *Take, now, until time.Time) {
	if !g.debts.any.Load() {
		return
	}
	if g.breaker.next.Load() != 0 {
		peek := *t
		peek.Cost = 0
		if _, err := g.ask(ctx, peek, now, until); err != nil {
			return
		}
	}
	for _, owed := range g.debts.take(t) {
		g.payOne(ctx, t, owed, now, until)
	}
}

// payOne pays one debt.
func (g *guarded) payOne(ctx context.Context, t *Take, owed debt, now, until time.Time) {
	bill := *t
	if bill.Plan = owed.plan.since(owed.at, now); bill.Plan == nil {
		return
	}
	// Each turn pays less than the one before, so it ends: in two turns as a rule,
	// because a refusal says how much is left.
	for bill.Cost = owed.cost; bill.Cost > 0; {
		d, err := g.ask(ctx, bill, now, until)
		switch {
		case mayHaveRun(err), errors.Is(err, errGone): // it goes on, and may be charged
			return
		case err != nil:
			g.debts.add(t, owed)
			return
		case d.Allowed:
			return
		}
		left := bill.Cost - 1 // at the most, whatever the store says
		for i := range d.limits() {
			left = min(left, d.States[i].Remaining)
		}
		bill.Cost = left
	}
}

// since returns p without the windows that have passed between then and now, or nil
// if all have.
//
// For example, 4 takes of "10-M, 100-D" are admitted in an outage. If the subject comes
// back an hour later, its day is charged with 4, and its minute with nothing: in this
// process the minute was charged when it was due, and has passed.
func (p *Plan) since(then, now time.Time) *Plan {
	var left []Limit
	for i := range p.windows {
		w := &p.windows[i]
		if w.cal != nil && w.cal.find(then.Unix()).end > now.Unix() || w.cal == nil && now.Sub(then) < time.Duration(w.period) {
			left = append(left, p.limits[i])
		}
	}
	if len(left) == len(p.limits) {
		return p
	}
	some, err := NewPlan(p.name, left...)
	if err != nil { // none is left
		return nil
	}
	return some
}

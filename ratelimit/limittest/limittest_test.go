package limittest

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"medtwin.ai/tollgate/ratelimit"
)

func TestMemory(t *testing.T) {
	Run(t, func(*testing.T) ratelimit.Store { return ratelimit.NewMemory(0) })
}

// failures counts what a probe reports.
type failures struct{ n atomic.Int64 }

func (f *failures) Helper()               {}
func (f *failures) Errorf(string, ...any) { f.n.Add(1) }

// breaks reports whether the suite finds that a store breaks a rule.
func breaks(t *testing.T, rule int, open func() ratelimit.Store) bool {
	var f failures
	for _, c := range cases() {
		if c.rule == rule {
			c.run(&probe{reporter: &f, store: open(), ctx: t.Context(), rule: c.rule})
		}
	}
	return f.n.Load() > 0
}

// take is a store made of a function around a good one.
type take func(ctx context.Context, t ratelimit.Take, now time.Time) (ratelimit.Decision, error)

func (f take) Take(ctx context.Context, t ratelimit.Take, now time.Time) (ratelimit.Decision, error) {
	return f(ctx, t, now)
}

// The suite must tell each of these from a good store, by the rule it breaks.
func TestBrokenStores(t *testing.T) {
	for _, c := range []struct {
		name string
		rule int
		open func() ratelimit.Store
	}{
		{"charges window by window", 1, windowByWindow},
		{"charges what is left on a refusal", 2, greedyRefusal},
		{"peeks charge", 3, chargingPeek},
		{"a cost above the quota may come back later", 4, neverSaysNever},
		{"fixed windows", 5, fixedWindows},
		{"all days are UTC", 6, onlyUTC},
		{"Retry is half of it", 7, hastyRetry},
		{"Remaining falls below zero", 8, belowZero},
		{"scope and subject are joined", 9, joined},
		{"a shared counter for limits of equal length", 9, sharedCounter},
		{"an earlier now starts afresh", 10, forgetsOnStep},
		{"counters belong to the plan", 11, perPlan},
		{"lost updates", 12, lossy},
		{"Binding is the first", 13, firstBinds},
		{"accepts anything", 14, lax},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !breaks(t, c.rule, c.open) {
				t.Errorf("the suite does not see that rule %d is broken", c.rule)
			}
		})
	}
}

func windowByWindow() ratelimit.Store {
	m := ratelimit.NewMemory(0)
	return take(func(ctx context.Context, t ratelimit.Take, now time.Time) (ratelimit.Decision, error) {
		if t.Plan == nil || t.Cost < 0 {
			return m.Take(ctx, t, now)
		}
		d := ratelimit.Decision{Plan: t.Plan, Cost: t.Cost, Allowed: true}
		for i, l := range t.Plan.Limits() {
			single := must(ratelimit.NewPlan("single", l))
			one, err := m.Take(ctx, ratelimit.Take{Scope: t.Scope + l.Name, Subject: t.Subject, Plan: single, Cost: t.Cost}, now)
			if err != nil {
				return one, err
			}
			d.States[i] = one.States[0]
			d.Allowed = d.Allowed && one.Allowed
		}
		return d, nil
	})
}

func greedyRefusal() ratelimit.Store {
	m := ratelimit.NewMemory(0)
	return take(func(ctx context.Context, t ratelimit.Take, now time.Time) (ratelimit.Decision, error) {
		d, err := m.Take(ctx, t, now)
		if err == nil && !d.Allowed && t.Cost > 0 {
			t.Cost = d.States[d.Binding].Remaining
			m.Take(ctx, t, now)
		}
		return d, err
	})
}

func chargingPeek() ratelimit.Store {
	m := ratelimit.NewMemory(0)
	return take(func(ctx context.Context, t ratelimit.Take, now time.Time) (ratelimit.Decision, error) {
		if t.Cost == 0 {
			t.Cost = 1
		}
		return m.Take(ctx, t, now)
	})
}

func neverSaysNever() ratelimit.Store {
	m := ratelimit.NewMemory(0)
	return take(func(ctx context.Context, t ratelimit.Take, now time.Time) (ratelimit.Decision, error) {
		d, err := m.Take(ctx, t, now)
		if d.Never {
			d.Never, d.Retry = false, time.Minute
		}
		return d, err
	})
}

func fixedWindows() ratelimit.Store {
	m := ratelimit.NewMemory(0)
	return take(func(ctx context.Context, t ratelimit.Take, now time.Time) (ratelimit.Decision, error) {
		if t.Plan != nil {
			t.Subject += fmt.Sprint(now.Truncate(max(time.Second, t.Plan.Limits()[0].Window)).Unix())
		}
		return m.Take(ctx, t, now)
	})
}

func onlyUTC() ratelimit.Store {
	m := ratelimit.NewMemory(0)
	return take(func(ctx context.Context, t ratelimit.Take, now time.Time) (ratelimit.Decision, error) {
		if t.Plan != nil {
			limits := t.Plan.Limits()
			for i := range limits {
				limits[i].Zone = nil
			}
			t.Plan = must(ratelimit.NewPlan("utc", limits...))
		}
		return m.Take(ctx, t, now)
	})
}

func hastyRetry() ratelimit.Store {
	m := ratelimit.NewMemory(0)
	return take(func(ctx context.Context, t ratelimit.Take, now time.Time) (ratelimit.Decision, error) {
		d, err := m.Take(ctx, t, now)
		d.Retry /= 2
		return d, err
	})
}

func belowZero() ratelimit.Store {
	m := ratelimit.NewMemory(0)
	return take(func(ctx context.Context, t ratelimit.Take, now time.Time) (ratelimit.Decision, error) {
		d, err := m.Take(ctx, t, now)
		if !d.Allowed {
			d.States[d.Binding].Remaining -= t.Cost
		}
		return d, err
	})
}

func joined() ratelimit.Store {
	m := ratelimit.NewMemory(0)
	return take(func(ctx context.Context, t ratelimit.Take, now time.Time) (ratelimit.Decision, error) {
		t.Scope, t.Subject = "", t.Scope+":"+t.Subject
		return m.Take(ctx, t, now)
	})
}

// sharedCounter counts each limit under a key without its kind, so that two
// of one length charge the same counter twice.
func sharedCounter() ratelimit.Store {
	m := ratelimit.NewMemory(0)
	return take(func(ctx context.Context, t ratelimit.Take, now time.Time) (ratelimit.Decision, error) {
		if t.Plan == nil || t.Cost < 0 {
			return m.Take(ctx, t, now)
		}
		for _, l := range t.Plan.Limits()[1:] {
			if l.Window == t.Plan.Limits()[0].Window {
				m.Take(ctx, t, now)
			}
		}
		return m.Take(ctx, t, now)
	})
}

func forgetsOnStep() ratelimit.Store {
	m := ratelimit.NewMemory(0)
	var mu sync.Mutex
	var last time.Time
	return take(func(ctx context.Context, t ratelimit.Take, now time.Time) (ratelimit.Decision, error) {
		mu.Lock()
		if now.Before(last) {
			t.Scope += now.String()
		}
		last = now
		mu.Unlock()
		return m.Take(ctx, t, now)
	})
}

func perPlan() ratelimit.Store {
	m := ratelimit.NewMemory(0)
	return take(func(ctx context.Context, t ratelimit.Take, now time.Time) (ratelimit.Decision, error) {
		if t.Plan != nil {
			t.Scope += t.Plan.Name()
		}
		return m.Take(ctx, t, now)
	})
}

// lossy reads and then writes: of takes that overlap, one is counted.
func lossy() ratelimit.Store {
	m := ratelimit.NewMemory(0)
	var inside atomic.Int64
	return take(func(ctx context.Context, t ratelimit.Take, now time.Time) (ratelimit.Decision, error) {
		others := inside.Add(1) - 1
		defer inside.Add(-1)
		for range 100 {
			runtime.Gosched()
		}
		if others == 0 {
			return m.Take(ctx, t, now)
		}
		t.Cost = 0
		return m.Take(ctx, t, now)
	})
}

func firstBinds() ratelimit.Store {
	m := ratelimit.NewMemory(0)
	return take(func(ctx context.Context, t ratelimit.Take, now time.Time) (ratelimit.Decision, error) {
		d, err := m.Take(ctx, t, now)
		d.Binding = 0
		return d, err
	})
}

func lax() ratelimit.Store {
	m := ratelimit.NewMemory(0)
	return take(func(ctx context.Context, t ratelimit.Take, now time.Time) (ratelimit.Decision, error) {
		if t.Plan == nil || t.Cost < 0 {
			return ratelimit.Decision{}, nil
		}
		return m.Take(ctx, t, now)
	})
}

// Package limittest checks that a [ratelimit.Store] keeps the numbered rules
// of its contract. A backend's test is one line:
//
//	limittest.Run(t, func(t *testing.T) ratelimit.Store { return open(t) })
package limittest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"medtwin.ai/tollgate/ratelimit"
)

// Run checks every rule against a fresh store from open. A failure names the
// rule that is broken. Stores are asked at instants of the suite's own, in
// March 2026 and later.
func Run(t *testing.T, open func(t *testing.T) ratelimit.Store) {
	for _, c := range cases() {
		t.Run(fmt.Sprintf("rule %d: %s", c.rule, c.name), func(t *testing.T) {
			c.run(&probe{reporter: t, store: open(t), ctx: t.Context(), rule: c.rule})
		})
	}
}

// A testCase checks one rule.
type testCase struct {
	rule int
	name string
	run  func(*probe)
}

// A reporter hears of failures: a testing.T, or the suite's own test.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
}

// A probe is a store under test.
type probe struct {
	reporter
	store ratelimit.Store
	ctx   context.Context
	rule  int
}

// start is when the cases begin: a Tuesday, not on any whole unit.
var start = time.Date(2026, time.March, 10, 12, 34, 56, 789_000_000, time.UTC)

// take takes cost for a subject and returns the decision.
func (p *probe) take(plan *ratelimit.Plan, subject string, cost int64, now time.Time) ratelimit.Decision {
	p.Helper()
	return p.do(ratelimit.Take{Scope: "suite", Subject: subject, Plan: plan, Cost: cost}, now)
}

func (p *probe) do(t ratelimit.Take, now time.Time) ratelimit.Decision {
	p.Helper()
	d, err := p.store.Take(p.ctx, t, now)
	if err != nil {
		p.broken("take of %d: %v", t.Cost, err)
	}
	return d
}

// drain takes 1 until it is refused, at most 1,000 times, and returns how
// often it was not.
func (p *probe) drain(plan *ratelimit.Plan, subject string, now time.Time) int {
	p.Helper()
	for n := range 1000 {
		if !p.take(plan, subject, 1, now).Allowed {
			return n
		}
	}
	return 1000
}

// broken reports a failure with the rule's number.
func (p *probe) broken(format string, args ...any) {
	p.Helper()
	p.Errorf("rule %d: "+format, append([]any{p.rule}, args...)...)
}

// remaining fails unless the decision leaves exactly this in each limit.
func (p *probe) remaining(what string, d ratelimit.Decision, want ...int64) {
	p.Helper()
	for i, w := range want {
		if got := d.States[i].Remaining; got != w {
			p.broken("%s: %d remain in limit %d, want %d", what, got, i, w)
		}
	}
}

// plan returns a plan that is known to be valid.
func plan(notation string) *ratelimit.Plan {
	return must(ratelimit.ParsePlan(notation, notation))
}

func limits(l ...ratelimit.Limit) *ratelimit.Plan {
	return must(ratelimit.NewPlan("suite", l...))
}

// must panics on a mistake of the suite itself.
func must(p *ratelimit.Plan, err error) *ratelimit.Plan {
	if err != nil {
		panic(err)
	}
	return p
}

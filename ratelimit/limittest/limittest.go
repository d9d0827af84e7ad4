// Package limittest checks that a [ratelimit.Store] keeps the numbered rules of
// its contract. The test of a backend is one line:
//
//	limittest.Run(t, func(t *testing.T) ratelimit.Store { return open(t) })
//
// The suite never sleeps: it passes the time as an argument, and so can test a
// month in a moment. For the same reason a backend must decide by the time of
// the take, and must not compare it with a clock of its own.
//
// Each case looks for the mistake that is most often made in its rule, such as
// charging the minute before the day has refused. The suite itself is tested
// with stores that make these mistakes, and each of them must be found.
package limittest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"medtwin.ai/tollgate/ratelimit"
)

// Run checks every rule against a fresh store from open, one subtest for each
// case. A failure names the rule that is broken. The suite uses instants of its
// own, in March 2026 and later.
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

// A reporter receives failures. It is a testing.T, or the test of the suite
// itself.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
}

// A probe is a store under test, with the rule that is being checked.
type probe struct {
	reporter
	store ratelimit.Store
	ctx   context.Context
	rule  int
}

// start is when the cases begin. It is not at the beginning of any unit of
// time.
var start = time.Date(2026, time.March, 10, 12, 34, 56, 789_000_000, time.UTC)

// take takes cost for a subject and returns the decision.
func (p *probe) take(plan *ratelimit.Plan, subject string, cost int64, now time.Time) ratelimit.Decision {
	p.Helper()
	return p.do(ratelimit.Take{Scope: "suite", Subject: subject, Plan: plan, Cost: cost}, now)
}

// do asks the store, and reports an error as a broken rule.
func (p *probe) do(t ratelimit.Take, now time.Time) ratelimit.Decision {
	p.Helper()
	d, err := p.store.Take(p.ctx, t, now)
	if err != nil {
		p.broken("take of %d: %v", t.Cost, err)
	}
	return d
}

// drain takes 1 until it is refused, at most 1,000 times, and returns how many
// takes passed. It shows what a subject could really use, whatever the store
// says remains.
func (p *probe) drain(plan *ratelimit.Plan, subject string, now time.Time) int {
	p.Helper()
	for n := range 1000 {
		if !p.take(plan, subject, 1, now).Allowed {
			return n
		}
	}
	return 1000
}

// broken reports a failure with the number of the rule.
func (p *probe) broken(format string, args ...any) {
	p.Helper()
	p.Errorf("rule %d: "+format, append([]any{p.rule}, args...)...)
}

// remaining reports a failure unless the limits have exactly these remainders.
func (p *probe) remaining(what string, d ratelimit.Decision, want ...int64) {
	p.Helper()
	for i, w := range want {
		if got := d.States[i].Remaining; got != w {
			p.broken("%s: %d remain in limit %d, want %d", what, got, i, w)
		}
	}
}

// plan returns the plan with a notation that is known to be valid.
func plan(notation string) *ratelimit.Plan {
	return must(ratelimit.ParsePlan(notation, notation))
}

// limits returns the plan with limits that are known to be valid.
func limits(l ...ratelimit.Limit) *ratelimit.Plan {
	return must(ratelimit.NewPlan("suite", l...))
}

// must panics, because an error is a mistake of the suite itself.
func must(p *ratelimit.Plan, err error) *ratelimit.Plan {
	if err != nil {
		panic(err)
	}
	return p
}

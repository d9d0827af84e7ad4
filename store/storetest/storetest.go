// Package storetest checks a backend against the rules of package store.
//
// A backend calls it in one line:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Backend { return mystore.Open(t.TempDir()) })
//	}
//
// A backend may also have a method Ready(context.Context) error, which proves by a
// write that it takes writes. Where it does, that write must leave no trace.
//
// Every failure names the rule that was broken, by its number in the
// documentation of package store.
package storetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"medtwin.ai/tollgate/store"
)

// A Backend is what is checked.
type Backend = store.Store

// Run checks the backends that open returns: a new and empty one for every
// check, to be closed by a cleanup of the t that open is given.
func Run(t *testing.T, open func(t *testing.T) Backend) { run(t, checks(), open) }

func run(t *testing.T, checks []check, open func(t *testing.T) Backend) {
	for _, c := range checks {
		t.Run(fmt.Sprintf("rule %d: %s", c.rule, c.name), func(t *testing.T) {
			c.run(&suite{tb: t, Backend: open(t), rule: c.rule, timeout: 10 * time.Second})
		})
	}
}

// A check is one test of one rule.
type check struct {
	rule int
	name string
	run  func(*suite)
}

// tb is what a check needs of a [testing.T], so that the suite's own tests
// can run it over backends that fail.
type tb interface {
	Helper()
	Context() context.Context
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// A suite is one check under way.
type suite struct {
	tb
	Backend
	rule    int
	timeout time.Duration // for an event that must come
}

// errorf reports a broken rule.
func (s *suite) errorf(format string, args ...any) {
	s.Helper()
	s.Errorf("rule %d of package store is broken: %s", s.rule, fmt.Sprintf(format, args...))
}

// fatalf reports a broken rule and ends the check.
func (s *suite) fatalf(format string, args ...any) {
	s.Helper()
	s.Fatalf("rule %d of package store is broken: %s", s.rule, fmt.Sprintf(format, args...))
}

func checks() []check {
	return slices.Concat(
		recordChecks(), tenancyChecks(), revokeChecks(), touchChecks(), rotateChecks(),
		quotaChecks(), copyChecks(), watchChecks(), timeChecks(), pageChecks(), pruneChecks(),
		ownerChecks(), joinedChecks(), updateChecks(), disableChecks(), graceChecks(), rehashChecks(), idempotencyChecks(), bulkChecks(),
		userChecks(), memberChecks(), sessionChecks(), eventChecks(), readyChecks(), textChecks(), fingerprintChecks(), statusChecks(),
	)
}

// Package storetest checks a backend against the rules of package store.
//
// A backend calls it in one line:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Backend { return mystore.Open(t.TempDir()) })
//	}
//
// A backend that several processes can open at once is checked as a [Pair].
//
// A backend may also have a method Ready(context.Context) error, which proves by a write
// that the backend takes writes. That write must leave no trace.
//
// Every failure names the broken rule by its number in the documentation of package
// store.
package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"medtwin.ai/tollgate/store"
)

// A Backend is the store that is checked.
type Backend = store.Store

// Run checks the backends that open returns. open returns a new and empty backend for
// every check, and closes it in a cleanup of its t.
func Run(t *testing.T, open func(t *testing.T) Backend) { run(t, checks(), open) }

func run(t *testing.T, checks []check, open func(t *testing.T) Backend) {
	for _, c := range checks {
		t.Run(fmt.Sprintf("rule %d: %s", c.rule, c.name), func(t *testing.T) {
			c.run(&suite{report{t, c.rule}, open(t), 10 * time.Second})
		})
	}
}

// A check is one test of one rule.
type check struct {
	rule int
	name string
	run  func(*suite)
}

// tb has the methods of [testing.T] that a check calls. The tests of this package
// implement it, to run checks over backends that fail.
type tb interface {
	Helper()
	Context() context.Context
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// A suite is one run of a check. Its methods add records and read them.
type suite struct {
	report
	Backend
	timeout time.Duration // how long to wait for an event that must come
}

// A report says that a rule is broken.
type report struct {
	tb
	rule int
}

// errorf reports a broken rule.
func (r report) errorf(format string, args ...any) {
	r.Helper()
	r.Errorf("rule %d of package store is broken: %s", r.rule, fmt.Sprintf(format, args...))
}

// fatalf reports a broken rule and ends the check.
func (r report) fatalf(format string, args ...any) {
	r.Helper()
	r.Fatalf("rule %d of package store is broken: %s", r.rule, fmt.Sprintf(format, args...))
}

func checks() []check {
	return slices.Concat(
		recordChecks(), tenancyChecks(), revokeChecks(), touchChecks(), rotateChecks(),
		quotaChecks(), copyChecks(), watchChecks(), timeChecks(), pageChecks(), pruneChecks(),
		ownerChecks(), joinedChecks(), updateChecks(), disableChecks(), graceChecks(), rehashChecks(), idempotencyChecks(), bulkChecks(),
		userChecks(), memberChecks(), invitationChecks(), sessionChecks(), eventChecks(), readyChecks(), textChecks(), fingerprintChecks(), statusChecks(),
	)
}

// Pair returns a backend whose calls go to a and b in turn, which are two stores on one
// database, as two processes open them. So the checks also find mistakes between two
// processes. Its watches are those of a.
func Pair(a, b Backend) Backend { return &pair{Backend: a, other: b} }

type pair struct {
	Backend
	other Backend
	calls atomic.Int64
}

func (p *pair) next() Backend {
	if p.calls.Add(1)%2 == 0 {
		return p.other
	}
	return p.Backend
}

func (p *pair) Keys() store.Keys                 { return p.next().Keys() }
func (p *pair) KeyAdmin() store.KeyAdmin         { return p.next().KeyAdmin() }
func (p *pair) Accounts() store.Accounts         { return p.next().Accounts() }
func (p *pair) Users() store.Users               { return p.next().Users() }
func (p *pair) Memberships() store.Memberships   { return p.next().Memberships() }
func (p *pair) Invitations() store.Invitations   { return p.next().Invitations() }
func (p *pair) Sessions() store.Sessions         { return p.next().Sessions() }
func (p *pair) Events() store.Events             { return p.next().Events() }
func (p *pair) Fingerprints() store.Fingerprints { return p.next().Fingerprints() }

func (p *pair) Ready(ctx context.Context) error {
	if r, ok := p.next().(readier); ok {
		return r.Ready(ctx)
	}
	return nil
}

// A SessionBackend is a store that keeps nothing but sessions.
type SessionBackend interface {
	Sessions() store.Sessions
	store.Changes
}

// RunSessions is [Run] for stores that keep nothing but sessions. It runs the checks of
// sessions, and those of watches with changes of sessions.
func RunSessions(t *testing.T, open func(t *testing.T) SessionBackend) {
	run(t, checksOfSessions(), func(t *testing.T) Backend { return alone{sessions: open(t)} })
}

func checksOfSessions() []check {
	list := slices.Concat(sessionChecks(), changeChecks(" (sessions)", ofSessions))
	for _, m := range mutators {
		if strings.HasPrefix(m.name, "Sessions.") {
			list = append(list, m.check(loggedIn))
		}
	}
	return list
}

// loggedIn adds the sessions of populated.
func loggedIn(s *suite) store.Key {
	s.logins(newSession(me, 1), newSession(me, 2))
	return store.Key{}
}

// alone is a backend that has sessions, and nothing else.
type alone struct {
	Backend  // nil, because a check that reads other records is no check of sessions
	sessions SessionBackend
}

func (a alone) Sessions() store.Sessions                         { return a.sessions.Sessions() }
func (a alone) Watch(ctx context.Context, w store.Watcher) error { return a.sessions.Watch(ctx, w) }

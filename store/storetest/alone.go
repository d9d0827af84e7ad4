package storetest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"medtwin.ai/tollgate/store"
)

// A SessionBackend is a store that keeps nothing but sessions.
type SessionBackend interface {
	Sessions() store.Sessions
	store.Changes
}

// RunSessions is [Run] for stores that keep nothing but sessions: the checks
// of these, and of watches by what happens to them.
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

// loggedIn adds the sessions that populated does.
func loggedIn(s *suite) store.Key {
	s.logins(newSession(me, 1), newSession(me, 2))
	return store.Key{}
}

// alone is a backend that has sessions, and nothing else.
type alone struct {
	Backend  // nil: a check that asks for other records is no check of sessions
	sessions SessionBackend
}

func (a alone) Sessions() store.Sessions                         { return a.sessions.Sessions() }
func (a alone) Watch(ctx context.Context, w store.Watcher) error { return a.sessions.Watch(ctx, w) }

package redisstore

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/store"
)

// What one node revokes in either store, the other nodes refuse at once.
// case K9, with the stream up, and cut
func TestRevokedOnAnotherNode(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			f, w := newFleet(t), &wires{}
			a, other := f.node(t, b.client(t), true), f.node(t, b.client(t, w), true)
			revoke := func(s store.Session) error {
				return a.redis.Sessions().Revoke(t.Context(), "user_1", s.ID, time.Now())
			}
			for _, tt := range []struct {
				what string
				end  func(store.Session) error
			}{
				{"the session", revoke},
				{"the session, while nobody hears", func(s store.Session) error {
					if w.cut() == 0 {
						t.Error("no subscription was cut")
					}
					return revoke(s)
				}},
				{"the user's sessions", func(store.Session) error {
					_, err := f.people.Users().EndSessions(t.Context(), "user_1")
					return err
				}},
			} {
				s, token := f.start(t, a)
				other.waitHeard(t)
				if err := other.enter(t, token, time.Now()); err != nil {
					t.Fatal(err)
				}
				if err := tt.end(s); err != nil {
					t.Fatal(err)
				}
				ended := time.Now()
				poll(t, tt.what+" was not refused", func() bool { return errors.Is(other.enter(t, token, time.Now()), authn.ErrRevoked) })
				if took := time.Since(ended); took >= lease {
					t.Errorf("%s: refused after %v, no sooner than without a stream", tt.what, took)
				}
			}
		})
	}
}

// With the stream half-open, a session that has ended is refused when the
// lease is over, and not before: until then the node knows nothing.
// case K9, with the stream hung
func TestRevokedUnheard(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			f, w := newFleet(t), &wires{}
			a, deaf := f.node(t, b.client(t), true), f.node(t, b.client(t, w), true)
			s, token := f.start(t, a)
			deaf.waitHeard(t)
			if err := deaf.enter(t, token, time.Now()); err != nil {
				t.Fatal(err)
			}
			w.mute.Store(true)
			if err := a.redis.Sessions().Revoke(t.Context(), "user_1", s.ID, time.Now()); err != nil {
				t.Fatal(err)
			}
			revoked := time.Now()
			if err := deaf.enter(t, token, revoked); err != nil {
				t.Errorf("%v: it was not remembered, so this test shows nothing of the bound", err)
			}
			if err := deaf.enter(t, token, revoked.Add(deaf.MaxRevocationDelay())); !errors.Is(err, authn.ErrRevoked) {
				t.Errorf("after the bound: %v, want ErrRevoked", err)
			}
		})
	}
}

// An operator who changes Redis by hand can tell the nodes, also that everything
// may have changed. The nodes notice by themselves that the database was emptied.
// case K11, for changes by hand
// case K12, for they find it changed when they read again
func TestByHand(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			f := newFleet(t)
			client := b.client(t)
			a, other := f.node(t, client, true), f.node(t, b.client(t), true)
			for _, tt := range []struct {
				name string
				do   func(o store.Session) error
				want error
			}{
				{"a change that is told", func(o store.Session) error {
					return errors.Join(client.HSet(t.Context(), a.redis.names.session(o.User, o.ID), "revoked", "1").Err(),
						client.Publish(t.Context(), a.redis.names.changes(), o.ID).Err())
				}, authn.ErrRevoked},
				{"changes of which it is told that there were some", func(o store.Session) error {
					return errors.Join(client.Del(t.Context(), a.redis.names.session(o.User, o.ID)).Err(),
						client.Publish(t.Context(), a.redis.names.changes(), "").Err())
				}, authn.ErrRejected},
				{"everything is gone", func(store.Session) error { return f.empty(t, a.redis) }, authn.ErrRejected},
			} {
				o, token := f.start(t, a)
				other.waitHeard(t)
				if err := other.enter(t, token, time.Now()); err != nil {
					t.Fatal(err)
				}
				if err := tt.do(o); err != nil {
					t.Fatalf("%s: %v", tt.name, err)
				}
				did := time.Now()
				poll(t, tt.name+" was not heard of", func() bool { return errors.Is(other.enter(t, token, time.Now()), tt.want) })
				if took := time.Since(did); took >= lease {
					t.Errorf("%s: heard of after %v, no sooner than without a stream", tt.name, took)
				}
			}
		})
	}
}

// empty deletes all that is a fleet's, as FLUSHALL would.
func (f *fleet) empty(t testing.TB, s *Store) error {
	t.Helper()
	masters, err := s.masters(t.Context())
	if err != nil {
		return err
	}
	for _, m := range masters {
		for _, key := range must(m.node.Keys(t.Context(), f.prefix+"*").Result())(t) {
			if err := m.node.Del(t.Context(), key).Err(); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		}
	}
	return nil
}

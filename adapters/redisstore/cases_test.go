package redisstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// What one node revokes, the others refuse at once, whichever of the two
// stores it is in.
// case K9, with the stream up, and cut
func TestRevokedOnAnotherNode(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			f, w := newFleet(t), &wires{}
			a, other := f.node(t, b.client(t), true), f.node(t, b.client(t, w), true)
			revoke := func(s store.Session) error {
				return a.redis.Sessions().Revoke(t.Context(), "user_1", s.ID, time.Now())
			}
			for what, end := range map[string]func(store.Session) error{
				"the session": revoke,
				"the session, while nobody hears": func(s store.Session) error {
					if w.cut() == 0 {
						t.Error("no subscription was cut")
					}
					return revoke(s)
				},
				"the user's sessions": func(store.Session) error {
					_, err := f.people.Users().EndSessions(t.Context(), "user_1")
					return err
				},
			} {
				s, token := f.start(t, a)
				other.settle(t)
				if err := other.enter(t, token, time.Now()); err != nil {
					t.Fatal(err)
				}
				if err := end(s); err != nil {
					t.Fatal(err)
				}
				ended := time.Now()
				poll(t, what+" was not refused", func() bool { return errors.Is(other.enter(t, token, time.Now()), authn.ErrRevoked) })
				if took := time.Since(ended); took >= lease {
					t.Errorf("%s: refused after %v, no sooner than without a stream", what, took)
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
			deaf.settle(t)
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

// Under load on two nodes, uses recorded all the while, a session that has
// ended passes nowhere any more once it was refused there.
// case K8
// case S7, of many requests in flight
func TestEndedStaysEnded(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			f := newFleet(t)
			nodes := []*node{f.node(t, b.client(t), true), f.node(t, b.client(t), true)}
			s, token := f.start(t, nodes[0])
			ctx, stop := context.WithCancel(t.Context())
			var load sync.WaitGroup
			defer func() { stop(); load.Wait() }()
			var passed, refused, back atomic.Int64
			for _, n := range nodes {
				var ended atomic.Bool // it was refused here
				for range 4 {
					load.Go(func() {
						for ctx.Err() == nil {
							before := ended.Load()
							switch err := n.enter(t, token, time.Now()); {
							case err == nil && before:
								back.Add(1)
							case err == nil:
								passed.Add(1)
							case errors.Is(err, authn.ErrRevoked):
								ended.Store(true)
								refused.Add(1)
							default:
								t.Errorf("a request: %v", err)
							}
						}
					})
				}
				load.Go(func() {
					for i := 0; ctx.Err() == nil; i++ {
						use := store.Use{ID: s.ID, At: s.Created.Add(time.Duration(i) * time.Second)}
						if err := n.redis.Sessions().Touch(t.Context(), []store.Use{use}); err != nil {
							t.Errorf("a use: %v", err)
						}
					}
				})
			}
			poll(t, "nothing has passed", func() bool { return passed.Load() > 1000 })
			if err := nodes[0].Revoke(t.Context(), nodes[0].by(t, token), s.ID, time.Now()); err != nil {
				t.Fatal(err)
			}
			if err := nodes[0].enter(t, token, time.Now()); !errors.Is(err, authn.ErrRevoked) {
				t.Errorf("on the node that has ended it: %v, want ErrRevoked", err)
			}
			revoked := must(nodes[0].redis.Sessions().Get(t.Context(), "user_1", s.ID))(t)
			poll(t, "nothing was refused", func() bool { return refused.Load() > 10_000 })
			stop()
			load.Wait()
			if n := back.Load(); n > 0 {
				t.Errorf("%d requests passed after others were refused", n)
			}
			for _, n := range nodes {
				n.stop() // which writes down the last uses
			}
			got := must(nodes[0].redis.Sessions().Get(t.Context(), "user_1", s.ID))(t)
			if d := cmp.Diff(revoked, got); d != "" {
				t.Errorf("the session after uses (-ended +now):\n%s", d)
			}
		})
	}
}

// A gated store keeps an answer back that it has read.
type gated struct {
	store.Sessions
	on           atomic.Bool
	read, letOut chan struct{}
}

func (g *gated) Find(ctx context.Context, d keyfmt.Digest) (store.Session, error) {
	s, err := g.Sessions.Find(ctx, d)
	if g.on.CompareAndSwap(true, false) {
		g.read <- struct{}{}
		<-g.letOut
	}
	return s, err
}

// A session that is read, then revoked elsewhere, and only then remembered, is
// not remembered.
// case K10
func TestFillInFlight(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			f, g := newFleet(t), &gated{read: make(chan struct{}), letOut: make(chan struct{})}
			a := f.node(t, b.client(t), true)
			late := f.node(t, b.client(t), true, func(c *session.Config) { g.Sessions, c.Store = c.Store, g })
			s, token := f.start(t, a)
			late.settle(t)
			g.on.Store(true)
			done := make(chan error)
			go func() { done <- late.enter(t, token, time.Now()) }()
			<-g.read
			if err := a.redis.Sessions().Revoke(t.Context(), "user_1", s.ID, time.Now()); err != nil {
				t.Fatal(err)
			}
			late.settle(t)
			close(g.letOut)
			if err := <-done; err != nil {
				t.Errorf("the request under way: %v; so this test shows nothing", err)
			}
			if err := late.enter(t, token, time.Now()); !errors.Is(err, authn.ErrRevoked) {
				t.Errorf("the next request: %v, want ErrRevoked", err)
			}
		})
	}
}

// Whatever changes sessions, through a node or a store or by hand, reaches the
// other nodes by push.
// case K11
// case K12, for they find it changed when they read again
func TestMutators(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			f := newFleet(t)
			client := b.client(t)
			a, other := f.node(t, client, true), f.node(t, b.client(t), true)
			s := a.redis.Sessions()
			now := time.Now()
			for _, tt := range []struct {
				name string
				do   func(o store.Session, token string) error
				want error
			}{
				{"Manager.Revoke", func(o store.Session, token string) error {
					return a.Revoke(t.Context(), a.by(t, token), o.ID, now)
				}, authn.ErrRevoked},
				{"Manager.RevokeOthers", func(store.Session, string) error {
					_, token := f.start(t, a)
					_, err := a.RevokeOthers(t.Context(), a.by(t, token), now)
					return err
				}, authn.ErrRevoked},
				{"Manager.RevokeAll", func(o store.Session, token string) error {
					return a.RevokeAll(t.Context(), a.by(t, token), now)
				}, authn.ErrRevoked},
				{"Manager.Logout", func(o store.Session, token string) error {
					return a.Logout(t.Context(), authn.NewCredential("Session", token), now)
				}, authn.ErrRevoked},
				{"Sessions.Revoke", func(o store.Session, _ string) error { return s.Revoke(t.Context(), o.User, o.ID, now) }, authn.ErrRevoked},
				{"Sessions.RevokeAll", func(o store.Session, _ string) error {
					_, err := s.RevokeAll(t.Context(), o.User, "", now)
					return err
				}, authn.ErrRevoked},
				{"Sessions.Prune", func(o store.Session, _ string) error {
					_, err := s.Prune(t.Context(), o.Expires.Add(time.Second))
					return err
				}, authn.ErrRejected},
				{"a change by hand, that is told", func(o store.Session, _ string) error {
					return errors.Join(client.HSet(t.Context(), a.redis.names.session(o.User, o.ID), "revoked", "1").Err(),
						client.Publish(t.Context(), a.redis.names.changes(), o.ID).Err())
				}, authn.ErrRevoked},
				{"changes by hand, of which it is told that there were some", func(o store.Session, _ string) error {
					return errors.Join(client.Del(t.Context(), a.redis.names.session(o.User, o.ID)).Err(),
						client.Publish(t.Context(), a.redis.names.changes(), "").Err())
				}, authn.ErrRejected},
				{"everything is gone", func(store.Session, string) error { return f.empty(t, a.redis) }, authn.ErrRejected},
			} {
				o, token := f.start(t, a)
				other.settle(t)
				if err := other.enter(t, token, time.Now()); err != nil {
					t.Fatal(err)
				}
				if err := tt.do(o, token); err != nil {
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

// What ends the sessions of a user while he logs in ends that one too, though
// users and sessions are in different stores.
// case S11
func TestBornDead(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			for name, end := range map[string]func(*fleet) error{
				"everywhere": func(f *fleet) error { _, err := f.people.Users().EndSessions(t.Context(), "user_1"); return err },
				"password": func(f *fleet) error {
					_, err := f.people.Users().SetPassword(t.Context(), "user_1", "", "new")
					return err
				},
				"suspension": func(f *fleet) error {
					return errors.Join(f.people.Users().SetStatus(t.Context(), "user_1", authz.Suspended),
						f.people.Users().SetStatus(t.Context(), "user_1", authz.Active))
				},
			} {
				f := newFleet(t)
				n := f.node(t, b.client(t), true)
				must(f.people.Users().EndSessions(t.Context(), "user_1"))(t) // those of before
				_, token := f.start(t, n)
				if err := n.enter(t, token, time.Now()); err != nil {
					t.Errorf("%s: a log-in that nothing comes between: %v", name, err)
				}
				read := must(f.people.Users().Get(t.Context(), "user_1"))(t)
				if err := end(f); err != nil {
					t.Fatal(err)
				}
				_, late, err := n.Start(t.Context(), session.Spec{User: read, Account: "acct_1"}, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				if err := n.enter(t, late.Reveal(), time.Now()); !errors.Is(err, authn.ErrRevoked) {
					t.Errorf("%s: %v, want ErrRevoked", name, err)
				}
			}
		})
	}
}

// case S9: 10,000 requests make one write, and a clock that goes back none.
// case S7: one of a session that has ended since makes none.
func TestUses(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			f, client := newFleet(t), b.client(t)
			var touches atomic.Int64
			client.AddHook(counting(func(cmd redis.Cmder) {
				if args := cmd.Args(); len(args) > 1 && args[1] == touch.Hash() {
					touches.Add(1)
				}
			}))
			n := f.node(t, client, false)
			s, token := f.start(t, n)
			if err := touch.Load(t.Context(), client).Err(); err != nil { // else the first is sent twice
				t.Fatal(err)
			}
			now := time.Now().Add(time.Hour) // later than the log-in, which counts as a use
			for range 10_000 {
				if err := n.enter(t, token, now); err != nil {
					t.Fatal(err)
				}
			}
			read := func() store.Session {
				t.Helper()
				return must(n.redis.Sessions().Get(t.Context(), "user_1", s.ID))(t)
			}
			n.stop()
			if seen := read().Seen; seen.IsZero() || touches.Load() != 1 {
				t.Errorf("10,000 requests were %d writes, want 1; seen at %v", touches.Load(), seen)
			}
			before := read()
			back := []store.Use{{ID: s.ID, At: before.Seen.Add(-time.Second)}}
			if err := n.redis.Sessions().Touch(t.Context(), back); err != nil || read() != before {
				t.Errorf("after a use in the past: seen at %v, was %v, error %v", read().Seen, before.Seen, err)
			}
			if err := n.redis.Sessions().Revoke(t.Context(), "user_1", s.ID, now); err != nil {
				t.Fatal(err)
			}
			before = read()
			if err := n.enter(t, token, now.Add(lease/2)); err != nil { // nobody has told this node
				t.Fatal(err)
			}
			if err := n.redis.Sessions().Touch(t.Context(), []store.Use{{ID: s.ID, At: now.Add(time.Hour)}}); err != nil {
				t.Fatal(err)
			}
			if got := read(); got != before {
				t.Errorf("after the log-out: %+v, want %+v", got, before)
			}
		})
	}
}

// A node that is told to end under load writes down the uses that it has not
// written yet.
// case T8, for SIGTERM
func TestEndUnderLoad(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			f := newFleet(t)
			n := f.node(t, b.client(t), true)
			var load sync.WaitGroup
			var sessions []store.Session
			now := time.Now().Add(time.Hour)
			for range 50 {
				s, token := f.start(t, n)
				sessions = append(sessions, s)
				load.Go(func() {
					for range 20 {
						if err := n.enter(t, token, now); err != nil {
							t.Errorf("a request: %v", err)
						}
					}
				})
			}
			load.Wait()
			n.stop()
			for _, s := range sessions {
				got := must(n.redis.Sessions().Get(t.Context(), "user_1", s.ID))(t)
				if got.Seen.Before(now.Add(-24 * time.Hour / 8)) {
					t.Errorf("%s was used at %v, and is said to have been seen at %v", s.ID, now, got.Seen)
				}
			}
		})
	}
}

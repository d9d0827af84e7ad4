package redisstore

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"medtwin.ai/tollgate/adapters/redisstore/redistest"
	"medtwin.ai/tollgate/store"
)

// outage asserts that nothing is answered, least of all that a session is not
// there, and that nobody waits for long.
func outage(t *testing.T, s *Store) {
	t.Helper()
	var asking sync.WaitGroup
	for _, c := range calls(login("u", 1), t0) {
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			began := time.Now()
			err := c.do(ctx, s)
			if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) {
				t.Errorf("%s without Redis: %v", c.name, err)
			} else if !strings.HasPrefix(err.Error(), "redisstore: ") {
				t.Errorf("%s: %q does not say whose error it is", c.name, err)
			}
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("%s takes %v, and had 300 ms", c.name, took)
			}
		})
	}
	asking.Wait()
}

// A method is one of Store's, with its arguments.
type method struct {
	name string
	do   func(context.Context, *Store) error
}

// calls is every method, as it is called for a session.
func calls(o store.Session, now time.Time) []method {
	return []method{
		{"Find", func(ctx context.Context, s *Store) error { _, err := s.Sessions().Find(ctx, o.Digest); return err }},
		{"Create", func(ctx context.Context, s *Store) error { return s.Sessions().Create(ctx, o) }},
		{"Touch", func(ctx context.Context, s *Store) error {
			return s.Sessions().Touch(ctx, []store.Use{{ID: o.ID, At: now}})
		}},
		{"Get", func(ctx context.Context, s *Store) error { _, err := s.Sessions().Get(ctx, o.User, o.ID); return err }},
		{"List", func(ctx context.Context, s *Store) error { _, err := s.Sessions().List(ctx, o.User); return err }},
		{"Revoke", func(ctx context.Context, s *Store) error { return s.Sessions().Revoke(ctx, o.User, o.ID, now) }},
		{"RevokeAll", func(ctx context.Context, s *Store) error {
			_, err := s.Sessions().RevokeAll(ctx, o.User, "", now)
			return err
		}},
		{"Prune", func(ctx context.Context, s *Store) error { _, err := s.Sessions().Prune(ctx, now, 1000); return err }},
		{"Publish", func(ctx context.Context, s *Store) error { return s.Publish(ctx, "x") }},
		{"Ready", func(ctx context.Context, s *Store) error { return s.Ready(ctx) }},
	}
}

// A call that is cancelled is no answer.
func TestCancelled(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			s := open(t, b.client(t))
			begin(t, s, login("u", 1))
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			for _, c := range calls(login("u", 1), t0) {
				if err := c.do(ctx, s); !errors.Is(err, context.Canceled) {
					t.Errorf("%s: %v", c.name, err)
				}
			}
		})
	}
}

// Redis is killed and restarted under a watch and under toil, and forgets
// nothing that it has acknowledged.
// case T8, for kill -9 of Redis
func TestKilled(t *testing.T) {
	t.Parallel()
	server := must(redistest.Start(redistest.Config{Durable: true}))(t)
	t.Cleanup(func() { server.Close() })
	s := open(t, server.Client(t))
	l := watch(t, s)
	kept, gone := login("u", 1), login("u", 2)
	begin(t, s, kept, gone)
	if err := s.Sessions().Revoke(t.Context(), "u", gone.ID, t0); err != nil {
		t.Fatal(err)
	}
	l.forgets(t, gone.ID)
	w := work(t, s)
	poll(t, "no session was revoked", func() bool { return w.count() > 100 })
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	killed, n := time.Now(), len(l.all())
	outage(t, s)
	if err := l.end(t, n-1); errors.Is(err, context.Canceled) {
		t.Errorf("the watch ends with %v", err)
	}
	l.dead(t, killed, time.Now())
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	l.hear(t, "Gap", n, func(e event) bool { return e.call == "Gap" })
	l.alive(t)
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("not ready: %v", err)
	}
	if got, err := s.Sessions().Find(t.Context(), kept.Digest); err != nil || !got.Revoked.IsZero() {
		t.Errorf("a session, revoked at %v, error %v", got.Revoked, err)
	}
	if got, err := s.Sessions().Find(t.Context(), gone.Digest); err != nil || got.Revoked.IsZero() {
		t.Errorf("a revoked session, revoked at %v, error %v", got.Revoked, err)
	}
	w.audit(t, l)
}

// Redis hangs under a watch, and then goes on.
func TestHung(t *testing.T) {
	t.Parallel()
	server := must(redistest.Start(redistest.Config{}))(t)
	t.Cleanup(func() { server.Close() })
	s := open(t, server.Client(t))
	l := watch(t, s)
	begin(t, s, login("u", 1))
	l.alive(t)
	if err := server.Pause(); err != nil {
		t.Fatal(err)
	}
	hung := time.Now()
	outage(t, s)
	if err := l.end(t, 0); !errors.Is(err, errDeaf) {
		t.Errorf("the watch ends with %v, want errDeaf", err)
	}
	l.dead(t, hung, time.Now())
	n := len(l.all())
	if err := server.Resume(); err != nil {
		t.Fatal(err)
	}
	l.hear(t, "Gap", n, func(e event) bool { return e.call == "Gap" })
	l.alive(t)
	if _, err := s.Sessions().Find(t.Context(), login("u", 1).Digest); err != nil {
		t.Errorf("after a while: %v", err)
	}
}

// Only the subscription is cut, again and again, while sessions end: no sign
// of life covers one that was not reported.
// case K9, for the stream
func TestCut(t *testing.T) {
	for _, b := range backends {
		if b.name == "miniredis" {
			continue // has no CLIENT KILL
		}
		t.Run(b.name, func(t *testing.T) {
			s := open(t, b.client(t))
			l := watch(t, s)
			toil := work(t, s)
			for range 10 {
				n := len(l.all())
				cut(t, s)
				n = l.hear(t, "the end of the watch", n, func(e event) bool { return e.call == "end" })
				n = l.hear(t, "Gap", n, func(e event) bool { return e.call == "Gap" })
				l.hear(t, "Alive", n, func(e event) bool { return e.call == "Alive" })
			}
			toil.audit(t, l)
		})
	}
}

// cut ends all subscriptions.
func cut(t *testing.T, s *Store) {
	t.Helper()
	killed := int64(0)
	for _, m := range must(s.masters(t.Context()))(t) {
		killed += must(m.node.Do(t.Context(), "client", "kill", "type", "pubsub").Int64())(t)
	}
	if killed == 0 {
		t.Error("no subscription was cut")
	}
}

// A Redis that is full, as one is that does not evict, makes no new sessions.
// It ends old ones all the same, and the stream stays up. Ready tells, for as long
// as it is so. case T9
func TestFull(t *testing.T) {
	t.Parallel()
	server := must(redistest.Start(redistest.Config{Settings: []string{"maxmemory-policy noeviction"}}))(t)
	t.Cleanup(func() { server.Close() })
	client := server.Client(t)
	s := open(t, client)
	o := login("u", 1)
	begin(t, s, o)
	l := watch(t, s)
	l.alive(t)
	if err := client.ConfigSet(t.Context(), "maxmemory", "100kb").Err(); err != nil { // less than it has
		t.Fatal(err)
	}
	if err := s.Sessions().Create(t.Context(), login("u", 2)); err == nil || errors.Is(err, store.ErrConflict) {
		t.Errorf("a new session: %v, want an error", err)
	}
	if err := s.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "OOM") {
		t.Errorf("Ready: %v, want OOM", err)
	}
	if err := s.Sessions().Touch(t.Context(), []store.Use{{ID: o.ID, At: t0}}); err != nil {
		t.Errorf("a use: %v", err)
	}
	if err := s.Sessions().Revoke(t.Context(), "u", o.ID, t0); err != nil {
		t.Errorf("a log-out: %v", err)
	}
	l.forgets(t, o.ID)
	if got, err := s.Sessions().Find(t.Context(), o.Digest); err != nil || !got.Revoked.Equal(t0) || !got.Seen.Equal(t0) {
		t.Errorf("revoked at %v, seen at %v, error %v", got.Revoked, got.Seen, err)
	}
	l.alive(t)
	watch(t, open(t, client)).alive(t) // a stream of others, who have written nothing yet
	for _, e := range l.all() {
		if e.call == "end" {
			t.Errorf("the watch has ended: %v", e.err)
		}
	}
	if err := client.ConfigSet(t.Context(), "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("Ready with room again: %v", err)
	}
}

// A master that is cut off from its replicas, and set to mind that, is no proof
// of anything: another one may be master by now.
func TestCutOff(t *testing.T) {
	t.Parallel()
	server := must(redistest.Start(redistest.Config{}))(t)
	t.Cleanup(func() { server.Close() })
	client := server.Client(t)
	s := open(t, client)
	l := watch(t, s)
	l.alive(t)
	if err := client.ConfigSet(t.Context(), "min-replicas-to-write", "1").Err(); err != nil {
		t.Fatal(err)
	}
	off := time.Now()
	if err := l.end(t, 0); !strings.Contains(err.Error(), "NOREPLICAS") {
		t.Errorf("the watch ends with %v", err)
	}
	if err := s.Ready(t.Context()); err == nil {
		t.Error("it is ready")
	}
	if err := s.Publish(t.Context(), "user_1"); err == nil {
		t.Error("it publishes")
	}
	n := len(l.all())
	l.hear(t, "another try", n, func(e event) bool { return e.call == "end" })
	l.dead(t, off, time.Now())
}

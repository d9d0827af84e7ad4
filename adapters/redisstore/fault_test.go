package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"medtwin.ai/tollgate/adapters/redisstore/redistest"
	"medtwin.ai/tollgate/store"
)

// outage asserts that nothing is answered, least of all that a session is not
// there, and that nobody waits for long.
func outage(t *testing.T, s *Store) {
	t.Helper()
	for what, f := range calls(login("u", 1), t0) {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		began := time.Now()
		err := f(ctx, s)
		if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) {
			t.Errorf("%s without Redis: %v", what, err)
		} else if !strings.HasPrefix(err.Error(), "redisstore: ") {
			t.Errorf("%s: %q does not say whose error it is", what, err)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("%s takes %v, and had 300 ms", what, took)
		}
		cancel()
	}
}

// calls is every method, as it is called for a session.
func calls(o store.Session, now time.Time) map[string]func(context.Context, *Store) error {
	return map[string]func(context.Context, *Store) error{
		"Find":   func(ctx context.Context, s *Store) error { _, err := s.Sessions().Find(ctx, o.Digest); return err },
		"Create": func(ctx context.Context, s *Store) error { return s.Sessions().Create(ctx, o) },
		"Touch": func(ctx context.Context, s *Store) error {
			return s.Sessions().Touch(ctx, []store.Use{{ID: o.ID, At: now}})
		},
		"Get":    func(ctx context.Context, s *Store) error { _, err := s.Sessions().Get(ctx, o.User, o.ID); return err },
		"List":   func(ctx context.Context, s *Store) error { _, err := s.Sessions().List(ctx, o.User); return err },
		"Revoke": func(ctx context.Context, s *Store) error { return s.Sessions().Revoke(ctx, o.User, o.ID, now) },
		"RevokeAll": func(ctx context.Context, s *Store) error {
			_, err := s.Sessions().RevokeAll(ctx, o.User, "", now)
			return err
		},
		"Prune":   func(ctx context.Context, s *Store) error { _, err := s.Sessions().Prune(ctx, now); return err },
		"Publish": func(ctx context.Context, s *Store) error { return s.Publish(ctx, "x") },
		"Ready":   func(ctx context.Context, s *Store) error { return s.Ready(ctx) },
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
			for what, f := range calls(login("u", 1), t0) {
				if err := f(ctx, s); !errors.Is(err, context.Canceled) {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
}

// Redis is killed and restarted under a watch, and forgets nothing.
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
// It ends old ones all the same, and the stream stays up.
func TestFull(t *testing.T) {
	t.Parallel()
	server := must(redistest.Start(redistest.Config{Settings: []string{"maxmemory 5mb", "maxmemory-policy noeviction"}}))(t)
	t.Cleanup(func() { server.Close() })
	client := server.Client(t)
	s := open(t, client)
	o := login("u", 1)
	begin(t, s, o)
	l := watch(t, s)
	l.alive(t)
	for n, size := 0, 1<<20; size > 0; {
		if err := client.Set(t.Context(), fmt.Sprint("filler", n), strings.Repeat("x", size), time.Hour).Err(); err != nil {
			size /= 2
		}
		n++
	}
	if err := s.Sessions().Create(t.Context(), login("u", 2)); err == nil || errors.Is(err, store.ErrConflict) {
		t.Errorf("a new session: %v, want an error", err)
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
	for _, e := range l.all() {
		if e.call == "end" {
			t.Errorf("the watch has ended: %v", e.err)
		}
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

// Rights that are too few are told, and those in the documentation are enough.
func TestRights(t *testing.T) {
	t.Parallel()
	server := must(redistest.Start(redistest.Config{}))(t)
	t.Cleanup(func() { server.Close() })
	rights := "~tollgate:* &tollgate:* +@read +@write +@pubsub +@scripting +@connection +time +wait"
	admin := server.Client(t)
	for user, rules := range map[string]string{"enough": rights, "readonly": strings.Replace(rights, "+@write", "-@write", 1)} {
		args := []any{"acl", "setuser", user, "on", ">secret"}
		for rule := range strings.FieldsSeq(rules) {
			args = append(args, rule)
		}
		if err := admin.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
		o := server.Options()
		o.Username, o.Password = user, "secret"
		client := redis.NewClient(o)
		t.Cleanup(func() { client.Close() })
		s := open(t, client, func(c *Config) { c.Prefix = "" })
		if user == "enough" {
			everything(t, s)
			continue
		}
		if err := s.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "NOPERM") {
			t.Errorf("without the right to write: %v", err)
		}
		if err := s.Sessions().Create(t.Context(), login("u", 1)); err == nil || errors.Is(err, store.ErrConflict) {
			t.Errorf("without the right to write: %v", err)
		}
	}
}

// Without the replicas asked for a revocation is not acknowledged, though it
// holds as long as the master does.
func TestTooFewReplicas(t *testing.T) {
	t.Parallel()
	s := open(t, must(alone())(t).Client(t), func(c *Config) { c.Replicas = 1 })
	o := login("u", 1)
	begin(t, s, o)
	if err := s.Sessions().Revoke(t.Context(), "u", o.ID, t0); !errors.Is(err, errReplicas) {
		t.Errorf("Revoke: %v, want errReplicas", err)
	}
	if got, err := s.Sessions().Find(t.Context(), o.Digest); err != nil || !got.Revoked.Equal(t0) {
		t.Errorf("revoked at %v, error %v", got.Revoked, err)
	}
	for _, enough := range backends[2:] {
		s := open(t, enough.client(t), func(c *Config) { c.Replicas = 1 })
		begin(t, s, o)
		if n, err := s.Sessions().RevokeAll(t.Context(), "u", "", t0); n != 1 || err != nil {
			t.Errorf("%s: RevokeAll: %d, %v", enough.name, n, err)
		}
		if err := s.Sessions().Revoke(t.Context(), "u", "ses_none", t0); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: Revoke of nothing: %v", enough.name, err)
		}
	}
}

// Toil is a loop of log-ins and log-outs, and what became of them.
type toil struct {
	s    *Store
	stop context.CancelFunc
	done sync.WaitGroup

	mu    sync.Mutex
	ended map[string]time.Time // by id: when its revocation was acknowledged
	last  []store.Session      // those, in order
}

// work begins toil, which ends with audit.
func work(t *testing.T, s *Store) *toil {
	ctx, stop := context.WithCancel(t.Context())
	w := &toil{s: s, stop: stop, ended: map[string]time.Time{}}
	t.Cleanup(func() { stop(); w.done.Wait() })
	w.done.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			o := login(fmt.Sprint("worker", n%50), 1000+n)
			if err := w.brief(ctx, func(ctx context.Context) error { return s.Sessions().Create(ctx, o) }); err != nil {
				if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) {
					t.Errorf("Create: %v", err)
				}
				continue
			}
			if err := w.brief(ctx, func(ctx context.Context) error { return s.Sessions().Revoke(ctx, o.User, o.ID, t0) }); err == nil {
				w.mu.Lock()
				w.ended[o.ID] = time.Now()
				w.last = append(w.last, o)
				w.mu.Unlock()
			}
		}
	})
	return w
}

// brief gives a call the time that a request has.
func (w *toil) brief(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	return f(ctx)
}

// count returns how many revocations were acknowledged.
func (w *toil) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.last)
}

// audit ends the toil. It reports every sign of life that covers a revocation
// of which its watcher had heard nothing, and every acknowledged revocation
// that does not hold.
func (w *toil) audit(t *testing.T, l *ledger) {
	t.Helper()
	l.alive(t)
	w.stop()
	w.done.Wait()
	if len(w.last) < 10 {
		t.Errorf("%d sessions were revoked: this shows nothing", len(w.last))
	}
	heard := map[string]bool{}
	var gap time.Time // the newest
	for _, e := range l.all() {
		switch e.call {
		case "Gap":
			gap = e.heard
		case "Forget":
			heard[e.id] = true
		case "Alive":
			for id, at := range w.ended {
				switch {
				case !at.Before(e.at):
				case heard[id] || at.Before(gap):
					delete(w.ended, id) // reported
				default:
					t.Errorf("Alive(%v) covers %s, revoked %v before and not reported", e.at, id, e.at.Sub(at))
				}
			}
		}
	}
	for _, o := range w.last {
		if got, err := w.s.Sessions().Find(t.Context(), o.Digest); err != nil || got.Revoked.IsZero() {
			t.Errorf("%s was revoked, and now: revoked at %v, error %v", o.ID, got.Revoked, err)
		}
	}
	t.Logf("%d revocations", len(w.last))
}

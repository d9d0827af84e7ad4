package redisstore

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"medtwin.ai/tollgate/store"
)

// Two stores with clients of their own stand for two processes.
// case K11, for a change by another process
func TestChangesOfAnotherStore(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			a := open(t, b.client(t))
			other := open(t, b.client(t), func(c *Config) { c.Prefix = string(a.names) })
			l := watch(t, other)
			for n := range 20 { // on all servers of a cluster
				o := login(string(rune('a'+n)), 1)
				begin(t, a, o)
				if err := a.Sessions().Revoke(t.Context(), o.User, o.ID, t0); err != nil {
					t.Fatal(err)
				}
				l.forgets(t, o.ID)
				if got, err := other.Sessions().Find(t.Context(), o.Digest); err != nil || got.Revoked.IsZero() {
					t.Errorf("the other store reads a session revoked at %v, error %v", got.Revoked, err)
				}
			}
			if err := a.Publish(t.Context(), "user_1", "user_2"); err != nil {
				t.Fatal(err)
			}
			l.forgets(t, "user_1")
			l.forgets(t, "user_2")
			if err := a.Ready(t.Context()); err != nil {
				t.Errorf("not ready: %v", err)
			}
			for _, e := range l.all()[1:] {
				if e.call == "Gap" || e.call == "end" {
					t.Errorf("a watch without a loss: %s %v", e.call, e.err)
				}
			}
		})
	}
}

// Stores with different prefixes do not hear of each other.
func TestPrefixesAreApart(t *testing.T) {
	client := small(t, miniredis.RunT(t))
	a, b := open(t, client), open(t, client)
	l := watch(t, b)
	begin(t, a, login("u", 1))
	begin(t, b, login("u", 2))
	l.forgets(t, login("u", 2).ID)
	for _, e := range l.all() {
		if e.id == login("u", 1).ID {
			t.Error("a store hears of the other's sessions")
		}
	}
	if _, err := b.Sessions().Find(t.Context(), login("u", 1).Digest); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a store finds the other's session: %v", err)
	}
	if n, err := b.Sessions().Prune(t.Context(), t0.AddDate(1, 0, 0), 1000); n != 1 || err != nil {
		t.Errorf("%d pruned, error %v", n, err)
	}
}

// An operator who changes Redis by hand can say so. Every node notices that the
// database was emptied, even if a node that has just come noticed it first.
// case K11, for changes by hand
func TestChangesByHand(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			client := b.client(t)
			s := open(t, client)
			again := open(t, client, func(c *Config) { c.Prefix = string(s.names) })
			heard := []*ledger{watch(t, s), watch(t, again)}
			gap := func(what string, f func() error) {
				t.Helper()
				n := []int{len(heard[0].all()), len(heard[1].all())}
				if err := f(); err != nil {
					t.Fatal(err)
				}
				for i, l := range heard {
					n[i] = l.hear(t, "Gap after "+what, n[i], func(e event) bool { return e.call == "Gap" })
				}
				if what == "an empty database" { // there was nothing to write to, so nobody has proved anything
					for i, l := range heard {
						n := l.hear(t, "Alive after "+what, n[i], func(e event) bool { return e.call == "Alive" })
						if all := l.all(); all[n-1].at.Before(all[n-2].heard) {
							t.Errorf("Alive of %v before the Gap", all[n-2].heard.Sub(all[n-1].at))
						}
					}
				}
			}
			gap("an empty message", func() error { return client.Publish(t.Context(), s.names.changes(), "").Err() })
			gap("an empty database", func() error {
				masters, err := s.masters(t.Context())
				for _, m := range masters {
					err = errors.Join(err, m.node.Del(t.Context(), m.witness).Err()) // as FLUSHALL would
				}
				return errors.Join(err, tuned(t, again))
			})
			for _, l := range heard {
				l.alive(t)
				for _, e := range l.all() {
					if e.call == "end" {
						t.Errorf("the watch has ended: %v", e.err)
					}
				}
			}
		})
	}
}

// tuned begins a stream, and no more of it.
func tuned(t *testing.T, s *Store) error {
	t.Helper()
	stream := &stream{store: s, w: newLedger()}
	defer stream.hangUp()
	return stream.tune(t.Context())
}

// A subscription that hangs half-open keeps nothing alive, though Redis is
// well and every message is sent.
// case K9, for the stream
func TestHalfOpen(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			w := &wires{}
			s := open(t, b.client(t, w))
			l := watch(t, s)
			l.alive(t)
			w.mute.Store(true)
			cut := time.Now()
			begin(t, s, login("u", 1)) // Redis is well
			if err := l.end(t, 0); !errors.Is(err, errDeaf) {
				t.Errorf("the watch ends with %v, want errDeaf", err)
			}
			l.dead(t, cut, time.Now())
			n := len(l.all())
			w.mute.Store(false)
			l.hear(t, "Gap", n, func(e event) bool { return e.call == "Gap" })
			l.alive(t)
		})
	}
}

// A subscription at a replica hears what its master says, but not all of it
// when that is replaced: it keeps nothing alive either.
func TestListenerAtReplica(t *testing.T) {
	pair := must(sentinel())(t)
	s := open(t, pair.Client(t))
	l := newLedger()
	stream := &stream{store: s, w: l}
	e := &listener{stream: stream, master: must(s.masters(t.Context()))(t)[0], beat: s.names.beat("x")}
	e.sub = pair.Replica.Client(t).Subscribe(t.Context(), e.beat)
	defer e.sub.Close()
	if _, err := e.sub.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := e.echo(ctx); !errors.Is(err, errAway) {
		t.Errorf("%v, want errAway", err)
	}
	got, err := e.sub.ReceiveTimeout(t.Context(), soon) // it does hear
	if m, ok := got.(*redis.Message); !ok || m.Payload != e.await {
		t.Errorf("the replica says %v, error %v", got, err)
	}
}

// A driver that subscribes again on another connection, and says nothing of
// it, has lost what was said in between.
func TestSubscribedAgain(t *testing.T) {
	s := open(t, small(t, miniredis.RunT(t)))
	stream := &stream{store: s, w: newLedger()}
	t.Cleanup(stream.hangUp)
	if err := stream.tune(t.Context()); err != nil {
		t.Fatal(err)
	}
	e := stream.listeners[0]
	if err := e.sub.Subscribe(t.Context(), s.names.changes()); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- e.listen(t.Context()) }()
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(err.Error(), "the subscription was lost") {
			t.Errorf("it ends with %v", err)
		}
	case <-time.After(soon):
		t.Error("it goes on")
	}
}

// A client that may publish can say anything on any channel at any time. The
// worst that it can do is to have something forgotten.
func TestJunk(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			s, l := open(t, b.client(t)), newLedger()
			stream := &stream{store: s, w: l}
			defer stream.hangUp()
			if err := stream.tune(t.Context()); err != nil {
				t.Fatal(err)
			}
			junk := []string{"", "", "x", "user_1", strings.Repeat("A", 26), "\x00", "\xff", strings.Repeat("long", 10_000)}
			litter := func(ctx context.Context) {
				for _, e := range stream.listeners {
					node := e.master.node
					channels, err := node.PubSubChannels(ctx, string(s.names)+"*").Result()
					if ctx.Err() == nil && (err != nil || len(channels) < 2) {
						t.Errorf("the channels are %q, error %v", channels, err)
					}
					for _, channel := range channels {
						for _, message := range junk {
							node.Publish(ctx, channel, message)
						}
					}
				}
			}
			litter(t.Context()) // before the first heartbeat
			var running sync.WaitGroup
			for _, e := range stream.listeners {
				running.Go(func() { _ = e.listen(t.Context()) })
			}
			defer running.Wait()
			defer stream.hangUp()
			ctx, stop := context.WithCancel(t.Context())
			running.Go(func() {
				for ctx.Err() == nil { // during them
					litter(ctx)
				}
			})
			defer stop()
			echo := func() {
				t.Helper()
				if _, err := stream.echo(t.Context()); err != nil {
					t.Fatalf("a heartbeat: %v", err)
				}
			}
			echo()
			stream.gap(true)
			for range 5 {
				litter(t.Context()) // between two
				echo()
			}
			l.forgets(t, "user_1")
			n := len(l.all())
			if err := s.Publish(t.Context(), "user_2"); err != nil {
				t.Fatal(err)
			}
			echo()
			l.hear(t, "a change", n, func(e event) bool { return e.id == "user_2" })
		})
	}
}

// A master that the stream does not hear ends it.
func TestNewMaster(t *testing.T) {
	s := open(t, must(cluster())(t).Client(t))
	stream := &stream{store: s}
	for n, m := range must(s.masters(t.Context()))(t) {
		if err := stream.moved(t.Context()); !errors.Is(err, errMoved) {
			t.Errorf("of three masters %d are heard: %v, want errMoved", n, err)
		}
		stream.listeners = append(stream.listeners, &listener{master: m})
	}
	if err := stream.moved(t.Context()); len(stream.listeners) != 3 || err != nil {
		t.Errorf("all of %d masters are heard: %v", len(stream.listeners), err)
	}
}

// Watch ends with its context wherever that finds it.
func TestWatchEnds(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			s := open(t, b.client(t))
			done, cancel := context.WithCancel(t.Context())
			cancel()
			if err := s.Watch(done, newLedger()); !errors.Is(err, context.Canceled) {
				t.Errorf("a watch without time: %v", err)
			}
			for n := range 10 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n)*5*time.Millisecond)
				if err := s.Watch(ctx, newLedger()); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("a watch of %d ms: %v", 5*n, err)
				}
				cancel()
			}
		})
	}
}

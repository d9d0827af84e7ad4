package redisstore

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"medtwin.ai/tollgate/adapters/redisstore/redistest"
	"medtwin.ai/tollgate/store"
)

// A node that reads too slowly loses its subscription to Redis, which drops
// what piles up: it keeps nothing alive until it has forgotten all.
func TestOverflow(t *testing.T) {
	t.Parallel()
	server := must(redistest.Start(redistest.Config{Settings: []string{"client-output-buffer-limit pubsub 256kb 128kb 1"}}))(t)
	t.Cleanup(func() { server.Close() })
	o, w := server.Options(), &wires{}
	o.Dialer = w.dial
	a := open(t, server.Client(t))
	slow := open(t, closing(t, redis.NewClient(o)), func(c *Config) { c.Prefix, c.Heartbeat = string(a.names), 200*time.Millisecond })
	l := watch(t, slow)
	l.alive(t)
	toil := work(t, a)
	poll(t, "no session was revoked", func() bool { return toil.count() > 100 })
	w.slow.Store(true)
	from := time.Now()
	ids := make([]string, 3000)
	for n := range ids { // more than sockets hold
		ids[n] = fmt.Sprintf("ses_%0*d", 10_000, n)
	}
	if err := a.Publish(t.Context(), ids...); err != nil {
		t.Fatal(err)
	}
	poll(t, "Redis has not dropped the subscription", func() bool {
		return a.client.PubSubNumSub(t.Context(), a.names.changes()).Val()[a.names.changes()] == 0
	})
	t.Logf("the watch ended: %v", l.end(t, 0))
	l.dead(t, from.Add(slow.heartbeat), time.Now())
	n := len(l.all())
	w.slow.Store(false)
	l.hear(t, "Gap", n, func(e event) bool { return e.call == "Gap" })
	toil.audit(t, l)
}

// A Redis that has forgotten the scripts is told them again.
func TestScriptsFlushed(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			s := open(t, b.client(t))
			var sessions []store.Session
			for n := range 2 * mostCalls {
				sessions = append(sessions, login(string(rune('a'+n%20)), n))
			}
			begin(t, s, sessions...)
			for at := t0; at.Before(t0.Add(5 * time.Second)); at = at.Add(time.Second) {
				for _, m := range must(s.masters(t.Context()))(t) {
					if err := m.node.ScriptFlush(t.Context()).Err(); err != nil {
						t.Fatal(err)
					}
				}
				uses := make([]store.Use, len(sessions))
				for i, o := range sessions {
					uses[i] = store.Use{ID: o.ID, At: at}
				}
				if err := s.Sessions().Touch(t.Context(), uses); err != nil {
					t.Fatal(err)
				}
				for _, o := range sessions {
					if got, err := s.Sessions().Get(t.Context(), o.User, o.ID); err != nil || !got.Seen.Equal(at) {
						t.Fatalf("%s was seen at %v, error %v; want %v", o.ID, got.Seen, err, at)
					}
				}
			}
		})
	}
}

// A Redis that reads its data after a restart has not lost a session, though it
// does not know one yet.
func TestLoading(t *testing.T) {
	t.Parallel()
	server := must(redistest.Start(redistest.Config{Durable: true, Settings: []string{"key-load-delay 500"}}))(t) // µs
	t.Cleanup(func() { server.Close() })
	client := server.Client(t)
	s := open(t, client)
	begin(t, s, login("u", 1))
	pipe := client.Pipeline()
	for n := range 4000 {
		pipe.Set(t.Context(), fmt.Sprint("filler", n), "x", time.Hour)
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	up := make(chan error, 1)
	go func() { up <- server.Restart() }()
	once := server.Options()
	once.MaxRetries = -1
	asking := closing(t, redis.NewClient(once))
	poll(t, "it was never loading", func() bool {
		err := asking.Get(t.Context(), "x").Err()
		return err != nil && strings.HasPrefix(err.Error(), "LOADING")
	})
	outage(t, s)
	if err := <-up; err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sessions().Find(t.Context(), login("u", 1).Digest); err != nil {
		t.Errorf("after that: %v", err)
	}
}

// A Redis with too little memory may evict anything. A session that is still
// found is also still listed, so ending all sessions of its user ends it.
func TestEvicting(t *testing.T) {
	t.Parallel()
	server := must(redistest.Start(redistest.Config{Settings: []string{"maxmemory 2mb", "maxmemory-policy allkeys-lru"}}))(t)
	t.Cleanup(func() { server.Close() })
	s := open(t, server.Client(t))
	var sessions []store.Session
	for n := range 3000 {
		sessions = append(sessions, login(fmt.Sprint("u", n/10), n))
	}
	begin(t, s, sessions...)
	found := 0
	for _, o := range sessions {
		switch got, err := s.Sessions().Find(t.Context(), o.Digest); {
		case err == nil:
			found++
			if n, err := s.Sessions().RevokeAll(t.Context(), o.User, "", t0); err != nil || n == 0 && got.Revoked.IsZero() {
				t.Fatalf("%s is found, and of the user's sessions %d end, error %v", o.ID, n, err)
			}
			if got, err := s.Sessions().Find(t.Context(), o.Digest); err == nil && got.Revoked.IsZero() {
				t.Fatalf("%s is found after all of its user's have ended", o.ID)
			}
		case !errors.Is(err, store.ErrNotFound):
			t.Fatal(err)
		}
	}
	if found == 0 || found == len(sessions) {
		t.Errorf("of %d sessions %d are left: this shows nothing", len(sessions), found)
	}
	watch(t, s).alive(t)
}

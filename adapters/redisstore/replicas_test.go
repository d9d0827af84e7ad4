package redisstore

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate/adapters/redisstore/redistest"
	"medtwin.ai/tollgate/store"
)

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

// pair starts a master, and a replica that nobody guards.
func pair(t *testing.T) (master, replica *redistest.Server) {
	t.Helper()
	master = must(redistest.Start(redistest.Config{}))(t)
	t.Cleanup(func() { master.Close() })
	o := master.Options()
	host, port, _ := net.SplitHostPort(o.Addr)
	replica = must(redistest.Start(redistest.Config{Settings: []string{
		fmt.Sprintf("replicaof %s %s", host, port), "masterauth " + o.Password,
	}}))(t)
	t.Cleanup(func() { replica.Close() })
	c := master.Client(t)
	poll(t, "the replica does not follow", func() bool {
		return c.Do(t.Context(), "wait", 1, 100).Val() == int64(1)
	})
	return master, replica
}

// A caller who tries again must wait as well, though there is nothing left to do.
func TestTriedAgain(t *testing.T) {
	t.Parallel()
	master, replica := pair(t)
	s := open(t, master.Client(t), func(c *Config) { c.Replicas = 1 })
	o := login("u", 1)
	begin(t, s, o)
	if err := replica.Pause(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s := open(t, master.Client(t), func(c *Config) { c.Prefix, c.Replicas = string(s.names), 1 }) // on another connection
		if err := s.Sessions().Revoke(t.Context(), "u", o.ID, t0); !errors.Is(err, errReplicas) {
			t.Errorf("Revoke: %v, want errReplicas", err)
		}
		if _, err := s.Sessions().RevokeAll(t.Context(), "u", "", t0); !errors.Is(err, errReplicas) {
			t.Errorf("RevokeAll: %v, want errReplicas", err)
		}
	}
	if err := replica.Resume(); err != nil {
		t.Fatal(err)
	}
	poll(t, "it does not succeed", func() bool { return s.Sessions().Revoke(t.Context(), "u", o.ID, t0) == nil })
	behind := open(t, replica.Client(t), func(c *Config) { c.Prefix = string(s.names) })
	if got, err := behind.Sessions().Get(t.Context(), "u", o.ID); err != nil || !got.Revoked.Equal(t0) {
		t.Errorf("the replica has it revoked at %v, error %v", got.Revoked, err)
	}
}

// A master that was replaced, and does not know it, has lost its replica to
// the new one: where that is minded, it keeps nothing alive.
func TestReplacedMaster(t *testing.T) {
	t.Parallel()
	master, replica := pair(t)
	s := open(t, master.Client(t), func(c *Config) { c.Replicas, c.Heartbeat = 1, 300*time.Millisecond })
	l := watch(t, s)
	l.alive(t)
	if err := replica.Client(t).SlaveOf(t.Context(), "no", "one").Err(); err != nil {
		t.Fatal(err)
	}
	replaced := time.Now()
	if err := l.end(t, 0); !errors.Is(err, errReplicas) {
		t.Errorf("the watch ends with %v, want errReplicas", err)
	}
	if err := s.Ready(t.Context()); err != nil { // or the loss of a replica would stop the fleet
		t.Errorf("not ready: %v", err)
	}
	if err := s.Publish(t.Context(), "user_1"); !errors.Is(err, errReplicas) {
		t.Errorf("Publish: %v, want errReplicas", err)
	}
	l.dead(t, replaced, time.Now())
}

// A replica that is taken for a master is found out, and writes nothing.
func TestReplica(t *testing.T) {
	t.Parallel()
	master, replica := pair(t)
	s := open(t, master.Client(t))
	o := login("u", 1)
	begin(t, s, o)
	if n := s.client.Do(t.Context(), "wait", 1, soon.Milliseconds()).Val(); n != int64(1) {
		t.Fatalf("%v replicas have the session", n)
	}
	wrong := open(t, replica.Client(t), func(c *Config) { c.Prefix = string(s.names) })
	for _, tt := range []struct {
		what string
		err  error
	}{
		{"Ready", wrong.Ready(t.Context())},
		{"Create", wrong.Sessions().Create(t.Context(), login("u", 2))},
		{"Revoke", wrong.Sessions().Revoke(t.Context(), "u", o.ID, t0)},
		{"Publish", wrong.Publish(t.Context(), "user_1")},
		{"Watch", wrong.Watch(t.Context(), newLedger())},
	} {
		if tt.err == nil || !strings.Contains(tt.err.Error(), "READONLY") {
			t.Errorf("%s: %v, want READONLY", tt.what, tt.err)
		}
	}
}

package redisstore

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"medtwin.ai/tollgate/adapters/redisstore/redistest"
	"medtwin.ai/tollgate/store"
)

// The master is killed while sessions begin and end, and Sentinel puts the
// replica in its place. Sessions that the replica has go on, no revocation that
// was acknowledged is lost, and none is missed by the stream.
func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	for _, tt := range failures {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pair := must(redistest.StartSentinel(redistest.Config{Down: time.Second}))(t)
			t.Cleanup(func() { pair.Close() })
			o := pair.Options()
			o.DialTimeout = 300 * time.Millisecond
			client := redis.NewFailoverClient(o)
			t.Cleanup(func() { client.Close() })
			failover(t, client, pair.Master, tt)
		})
	}
}

// Likewise in a cluster, where one of three masters goes.
func TestClusterFailover(t *testing.T) {
	t.Parallel()
	for _, tt := range failures {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cl := must(redistest.StartCluster(redistest.Config{Down: time.Second}))(t)
			t.Cleanup(func() { cl.Close() })
			failover(t, cl.Client(t), cl.Masters[1], tt)
		})
	}
}

// A failure is how a master goes, and how it comes back, if it does, before it
// knows that it is no longer a master.
type failure struct {
	name           string
	fail, comeBack func(*redistest.Server) error
}

var failures = []failure{
	{name: "killed", fail: (*redistest.Server).Kill},
	{"hung", (*redistest.Server).Pause, (*redistest.Server).Resume},
}

// failover makes a master fail under load.
func failover(t *testing.T, client redis.UniversalClient, master *redistest.Server, f failure) {
	s := open(t, client, func(c *Config) { c.Replicas = 1 })
	var steady []store.Session
	for n := range 30 { // on all servers of a cluster
		steady = append(steady, login(string(rune('a'+n)), 0))
	}
	begin(t, s, steady...)
	for _, o := range steady { // whatever was written before a revocation, its replicas have too
		o.ID, o.Digest.Sum = o.ID+"x", [32]byte{o.User[0]}
		begin(t, s, o)
		if err := s.Sessions().Revoke(t.Context(), o.User, o.ID, t0); err != nil {
			t.Fatal(err)
		}
	}
	l := watch(t, open(t, client, func(c *Config) { c.Prefix = string(s.names) })) // whose heartbeats need no replica
	w := work(t, s)
	poll(t, "no session was revoked", func() bool { return w.count() > 100 })
	if err := f.fail(master); err != nil {
		t.Fatal(err)
	}
	failed, n := time.Now(), len(l.all())
	outages := 0
	back := func() bool {
		answered := true
		for _, o := range steady {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			_, err := s.Sessions().Find(ctx, o.Digest)
			cancel()
			if errors.Is(err, store.ErrNotFound) {
				t.Fatalf("%v after the failure a session is not found", time.Since(failed))
			}
			if err != nil {
				outages++
				answered = false
				break
			}
		}
		return answered
	}
	poll(t, "no failure was seen", func() bool { back(); return outages > 0 })
	poll(t, "the store did not come back", back)
	t.Logf("back after %v, %d answers of outage", time.Since(failed).Round(time.Millisecond), outages)
	err := l.end(t, max(0, n-1))
	t.Logf("the watch ended: %v", err)
	l.hear(t, "Gap", n, func(e event) bool { return e.call == "Gap" })
	l.alive(t)
	if f.comeBack != nil {
		if err := f.comeBack(master); err != nil {
			t.Fatal(err)
		}
		at := w.count()
		poll(t, "no session is revoked any more", func() bool { return w.count() > at+500 })
	}
	w.audit(t, l)
}

// A replica takes over though its master is well: where nobody notices, a
// subscription at the old master hears of nothing any more.
func TestHandover(t *testing.T) {
	t.Parallel()
	t.Run("sentinel", func(t *testing.T) {
		t.Parallel()
		pair := must(redistest.StartSentinel(redistest.Config{}))(t)
		t.Cleanup(func() { pair.Close() })
		guard := redis.NewSentinelClient(&redis.Options{Addr: pair.Addrs()[0], Password: pair.Password()})
		t.Cleanup(func() { guard.Close() })
		handover(t, pair.Client(t), func() error { return guard.Failover(t.Context(), redistest.MasterName).Err() })
	})
	t.Run("cluster", func(t *testing.T) {
		t.Parallel()
		cl := must(redistest.StartCluster(redistest.Config{}))(t)
		t.Cleanup(func() { cl.Close() })
		handover(t, cl.Client(t), func() error { return cl.Replicas[2].Client(t).ClusterFailover(t.Context()).Err() })
	})
}

func handover(t *testing.T, client redis.UniversalClient, begin func() error) {
	s := open(t, client)
	l := watch(t, s)
	l.alive(t)
	w := work(t, s)
	poll(t, "no session was revoked", func() bool { return w.count() > 100 })
	n := len(l.all())
	if err := begin(); err != nil {
		t.Fatal(err)
	}
	t.Logf("the watch ended: %v", l.end(t, n))
	l.hear(t, "Gap", n, func(e event) bool { return e.call == "Gap" })
	l.alive(t)
	at := w.count()
	poll(t, "no session is revoked any more", func() bool { return w.count() > at+100 })
	w.stop()
	w.done.Wait()
}

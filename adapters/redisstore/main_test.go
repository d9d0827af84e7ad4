package redisstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"medtwin.ai/tollgate/adapters/redisstore/redistest"
)

// The servers that tests share which do them no harm. Each is started by the
// first that asks for it.
var (
	tiny     = sync.OnceValues(func() (*miniature, error) { return shared(startMiniature()) })
	alone    = sync.OnceValues(func() (*redistest.Server, error) { return shared(redistest.Start(redistest.Config{})) })
	sentinel = sync.OnceValues(func() (*redistest.Sentinel, error) { return shared(redistest.StartSentinel(redistest.Config{})) })
	cluster  = sync.OnceValues(func() (*redistest.Cluster, error) { return shared(redistest.StartCluster(redistest.Config{})) })

	mu      sync.Mutex
	started []interface {
		Leaks() error
		Close() error
	}
)

func shared[S interface {
	Leaks() error
	Close() error
}](s S, err error) (S, error) {
	if err == nil {
		mu.Lock()
		defer mu.Unlock()
		started = append(started, s)
	}
	return s, err
}

// quiet keeps the driver from writing of every connection that a test cuts.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

func TestMain(m *testing.M) {
	redis.SetLogger(quiet{})
	if how := os.Getenv(victim); how != "" {
		fmt.Fprintln(os.Stderr, suffer(how))
		os.Exit(1)
	}
	code := m.Run()
	for _, s := range started {
		if err := errors.Join(s.Leaks(), s.Close()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

func must[T any](v T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// A miniature is a miniredis.
type miniature struct{ *miniredis.Miniredis }

func startMiniature() (*miniature, error) {
	m := miniredis.NewMiniRedis()
	return &miniature{m}, m.Start()
}

// Leaks returns an error that names what redistest's would name.
func (m *miniature) Leaks() error {
	var errs []error
	for _, key := range m.Keys() {
		if m.TTL(key) == 0 {
			errs = append(errs, fmt.Errorf("miniredis: left behind without an expiry: %q", key))
		}
	}
	if n := m.CurrentConnectionCount(); n > 0 {
		errs = append(errs, fmt.Errorf("miniredis: left behind: %d connections", n))
	}
	return errors.Join(errs...)
}

func (m *miniature) Close() error { m.Miniredis.Close(); return nil }

// backends are the kinds of Redis that every rule is checked on, each with a
// new client, on wires of its own where some are given.
var backends = []struct {
	name   string
	client func(t testing.TB, w ...*wires) redis.UniversalClient
}{
	{"miniredis", func(t testing.TB, w ...*wires) redis.UniversalClient {
		return small(t, must(tiny())(t).Miniredis, w...)
	}},
	{"alone", func(t testing.TB, w ...*wires) redis.UniversalClient {
		o := must(alone())(t).Options()
		o.Dialer = dialer(w)
		return closing(t, redis.NewClient(o))
	}},
	{"sentinel", func(t testing.TB, w ...*wires) redis.UniversalClient {
		o := must(sentinel())(t).Options()
		o.Dialer = dialer(w)
		return closing(t, redis.NewFailoverClient(o))
	}},
	{"cluster", func(t testing.TB, w ...*wires) redis.UniversalClient {
		o := must(cluster())(t).Options()
		o.Dialer = dialer(w)
		return closing(t, redis.NewClusterClient(o))
	}},
}

// small returns a client of a miniredis.
func small(t testing.TB, m *miniredis.Miniredis, w ...*wires) *redis.Client {
	return closing(t, redis.NewClient(&redis.Options{Addr: m.Addr(), ContextTimeoutEnabled: true, Dialer: dialer(w)}))
}

// closing closes a client when the test ends.
func closing[C redis.UniversalClient](t testing.TB, client C) C {
	t.Cleanup(func() { client.Close() })
	return client
}

var opened atomic.Int64

// open returns a store that has a prefix of its own, and a short heartbeat.
func open(t testing.TB, client redis.UniversalClient, change ...func(*Config)) *Store {
	t.Helper()
	c := Config{Client: client, Prefix: fmt.Sprintf("test%d:", opened.Add(1)), Heartbeat: 50 * time.Millisecond}
	for _, f := range change {
		f(&c)
	}
	return must(New(c))(t)
}

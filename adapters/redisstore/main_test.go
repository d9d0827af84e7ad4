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

// backends are the kinds of Redis that every rule is checked on, each with a
// new client.
var backends = []struct {
	name   string
	client func(t testing.TB) redis.UniversalClient
}{
	{"miniredis", func(t testing.TB) redis.UniversalClient { return small(t, miniredis.RunT(t)) }},
	{"alone", func(t testing.TB) redis.UniversalClient { return must(alone())(t).Client(t) }},
	{"sentinel", func(t testing.TB) redis.UniversalClient { return must(sentinel())(t).Client(t) }},
	{"cluster", func(t testing.TB) redis.UniversalClient { return must(cluster())(t).Client(t) }},
}

// small returns a client of a miniredis.
func small(t testing.TB, m *miniredis.Miniredis) *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: m.Addr(), ContextTimeoutEnabled: true})
	t.Cleanup(func() { c.Close() })
	return c
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

package redisstore

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"medtwin.ai/tollgate/store"
)

// callers makes b.N calls, so many at a time.
func callers(b *testing.B, n int, f func(i int) error) {
	b.Helper()
	var next atomic.Int64
	var calling sync.WaitGroup
	for range n {
		calling.Go(func() {
			for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
				if err := f(int(i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	calling.Wait()
}

// BenchmarkCalls is what a log-in costs, a request whose session is not cached,
// a use and a log-out, beside the least that go-redis and Redis can do: to read
// a hash of the same size.
func BenchmarkCalls(b *testing.B) {
	user := func(i int) string { return fmt.Sprintf("user_%06d", i/10) }
	for _, kind := range backends[1:] {
		if kind.name == "sentinel" {
			continue // is one alone
		}
		client := kind.client(b)
		for _, n := range []int{1, 8, 16} {
			s := open(b, client) // where there are b.N sessions
			create := func(i int) error { return s.Sessions().Create(b.Context(), login(user(i), i)) }
			for _, tt := range []struct {
				name string
				call func(i int) error
			}{
				{"hgetall", func(i int) error {
					return client.HGetAll(b.Context(), s.names.session(user(i), login(user(i), i).ID)).Err()
				}},
				{"create", create},
				{"find", func(i int) error { _, err := s.Sessions().Find(b.Context(), login(user(i), i).Digest); return err }},
				{"touch", func(i int) error {
					return s.Sessions().Touch(b.Context(), []store.Use{{ID: login(user(i), i).ID, At: t0}})
				}},
				{"revoke", func(i int) error { return s.Sessions().Revoke(b.Context(), user(i), login(user(i), i).ID, t0) }},
			} {
				b.Run(fmt.Sprintf("%s/callers=%d/%s", kind.name, n, tt.name), func(b *testing.B) {
					s = open(b, client)
					if tt.name != "create" {
						callers(b, 16, create)
					}
					b.ResetTimer()
					callers(b, n, tt.call)
					b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
				})
			}
		}
	}
}

// BenchmarkTouch is the flush of a thousand uses.
func BenchmarkTouch(b *testing.B) {
	for _, kind := range backends[1:] {
		if kind.name == "sentinel" {
			continue
		}
		b.Run(kind.name, func(b *testing.B) {
			s := open(b, kind.client(b))
			uses := make([]store.Use, 1000)
			for i := range uses {
				begin(b, s, login("u", i))
			}
			for at := t0; b.Loop(); at = at.Add(time.Second) {
				for i := range uses {
					uses[i] = store.Use{ID: login("u", i).ID, At: at}
				}
				if err := s.Sessions().Touch(b.Context(), uses); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(uses)), "ns/use")
		})
	}
}

// BenchmarkLasting is a log-out that waits for a replica.
func BenchmarkLasting(b *testing.B) {
	for _, kind := range backends[2:] {
		b.Run(kind.name, func(b *testing.B) {
			s := open(b, kind.client(b), func(c *Config) { c.Replicas = 1 })
			callers(b, 16, func(i int) error { return s.Sessions().Create(b.Context(), login("u", i)) })
			b.ResetTimer()
			callers(b, 1, func(i int) error { return s.Sessions().Revoke(b.Context(), "u", login("u", i).ID, t0) })
		})
	}
}

// BenchmarkHeard is the time from the call of Revoke on one node to the report
// on another.
func BenchmarkHeard(b *testing.B) {
	for _, kind := range backends[1:] {
		b.Run(kind.name, func(b *testing.B) {
			s := open(b, kind.client(b))
			other := open(b, kind.client(b), func(c *Config) { c.Prefix = string(s.names) })
			w := &awaiting{ledger: watch(b, other), heard: make(chan time.Time)}
			ctx, cancel := context.WithCancel(b.Context())
			done := make(chan error, 1)
			go func() { done <- other.Watch(ctx, w) }()
			const batch = 1000
			var took []time.Duration
			for i := 0; b.Loop(); i++ {
				if i%batch == 0 {
					for n := range batch {
						begin(b, s, login(fmt.Sprint("user_", n), i+n))
					}
					w.ledger.alive(b)
				}
				o := login(fmt.Sprint("user_", i%batch), i)
				w.id.Store(&o.ID)
				at := time.Now()
				if err := s.Sessions().Revoke(b.Context(), o.User, o.ID, t0); err != nil {
					b.Fatal(err)
				}
				took = append(took, (<-w.heard).Sub(at))
			}
			cancel()
			<-done
			slices.Sort(took)
			for _, tt := range []struct {
				p    int
				name string
			}{{50, "p50-µs"}, {99, "p99-µs"}, {100, "max-µs"}} {
				b.ReportMetric(float64(took[max(0, len(took)*tt.p/100-1)].Microseconds()), tt.name)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// awaiting says when it hears of one id, once.
type awaiting struct {
	*ledger // of a watch beside, which tells when all is quiet
	id      atomic.Pointer[string]
	heard   chan time.Time
}

func (w *awaiting) Forget(id string) {
	if want := w.id.Load(); want != nil && *want == id && w.id.CompareAndSwap(want, nil) {
		w.heard <- time.Now()
	}
}

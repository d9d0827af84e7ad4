package redisstore

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"medtwin.ai/tollgate/store"
)

const benchSessions = 10_000

// filled is a store with sessions, ten for each user.
func filled(b *testing.B, client redis.UniversalClient) (*Store, []store.Session) {
	b.Helper()
	s := open(b, client)
	list := make([]store.Session, benchSessions)
	for n := range list {
		list[n] = login(fmt.Sprintf("user_%06d", n/10), n)
	}
	begin(b, s, list...)
	return s, list
}

// flights runs f with so many calls in flight.
func flights(b *testing.B, n int, f func(i int) error) {
	b.ReportAllocs()
	b.SetParallelism(max(1, n/runtime.GOMAXPROCS(0)))
	var calls atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := f(int(calls.Add(1))); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}

// BenchmarkFind is what a request costs whose session is not cached, beside
// the least that Redis can do.
func BenchmarkFind(b *testing.B) {
	for _, kind := range backends[1:] {
		if kind.name == "sentinel" {
			continue // is one alone
		}
		client := kind.client(b)
		s, list := filled(b, client)
		for _, n := range []int{2, 64} {
			b.Run(fmt.Sprintf("%s/get/flights=%d", kind.name, n), func(b *testing.B) {
				flights(b, n, func(i int) error {
					return client.Get(b.Context(), s.names.digest(list[i*7919%len(list)].Digest)).Err()
				})
			})
			b.Run(fmt.Sprintf("%s/find/flights=%d", kind.name, n), func(b *testing.B) {
				flights(b, n, func(i int) error {
					_, err := s.Sessions().Find(b.Context(), list[i*7919%len(list)].Digest)
					return err
				})
			})
		}
	}
}

// BenchmarkTouch is the flush of a thousand uses, beside a thousand GETs in
// pipelines of the same length.
func BenchmarkTouch(b *testing.B) {
	for _, kind := range backends[1:] {
		if kind.name == "sentinel" {
			continue
		}
		client := kind.client(b)
		s, list := filled(b, client)
		uses := make([]store.Use, 1000)
		b.Run(kind.name+"/get", func(b *testing.B) {
			for b.Loop() {
				for chunk := range slices.Chunk(list[:len(uses)], mostCalls) {
					pipe := client.Pipeline()
					for _, o := range chunk {
						pipe.Get(b.Context(), s.names.id(o.ID))
					}
					if _, err := pipe.Exec(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(uses)), "ns/key")
		})
		b.Run(kind.name+"/touch", func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				for n := range uses {
					uses[n] = store.Use{ID: list[n].ID, At: t0.Add(time.Duration(i+1) * time.Second)}
				}
				if err := s.Sessions().Touch(b.Context(), uses); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(uses)), "ns/use")
		})
	}
}

// BenchmarkCreate is a log-in, BenchmarkRevoke a log-out with and without a
// replica to wait for.
func BenchmarkCreate(b *testing.B) {
	for _, kind := range backends[1:] {
		b.Run(kind.name, func(b *testing.B) {
			s := open(b, kind.client(b))
			for i := 0; b.Loop(); i++ {
				begin(b, s, login(fmt.Sprint("user_", i%1000), i))
			}
		})
	}
}

func BenchmarkRevoke(b *testing.B) {
	for _, kind := range backends[2:] {
		for _, replicas := range []int{0, 1} {
			b.Run(fmt.Sprintf("%s/replicas=%d", kind.name, replicas), func(b *testing.B) {
				s := open(b, kind.client(b), func(c *Config) { c.Replicas = replicas })
				for i := 0; b.Loop(); i++ {
					o := login(fmt.Sprint("user_", i%1000), i)
					b.StopTimer()
					begin(b, s, o)
					b.StartTimer()
					if err := s.Sessions().Revoke(b.Context(), o.User, o.ID, t0); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
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
			for p, name := range map[int]string{50: "p50-µs", 99: "p99-µs", 100: "max-µs"} {
				b.ReportMetric(float64(took[max(0, len(took)*p/100-1)].Microseconds()), name)
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

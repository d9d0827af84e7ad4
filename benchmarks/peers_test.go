package benchmarks

import (
	"context"
	"testing"
	"time"

	"github.com/sethvargo/go-limiter/memorystore"
	"github.com/ulule/limiter/v3"
	"github.com/ulule/limiter/v3/drivers/store/memory"
)

// A peer builds a limiter in memory of quota requests a minute for up to n
// keys, and returns its decision. All read the clock once per decision.
type peer struct {
	name string
	open func(tb testing.TB, quota int64, n int) (take func(key string) bool)
}

var peers = []peer{
	{"tollgate-2-windows", openTollgate},
	{"ulule-1-window", openUlule},
	{"ulule-2-windows", openUluleTwice},
	{"sethvargo-1-window", openSethvargo},
	{"xtimerate-1-bucket", openTokenBucket},
}

// aDay is a quota for the second window that no benchmark uses up.
const aDay = 1 << 40

func openUlule(tb testing.TB, quota int64, _ int) func(string) bool {
	l := limiter.New(memory.NewStore(), limiter.Rate{Period: time.Minute, Limit: quota})
	return func(key string) bool {
		c, err := l.Get(tb.Context(), key)
		return err == nil && !c.Reached
	}
}

// openUluleTwice gives each window a store of its own, because two windows on
// one store share a counter.
func openUluleTwice(tb testing.TB, quota int64, _ int) func(string) bool {
	minute := limiter.New(memory.NewStore(), limiter.Rate{Period: time.Minute, Limit: quota})
	day := limiter.New(memory.NewStore(), limiter.Rate{Period: 24 * time.Hour, Limit: aDay})
	return func(key string) bool {
		m, err := minute.Get(tb.Context(), key)
		if err != nil || m.Reached {
			return false
		}
		d, err := day.Get(tb.Context(), key)
		return err == nil && !d.Reached
	}
}

func openSethvargo(tb testing.TB, quota int64, _ int) func(string) bool {
	s, err := memorystore.New(&memorystore.Config{Tokens: uint64(quota), Interval: time.Minute})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	ctx := tb.Context()
	return func(key string) bool {
		_, _, _, ok, err := s.Take(ctx, key)
		return err == nil && ok
	}
}

// Without a peer that counts, or that tells keys apart, the figures would mean
// nothing.
func TestPeersCount(t *testing.T) {
	for _, p := range peers {
		t.Run(p.name, func(t *testing.T) {
			take := p.open(t, 3, 2)
			for _, key := range []string{"a", "b"} {
				for i, want := range []bool{true, true, true, false} {
					if got := take(key); got != want {
						t.Errorf("key %s, request %d: allowed %v, want %v", key, i+1, got, want)
					}
				}
			}
		})
	}
}

func BenchmarkTake(b *testing.B) {
	each(b, func(b *testing.B, keys []string, take func(string) bool) {
		for i := 0; b.Loop(); i++ {
			take(keys[turn(i, len(keys))])
		}
	})
}

func BenchmarkTakeParallel(b *testing.B) {
	each(b, func(b *testing.B, keys []string, take func(string) bool) {
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				take(keys[turn(i, len(keys))])
			}
		})
	})
}

// each runs a benchmark for every number of keys and peer, on limiters that
// know all keys already and admit all requests.
func each(b *testing.B, run func(b *testing.B, keys []string, take func(string) bool)) {
	for _, n := range sizes {
		for _, p := range peers {
			b.Run(name(n)+"/"+p.name, func(b *testing.B) {
				keys, take := allKeys()[:n], p.open(b, 1<<30, n)
				for _, key := range keys {
					if !take(key) {
						b.Fatal("refused")
					}
				}
				b.ReportAllocs()
				b.ResetTimer()
				run(b, keys, take)
				b.StopTimer()
				if !take(keys[0]) {
					b.Fatal("the quota was used up: refusals were measured")
				}
			})
		}
	}
}

// name says how many keys take turns.
func name(n int) string {
	switch n {
	case 1:
		return "hot"
	case 10_000:
		return "10k"
	}
	return "1M"
}

package benchmarks

import (
	"fmt"
	"testing"
	"time"

	"medtwin.ai/tollgate/ratelimit"
)

func openTollgate(tb testing.TB, quota int64, n int) func(string) bool {
	plan, err := ratelimit.ParsePlan("standard", fmt.Sprintf("%d-M, %d-D", quota, int64(aDay)))
	if err != nil {
		tb.Fatal(err)
	}
	store := ratelimit.NewMemory(2 * n) // twice, so that the figures hold no eviction
	ctx := tb.Context()
	return func(key string) bool {
		d, err := store.Take(ctx, ratelimit.Take{Scope: "plan", Subject: key, Plan: plan, Cost: 1}, time.Now())
		return err == nil && d.Allowed
	}
}

// BenchmarkTakeAtGivenTime is Take as the chain calls it, which has read the
// clock already: on the sub-windows that quotas over 64 use, and on the exact
// times of smaller ones, at the pace that keeps those full.
func BenchmarkTakeAtGivenTime(b *testing.B) {
	for _, notation := range []string{"10000-M, 100000000-D", "60-M, 100000000-D"} {
		for _, n := range sizes {
			b.Run(notation+"/"+name(n), func(b *testing.B) {
				plan, err := ratelimit.ParsePlan("standard", notation)
				if err != nil {
					b.Fatal(err)
				}
				store, keys, ctx := ratelimit.NewMemory(2*n), allKeys()[:n], b.Context()
				// One use of every key per second of the given clock.
				step := time.Second / time.Duration(n)
				now := time.Now()
				refused := 0
				take := func(i int) {
					now = now.Add(step)
					d, err := store.Take(ctx, ratelimit.Take{Scope: "plan", Subject: keys[turn(i, n)], Plan: plan, Cost: 1}, now)
					if err != nil || !d.Allowed {
						refused++
					}
				}
				for i := range n {
					take(i)
				}
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					take(i)
				}
				if refused > 0 {
					b.Fatalf("%d of %d were refused", refused, b.N)
				}
			})
		}
	}
}

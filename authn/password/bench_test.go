package password_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn/password"
)

// case S19: the medians of a right password, a wrong one, and a user who does
// not exist are the same, alone and in a crowd. They take turns, so that what
// else the machine does slows all three.
func BenchmarkVerify(b *testing.B) {
	p := passwords(b, func(c *password.Config) { c.Wait = time.Minute })
	stored := hash(b, p, good)
	kinds := []struct{ name, hash, password string }{
		{"right", stored, good}, {"wrong", stored, good + "!"}, {"absent", "", good},
	}
	for _, callers := range []int{1, 16} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			b.ReportAllocs()
			took := make([]time.Duration, b.N)
			var next atomic.Int64
			var all sync.WaitGroup
			for range callers {
				all.Go(func() {
					for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
						start := time.Now()
						k := kinds[i%3]
						if _, _, err := p.Verify(b.Context(), k.hash, k.password); err != nil {
							b.Error(err)
						}
						took[i] = time.Since(start)
					}
				})
			}
			all.Wait()
			for i, k := range kinds {
				var of []time.Duration
				for ; i < len(took); i += len(kinds) {
					of = append(of, took[i])
				}
				slices.Sort(of)
				if of != nil {
					b.ReportMetric(float64(of[len(of)/2])/1e6, k.name+"-ms")
				}
			}
		})
	}
}

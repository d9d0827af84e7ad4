package login_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/authn/password"
)

// case S19: the medians of a login with the right password, with a wrong one
// and of a user who does not exist are the same, alone and in a crowd. They take
// turns, so that what else the machine does slows all three.
func BenchmarkLogin(b *testing.B) {
	d := newDesk(b, func(c *login.Config) {
		c.Passwords = must(password.New(password.Config{Wait: time.Minute}))
	}, unlimited)
	kinds := []struct{ name, email, password string }{
		{"right", annEmail, right}, {"wrong", annEmail, wrong}, {"absent", "nobody@example.com", right},
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
						k := kinds[i%3]
						start := time.Now()
						_, err := d.try(k.email, k.password)
						took[i] = time.Since(start)
						if (err == nil) != (i%3 == 0) {
							b.Error(k.name, err)
						}
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

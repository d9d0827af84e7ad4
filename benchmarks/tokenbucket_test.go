package benchmarks

import (
	"sync"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

// openTokenBucket keeps a bucket per key in a sync.Map, as its users do. It is
// without bound, and up to twice the quota passes in a minute.
func openTokenBucket(_ testing.TB, quota int64, _ int) func(string) bool {
	var buckets sync.Map
	refill := rate.Every(time.Minute / time.Duration(quota))
	return func(key string) bool {
		v, ok := buckets.Load(key)
		if !ok {
			v, _ = buckets.LoadOrStore(key, rate.NewLimiter(refill, int(quota)))
		}
		return v.(*rate.Limiter).Allow()
	}
}

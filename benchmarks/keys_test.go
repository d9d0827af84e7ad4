package benchmarks

import (
	"fmt"
	"sync"
	"testing"
)

// sizes are the numbers of keys that take turns: one in cache, a busy service,
// more than any cache holds.
var sizes = []int{1, 10_000, 1_000_000}

// allKeys are keys of the length of an account and environment.
var allKeys = sync.OnceValue(func() []string {
	keys := make([]string, sizes[len(sizes)-1])
	for i := range keys {
		keys[i] = fmt.Sprintf("acct_01jc%017d/live", i)
	}
	return keys
})

// turn returns the index of the key of the i-th request among n: all of them
// in n requests, and none near the one before. The stride is a prime that
// divides no size.
func turn(i, n int) int { return i * 611_953 % n }

func TestKeysVary(t *testing.T) {
	for _, n := range sizes {
		seen, met := make([]bool, n), 0
		for i := range n {
			if k := turn(i, n); !seen[k] {
				seen[k] = true
				met++
			}
		}
		if met != n {
			t.Errorf("%d requests met %d of %d keys", n, met, n)
		}
	}
	if keys := allKeys(); keys[0] == keys[1] {
		t.Errorf("two keys are both %q", keys[0])
	}
}

package recall

import "sync"

// flights lets requests that bring the same unknown token at once share one
// read of the store.
type flights[V any] struct {
	mu          sync.Mutex
	calls       map[[32]byte]*flight[V]
	unavailable error // of a flight that never landed
}

type flight[V any] struct {
	done chan struct{}
	e    *Entry[V]
	err  error
}

// join returns the flight for sum, and whether the caller leads it. A leader reads the
// store, and calls land whatever happens.
func (f *flights[V]) join(sum [32]byte) (c *flight[V], lead bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c := f.calls[sum]; c != nil {
		return c, false
	}
	if f.calls == nil {
		f.calls = make(map[[32]byte]*flight[V])
	}
	c = &flight[V]{done: make(chan struct{}), err: f.unavailable}
	f.calls[sum] = c
	return c, true
}

func (f *flights[V]) land(sum [32]byte, c *flight[V]) {
	f.mu.Lock()
	delete(f.calls, sum)
	f.mu.Unlock()
	close(c.done)
}

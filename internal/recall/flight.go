package recall

import (
	"sync"

	"medtwin.ai/tollgate/authn"
)

// flights lets requests that bring the same unknown token at the same time
// share one read of the store. So a burst of requests after a restart is one
// read for each token.
type flights[V any] struct {
	mu    sync.Mutex
	calls map[[32]byte]*flight[V]
}

// A flight is one read. e and err are written before done is closed, and read
// after.
type flight[V any] struct {
	done chan struct{}
	e    *Entry[V]
	err  error
}

// join returns the flight for sum, and whether the caller leads it. A leader
// reads the store and then calls land, whatever happens.
func (f *flights[V]) join(sum [32]byte) (c *flight[V], lead bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c := f.calls[sum]; c != nil {
		return c, false
	}
	if f.calls == nil {
		f.calls = make(map[[32]byte]*flight[V])
	}
	c = &flight[V]{done: make(chan struct{}), err: authn.ErrUnavailable} // which stays if the leader panics
	f.calls[sum] = c
	return c, true
}

// land ends a flight. It first removes it, so a request that comes later begins
// a new read.
func (f *flights[V]) land(sum [32]byte, c *flight[V]) {
	f.mu.Lock()
	delete(f.calls, sum)
	f.mu.Unlock()
	close(c.done)
}

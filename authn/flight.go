package authn

import "sync"

// flights lets requests that bring the same unknown token at once share one
// read of the store.
type flights struct {
	mu    sync.Mutex
	calls map[[32]byte]*flight
}

type flight struct {
	done chan struct{}
	e    *entry
	err  error
}

// join returns the flight for sum, and whether the caller is to fly it. Who
// does calls land, whatever happens.
func (f *flights) join(sum [32]byte) (c *flight, lead bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c := f.calls[sum]; c != nil {
		return c, false
	}
	if f.calls == nil {
		f.calls = make(map[[32]byte]*flight)
	}
	c = &flight{done: make(chan struct{}), err: ErrUnavailable}
	f.calls[sum] = c
	return c, true
}

func (f *flights) land(sum [32]byte, c *flight) {
	f.mu.Lock()
	delete(f.calls, sum)
	f.mu.Unlock()
	close(c.done)
}

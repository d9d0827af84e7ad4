package recall

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// An outage of the store begins with a read that fails, and ends with one that
// succeeds. During an outage no known caller waits for the store, so a store
// that hangs delays nobody. One read at a time probes whether the store is
// back.
type outage[V any] struct {
	down, asking atomic.Bool
	again        func(context.Context, string, *Entry[V]) error

	mu   sync.Mutex
	err  error     // the error of the newest read, nil if it succeeded
	said bool      // what was logged last is that the store is lost
	when time.Time // when that was logged
}

// probeTimeout bounds how long a caller waits for the probe that it begins. It
// waits at all so that a store that is back is used at once.
const probeTimeout = 50 * time.Millisecond

// reached records how a read has ended.
func (m *Memory[V]) reached(ctx context.Context, err error) {
	if m.config.OutageLease == 0 || err == nil && !m.outage.down.Load() {
		return
	}
	m.outage.mu.Lock()
	m.outage.err = err
	m.outage.down.Store(err != nil)
	m.outage.mu.Unlock()
	m.outage.tell(ctx, &m.config)
}

// quiet is the shortest time between two lines that say that the store is lost,
// so that a store that fails now and then does not flood the log.
const quiet = 10 * time.Second

// tell logs that an outage has begun, or that one that was logged has ended.
func (o *outage[V]) tell(ctx context.Context, c *Config) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.err != nil && !o.said && time.Since(o.when) >= quiet:
		o.said, o.when = true, time.Now()
		c.Logger.ErrorContext(ctx, "store lost: known callers go on", slog.Any("err", o.err), slog.String("lease", c.OutageLease.String()))
	case o.err == nil && o.said:
		o.said = false
		c.Logger.InfoContext(ctx, "store found again")
	}
}

// serveDuringOutage returns the entry to use instead of e, which is known but
// no longer holds. It is a new answer of the store, or e itself if the store
// does not answer now. It is nil if the token is refused, or if e has ended.
func (m *Memory[V]) serveDuringOutage(token string, e *Entry[V], now time.Time, ask func(context.Context, *Entry[V]) error) *Entry[V] {
	if !m.fresh.holdsDuringOutage(&e.mark, now) {
		return nil
	}
	if m.outage.again != nil {
		ask = func(ctx context.Context, e *Entry[V]) error { return m.outage.again(ctx, token, e) }
	}
	began := time.Now()
	if m.ask(e.sum, now, ask) {
		return m.holding(&e.sum, now)
	}
	now = now.Add(time.Since(began)) // the store may have hung
	if !m.fresh.holdsDuringOutage(&e.mark, now) || e.Expired(now) {
		return nil
	}
	return e
}

// ask asks the store about a known token, and reports whether the store has
// answered. It takes at most Timeout, whatever the store does: its caller has
// no context that could end.
func (m *Memory[V]) ask(sum [32]byte, now time.Time, again func(context.Context, *Entry[V]) error) bool {
	down, most := m.outage.down.Load(), m.config.Timeout
	if down {
		if !m.outage.asking.CompareAndSwap(false, true) {
			return false
		}
		most = min(most, probeTimeout)
	}
	answered := make(chan bool, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), m.config.Timeout) // for those who join this flight too
		ok := false
		defer func() {
			cancel()
			if p := recover(); p != nil { // net/http recovers the panic of a request, but not one here
				m.config.Logger.Error("store panicked", slog.Any("panic", p))
			}
			if down {
				m.outage.asking.Store(false)
			}
			answered <- ok
		}()
		_, err := m.share(ctx, sum, now, again)
		ok = err == nil
	}()
	wait := time.NewTimer(most)
	defer wait.Stop()
	select {
	case ok := <-answered:
		return ok
	case <-wait.C:
		if !down { // the store does not even obey the context of the read
			m.reached(context.Background(), context.DeadlineExceeded)
		}
		return false
	}
}

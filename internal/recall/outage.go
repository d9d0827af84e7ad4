package recall

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// An outage of the store begins with a read that fails and ends with one that
// succeeds. During an outage no known caller waits for the store, so a store that
// hangs delays nobody: one read at a time probes whether it is back.
type outage[V any] struct {
	down, asking atomic.Bool
	again        func(context.Context, string, *Entry[V]) error

	mu   sync.Mutex
	err  error     // of the newest read, if it failed
	said bool      // that it did is the last that was logged
	when time.Time // that was
}

// probeTimeout bounds how long the caller that begins such a read waits for it. It
// waits at all so that a store that is back is believed at once.
const probeTimeout = 50 * time.Millisecond

// reached notes how a read has ended.
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

// quiet is the least time between two outages that are logged, so that a store
// that fails now and then floods no log.
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

// serveDuringOutage returns the entry to use instead of e, which is known but no
// longer holds. It returns a new answer of the store, or e itself if the store does
// not answer now. It returns nil if the token is refused, or e has ended.
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

// ask asks the store about a token that is known, and reports whether it has
// answered. It takes no longer than Timeout, whatever the store does, since its
// caller has no context that could end.
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
		ctx, cancel := context.WithTimeout(context.Background(), m.config.Timeout) // of those who join a flight
		ok := false
		defer func() {
			cancel()
			if p := recover(); p != nil { // which for a request net/http would do
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
		if !down { // nor does it obey the read's context
			m.reached(context.Background(), context.DeadlineExceeded)
		}
		return false
	}
}

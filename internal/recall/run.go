package recall

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Run watches for changes and records uses until ctx ends. Then it records the
// last uses, and returns ctx's error. The caller owns the goroutine.
func (m *Memory[V]) Run(ctx context.Context) error {
	var watching sync.WaitGroup
	watching.Go(func() { m.watch(ctx) })
	tick := time.NewTicker(useFlush)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			m.flush(ctx)
			m.outage.tell(ctx, &m.config)
		case <-ctx.Done():
			watching.Wait()
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.config.Timeout)
			defer cancel()
			m.flush(last)
			return ctx.Err()
		}
	}
}

// flush records the pending uses.
func (m *Memory[V]) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, useFlush) // one call that hangs must not be the last one
	defer cancel()
	if err := m.uses.flush(ctx, m.config.Touch); err != nil {
		m.config.Logger.ErrorContext(ctx, "uses not recorded, will be tried again", slog.Any("err", err))
	}
}

// A listener is a freshness during one watch. It calls onAlive at every sign of
// life.
type listener struct {
	*freshness
	begun   atomic.Bool
	onAlive func()
}

// Gap implements store.Watcher. The first Gap of a watch means that it has
// begun. A later one means that the stream has lost changes.
func (l *listener) Gap() {
	if l.begun.Swap(true) {
		l.freshness.Change()
		return
	}
	l.freshness.Gap()
}

// Alive implements store.Watcher.
func (l *listener) Alive(at time.Time) {
	l.freshness.Alive(at)
	l.onAlive()
}

// watch begins the stream anew whenever it ends. While it is down, answers end
// with their lease.
func (m *Memory[V]) watch(ctx context.Context) {
	var lost atomic.Bool
	back := func() {
		if lost.Load() && lost.Swap(false) {
			m.config.Logger.InfoContext(ctx, "stream of changes is back")
		}
	}
	const first, most = 100 * time.Millisecond, 5 * time.Second
	wait := first
	for ctx.Err() == nil {
		began := time.Now()
		err := m.config.Changes.Watch(ctx, &listener{freshness: &m.fresh, onAlive: back})
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > most {
			wait = first
		}
		if !lost.Swap(true) {
			m.config.Logger.ErrorContext(ctx, "stream of changes lost", slog.Any("err", err), slog.String("lease", m.config.Lease.String()))
		}
		select {
		case <-time.After(wait/2 + time.Duration(time.Now().UnixNano())%(wait/2)): // at random, so that nodes do not return in step
		case <-ctx.Done():
		}
		wait = min(2*wait, most)
	}
}

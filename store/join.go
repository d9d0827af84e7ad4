package store

import (
	"context"
	"errors"
	"sync"
	"time"
)

// join returns the changes of two stores as one stream. It is for a cache whose answers
// come from both, such as sessions from one and users from the other. The stream is
// alive while both are, and ends when one of them ends. While one of them hangs, the
// changes of the other are still reported.
func join(a, b Changes) Changes { return joined{a, b} }

type joined [2]Changes

func (j joined) Watch(ctx context.Context, w Watcher) error {
	if j[0] == nil || j[1] == nil {
		return errors.New("store: one of two joined streams is nil")
	}
	all, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	m := &merger{w: w}
	var watching sync.WaitGroup
	for i, c := range j {
		watching.Go(func() {
			err := c.Watch(all, &half{m, i})
			if err == nil {
				err = errors.New("store: a watch has ended without an error")
			}
			stop(err)
		})
	}
	watching.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return context.Cause(all)
}

// A merger makes one stream of two.
type merger struct {
	mu    sync.Mutex
	w     Watcher
	up    [2]bool
	begun bool // Gap has been called
	alive [2]time.Time
}

// whole reports whether both streams are alive.
func (m *merger) whole() bool { return m.up[0] && m.up[1] }

// A half is the watcher of one of the two streams.
type half struct {
	*merger
	i int
}

// Gap reports the first gaps of both streams as one. A later gap of a stream means that
// something has changed, and is reported at once. If it would be the first one that is
// reported, it is reported twice, because the first one does not count as a change.
func (h *half) Gap() {
	h.mu.Lock()
	defer h.mu.Unlock()
	change := h.up[h.i]
	h.up[h.i] = true
	if change && !h.begun {
		h.w.Gap()
	}
	if change || h.whole() {
		h.w.Gap()
		h.begun = true
	}
}

// Forget reports a change even while the other stream is down, because entries of the
// cache may outlive that outage.
func (h *half) Forget(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.w.Forget(id)
}

// Alive reports the earlier one of the times at which each stream was last alive.
func (h *half) Alive(at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if at.After(h.alive[h.i]) {
		h.alive[h.i] = at
	}
	behind := h.alive[0]
	if h.alive[1].Before(behind) {
		behind = h.alive[1]
	}
	if h.whole() && !behind.IsZero() {
		h.w.Alive(behind)
	}
}

package store

import (
	"context"
	"errors"
	"sync"
	"time"
)

// join returns the changes of two stores as one stream, for a cache of answers that
// come from both: sessions from one and users from the other. It is alive while both
// are, and ends with either; a new watch begins with Gap. While one of them hangs,
// changes from the other are reported all the same.
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

// A merger passes on what two streams say as if they were one stream.
type merger struct {
	mu    sync.Mutex
	w     Watcher
	up    [2]bool
	begun bool // there was a Gap
	alive [2]time.Time
}

// whole reports whether both streams are up.
func (m *merger) whole() bool { return m.up[0] && m.up[1] }

// A half is the watcher of one of the two.
type half struct {
	*merger
	i int
}

// Gap reports the first gaps of both streams as one. A later gap of a stream means a
// change and is reported at once; a plain Gap precedes it if none was reported,
// because the first counts as no change.
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

// Forget passes a change on even if the other stream is down, when entries may
// outlive the outage.
func (h *half) Forget(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.w.Forget(id)
}

// Alive reports the earlier of the times at which the two streams were alive.
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

package store

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Join returns the changes of two stores as one stream, for a cache of answers
// that come from both: sessions from one and users from the other. It is alive
// as long as both are, and ends with either; watching again begins with Gap.
// While one of them hangs, what the other says is reported all the same.
func Join(a, b Changes) Changes { return joined{a, b} }

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

// A merger passes on what two streams say, as one of them would.
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

// Gap passes on the first of both streams as one, once there are both. Any other
// is a change, which does not wait for that: where it would be the first of the
// joined stream, and so be taken for less, one goes before it.
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

// Forget passes on what one says though the other is not up: its store may be
// down, and what is known then outlasts that unless something is heard of it.
func (h *half) Forget(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.w.Forget(id)
}

// Alive says of both streams what is true of the one that is behind.
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

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
func Join(a, b Changes) Changes { return joined{a, b} }

type joined [2]Changes

func (j joined) Watch(ctx context.Context, w Watcher) error {
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
	alive [2]time.Time
}

// whole reports whether both streams are up. What comes before is passed over:
// the Gap with which the second begins covers it.
func (m *merger) whole() bool { return m.up[0] && m.up[1] }

// A half is the watcher of one of the two.
type half struct {
	*merger
	i int
}

func (h *half) Gap() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.up[h.i] = true
	if h.whole() {
		h.w.Gap()
	}
}

func (h *half) Forget(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.whole() {
		h.w.Forget(id)
	}
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

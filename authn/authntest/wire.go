package authntest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"medtwin.ai/tollgate/store"
)

// A wire is the stream of changes of a node, which can be cut, and can hang.
type wire struct {
	from store.Changes

	mu   sync.Mutex
	taps map[*tap]bool // of the managers that watch
	hung bool
	cut  chan struct{} // closed: it is
}

// A tap is what one manager hears.
type tap struct {
	*wire
	to  store.Watcher
	ids []string
}

var errCut = errors.New("cut")

// Watch implements [store.Changes].
func (w *wire) Watch(ctx context.Context, to store.Watcher) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	t := &tap{wire: w, to: to}
	w.mu.Lock()
	w.taps[t] = true
	cut := w.cut
	w.mu.Unlock()
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-cut:
			stop(errCut)
		case <-ended:
		}
	}()
	if err := w.from.Watch(ctx, t); context.Cause(ctx) == nil {
		return err
	}
	return context.Cause(ctx)
}

// pass tells the manager, and notes it, unless the wire hangs.
func (t *tap) pass(id string, tell func()) {
	t.mu.Lock()
	hung := t.hung
	t.mu.Unlock()
	if hung {
		return
	}
	tell()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ids = append(t.ids, id)
}

// Forget implements [store.Watcher].
func (t *tap) Forget(id string) { t.pass(id, func() { t.to.Forget(id) }) }

// Alive implements [store.Watcher].
func (t *tap) Alive(at time.Time) { t.pass("Alive", func() { t.to.Alive(at) }) }

// Gap implements [store.Watcher].
func (t *tap) Gap() { t.pass("Gap", t.to.Gap) }

// heard reports whether both managers have heard one of the ids.
func (w *wire) heard(ids ...string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	both := 0
	for t := range w.taps {
		if slices.ContainsFunc(t.ids, func(id string) bool { return slices.Contains(ids, id) }) {
			both++
		}
	}
	return both >= 2
}

// clear forgets what was heard.
func (w *wire) clear() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for t := range w.taps {
		t.ids = nil
	}
}

// hang has the wire say nothing more, as if nothing were to say.
func (w *wire) hang() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hung = true
}

// sever ends the stream, now and whenever it is begun again.
func (w *wire) sever() {
	w.hang() // what is on its way does not arrive
	close(w.cut)
}

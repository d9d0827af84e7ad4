package authntest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"medtwin.ai/tollgate/store"
)

// A wire is the stream of changes of a node. A check can cut it, so that it
// ends with an error, or hang it, so that it stays open and says nothing more.
type wire struct {
	from store.Changes

	mu   sync.Mutex
	taps map[*tap]bool // of the managers that watch
	hung bool
	cut  chan struct{} // closed: it is
}

// A tap passes the stream on to one manager, and notes what it has passed on.
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
	// A cut looks to the manager like any other end of the stream: an error.
	if err := w.from.Watch(ctx, t); context.Cause(ctx) == nil {
		return err
	}
	return context.Cause(ctx)
}

// pass tells the manager, and then notes what it was told. While the wire hangs
// it does neither.
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

// heard reports whether both managers have been told of one of the ids.
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

// clear forgets what the managers have been told.
func (w *wire) clear() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for t := range w.taps {
		t.ids = nil
	}
}

// hang makes the wire say nothing more. To the manager that looks as if there
// were nothing to say.
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

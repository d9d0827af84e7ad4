package redisstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"medtwin.ai/tollgate/store"
)

// Toil is a loop of log-ins and log-outs, and what became of them.
type toil struct {
	s    *Store
	stop context.CancelFunc
	done sync.WaitGroup

	mu    sync.Mutex
	ended map[string]span // by id: when it was revoked
	last  []store.Session // those, in order
}

// A span is the time of a call that was acknowledged.
type span struct{ from, to time.Time }

// work begins toil, which ends with audit.
func work(t *testing.T, s *Store) *toil {
	ctx, stop := context.WithCancel(t.Context())
	w := &toil{s: s, stop: stop, ended: map[string]span{}}
	t.Cleanup(func() { stop(); w.done.Wait() })
	w.done.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			o := login(fmt.Sprint("worker", n%50), 1000+n)
			if err := w.brief(ctx, func(ctx context.Context) error { return s.Sessions().Create(ctx, o) }); err != nil {
				if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) {
					t.Errorf("Create: %v", err)
				}
				continue
			}
			from := time.Now()
			if err := w.brief(ctx, func(ctx context.Context) error { return s.Sessions().Revoke(ctx, o.User, o.ID, t0) }); err == nil {
				w.mu.Lock()
				w.ended[o.ID] = span{from, time.Now()}
				w.last = append(w.last, o)
				w.mu.Unlock()
			}
		}
	})
	return w
}

// brief gives a call the time that a request has.
func (w *toil) brief(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	return f(ctx)
}

// count returns how many revocations were acknowledged.
func (w *toil) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.last)
}

// audit ends the toil. It reports every sign of life that covers a revocation
// of which its watcher had heard nothing, and every acknowledged revocation
// that does not hold.
func (w *toil) audit(t *testing.T, l *ledger) {
	t.Helper()
	l.alive(t)
	w.stop()
	w.done.Wait()
	if len(w.last) < 10 {
		t.Errorf("%d sessions were revoked: this shows nothing", len(w.last))
	}
	heard := map[string]bool{}
	var gap time.Time // the newest
	for _, e := range l.all() {
		switch e.call {
		case "Gap":
			gap = e.heard
		case "Forget":
			heard[e.id] = true
		case "Alive":
			for id, at := range w.ended {
				switch {
				case !at.to.Before(e.at):
				case heard[id] || at.from.Before(gap):
					delete(w.ended, id) // reported, or may have been before the gap
				default:
					t.Errorf("Alive(%v) covers %s, revoked %v before and not reported", e.at, id, e.at.Sub(at.to))
				}
			}
		}
	}
	for _, o := range w.last {
		if got, err := w.s.Sessions().Find(t.Context(), o.Digest); err != nil || got.Revoked.IsZero() {
			t.Errorf("%s was revoked, and now: revoked at %v, error %v", o.ID, got.Revoked, err)
		}
	}
	t.Logf("%d revocations", len(w.last))
}

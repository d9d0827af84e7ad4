package storetest

import (
	"context"
	"strings"
	"sync"
	"time"

	"medtwin.ai/tollgate/store"
)

// filtered is a backend with something between its changes and its watchers.
type filtered struct {
	Backend
	filter func(store.Watcher) store.Watcher
}

func (f filtered) Watch(ctx context.Context, w store.Watcher) error {
	return f.Backend.Watch(ctx, f.filter(w))
}

type deafWatcher struct{ store.Watcher }

func (w deafWatcher) Forget(id string) {
	if !strings.HasPrefix(id, "acct_") {
		w.Watcher.Forget(id)
	}
}

type gaplessWatcher struct{ store.Watcher }

func (w gaplessWatcher) Gap() {}

// lateWatcher reports changes after the next sign of life.
type lateWatcher struct {
	store.Watcher
	mu   sync.Mutex
	late []string
}

func (w *lateWatcher) Forget(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.late = append(w.late, id)
}

func (w *lateWatcher) Alive(at time.Time) {
	w.Watcher.Alive(at)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range w.late {
		w.Watcher.Forget(id)
	}
	w.late = nil
}

// early knows its watchers, so that it can tell them too soon.
type early struct {
	Backend
	mu       sync.Mutex
	watchers []store.Watcher
}

func (e *early) Watch(ctx context.Context, w store.Watcher) error {
	e.mu.Lock()
	e.watchers = append(e.watchers, w)
	e.mu.Unlock()
	return e.Backend.Watch(ctx, w)
}

func (e *early) tell(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range e.watchers {
		w.Forget(id)
	}
}

type earlyAdmin struct {
	store.KeyAdmin
	early *early
}

func (a earlyAdmin) Revoke(ctx context.Context, account, id, reason string, now time.Time) error {
	a.early.tell(id)
	return a.KeyAdmin.Revoke(ctx, account, id, reason, now)
}

type earlySessions struct {
	store.Sessions
	early *early
}

func (s earlySessions) Revoke(ctx context.Context, user, id string, now time.Time) error {
	s.early.tell(id)
	return s.Sessions.Revoke(ctx, user, id, now)
}

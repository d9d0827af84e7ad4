package memory

import (
	"context"
	"slices"
	"time"

	"medtwin.ai/tollgate/store"
)

// beat is how often Alive is called.
const beat = time.Second

// watcher gives every watch an address of its own, even if a Watcher watches twice.
type watcher struct{ store.Watcher }

// Watch reports changes to w until ctx ends. The goroutine that makes a change calls w
// before its own call returns. So w may read from s but must not write to it.
func (s *Store) Watch(ctx context.Context, w store.Watcher) error {
	self := &watcher{w}
	s.write.Lock()
	s.watchers = append(s.watchers, self)
	w.Gap()
	s.write.Unlock()
	defer func() {
		s.write.Lock()
		defer s.write.Unlock()
		s.watchers = slices.DeleteFunc(s.watchers, func(o *watcher) bool { return o == self })
	}()

	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		s.write.Lock()
		w.Alive(time.Now())
		s.write.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// change makes one change by f as the only writer. When the change can be read, it reports
// the ids that f has returned.
func (s *Store) change(f func() ([]string, error)) error {
	s.write.Lock()
	defer s.write.Unlock()
	s.mu.Lock()
	ids, err := f()
	s.mu.Unlock()
	for _, id := range ids {
		for _, w := range s.watchers {
			w.Forget(id)
		}
	}
	return err
}

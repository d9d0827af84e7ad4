package memory

import (
	"context"
	"slices"
	"time"

	"medtwin.ai/tollgate/store"
)

// beat is how often a watcher hears that all is well.
const beat = time.Second

// watcher has an address of its own, also where one Watcher watches twice.
type watcher struct{ store.Watcher }

// Watch reports changes to w until ctx ends. The watcher is called by the
// goroutine that makes the change, before its call returns, so it may read
// from s but not write to it.
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

// change makes one change as the only writer, and reports the ids that f
// returns once the change can be read.
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

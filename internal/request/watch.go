package request

import "context"

// A Watcher is told what is decided about a request after it was matched, to
// find in tests what a handler forgets. Handlers may call from several
// goroutines at once.
type Watcher interface {
	// Admitted: the need of an endpoint is met, and its handler has promised
	// to check the kinds. It returns what is told of the checks.
	Admitted(endpoint string, later []string) Watcher
	// Checked: resources of a kind have been checked or filtered.
	Checked(kind string)
}

type watcherKey struct{}

// Watch has w told from now on. It is kept out of the struct, so that
// production pays a byte for it.
func (s *State) Watch(w Watcher) {
	s.Context = context.WithValue(s.Context, watcherKey{}, w)
	s.watched = true
}

// Watcher returns whom Watch has set, or nil.
func (s *State) Watcher() Watcher {
	if !s.watched {
		return nil
	}
	return s.watcher()
}

func (s *State) watcher() Watcher { // apart, so that Watcher is inlined
	w, _ := s.Context.Value(watcherKey{}).(Watcher)
	return w
}

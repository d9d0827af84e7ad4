package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"
)

// An event is one call of a method of a watcher.
type event struct {
	call  string // "Gap", "Alive", "Forget"
	id    string
	at    time.Time // the argument of Alive
	heard time.Time
}

// A listener is a watcher that keeps its calls.
type listener struct {
	forget func(id string) // called by Forget; may be nil

	mu    sync.Mutex
	calls []event
	more  chan struct{} // closed and replaced on every call

	events []event // the calls that wait has seen
}

func (l *listener) add(e event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.heard = time.Now()
	l.calls = append(l.calls, e)
	close(l.more)
	l.more = make(chan struct{})
}

// Forget implements [store.Watcher].
func (l *listener) Forget(id string) {
	if l.forget != nil {
		l.forget(id)
	}
	l.add(event{call: "Forget", id: id})
}

// Alive implements [store.Watcher].
func (l *listener) Alive(at time.Time) { l.add(event{call: "Alive", at: at}) }

// Gap implements [store.Watcher].
func (l *listener) Gap() { l.add(event{call: "Gap"}) }

// wait waits for an event and reports whether it came.
func (l *listener) wait(timeout time.Duration, f func(event) bool) bool {
	late := time.After(timeout)
	for {
		l.mu.Lock()
		l.events = slices.Clone(l.calls)
		more := l.more
		l.mu.Unlock()
		if slices.ContainsFunc(l.events, f) {
			return true
		}
		select {
		case <-more:
		case <-late:
			return false
		}
	}
}

func (l *listener) forgets(id string, timeout time.Duration) bool {
	return l.wait(timeout, func(e event) bool { return e.call == "Forget" && e.id == id })
}

// ids returns the arguments of Forget so far.
func (l *listener) ids() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var ids []string
	for _, e := range l.calls {
		if e.call == "Forget" {
			ids = append(ids, e.id)
		}
	}
	return ids
}

// opens reports whether an event is the first Gap or Alive of a watch. Changes may come
// before it.
func opens(e event) bool { return e.call != "Forget" }

// watch begins a watch and waits for its Gap. stop ends it.
func (s *suite) watch(forget ...func(id string)) (l *listener, stop func()) {
	s.Helper()
	l = &listener{more: make(chan struct{})}
	if len(forget) > 0 {
		l.forget = forget[0]
	}
	ctx, cancel := context.WithCancel(s.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Watch(ctx, l) }()
	if !l.wait(s.timeout, opens) || l.events[slices.IndexFunc(l.events, opens)].call != "Gap" {
		cancel()
		var calls []string
		for _, e := range l.events {
			calls = append(calls, e.call)
		}
		s.fatalf("a watch does not begin with Gap; its calls: [%s]", strings.Join(calls, " "))
	}
	return l, func() {
		s.Helper()
		cancel()
		select {
		case err := <-ended:
			if !errors.Is(err, context.Canceled) {
				s.errorf("a watch whose context was cancelled returns %v", err)
			}
		case <-time.After(s.timeout):
			s.errorf("a watch goes on %v after its context was cancelled", s.timeout)
		}
	}
}

package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"medtwin.ai/tollgate/internal/overlay"
	"medtwin.ai/tollgate/store"
)

// A script is a stream that does as it is told, and lives until its end is
// given a reason.
type script struct {
	w   chan store.Watcher
	end chan error
}

func newScript() script { return script{make(chan store.Watcher, 1), make(chan error, 1)} }

func (s script) Watch(ctx context.Context, w store.Watcher) error {
	s.w <- w
	select {
	case err := <-s.end:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A log is a watcher that writes down what it hears.
type log struct {
	base time.Time
	mu   sync.Mutex
	said []string
}

func (l *log) add(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said = append(l.said, fmt.Sprintf(format, args...))
}

func (l *log) Forget(id string)   { l.add("forget %s", id) }
func (l *log) Alive(at time.Time) { l.add("alive %v", at.Sub(l.base)) }
func (l *log) Gap()               { l.add("gap") }

// both is a store with one stream, whose sessions are elsewhere and have another.
func both(main, sessions store.Changes) store.Store {
	return store.WithSessions(overlay.Changes(nil, main), nil, sessions)
}

// join begins a watch of two scripts.
func join(ctx context.Context, l *log) (a, b store.Watcher, ends [2]chan error, ended chan error) {
	one, two := newScript(), newScript()
	ended = make(chan error, 1)
	go func() { ended <- both(one, two).Watch(ctx, l) }()
	return <-one.w, <-two.w, [2]chan error{one.end, two.end}, ended
}

func TestJoin(t *testing.T) {
	base := time.Now()
	at := func(s int) time.Time { return base.Add(time.Duration(s) * time.Second) }
	for _, tt := range []struct {
		name string
		do   func(a, b store.Watcher)
		want []string
	}{
		{"one gap for both", func(a, b store.Watcher) { a.Gap(); b.Gap() }, []string{"gap"}},
		{"no more than changes while one is down", func(a, b store.Watcher) { a.Gap(); a.Forget("x"); a.Alive(at(1)) }, []string{"forget x"}},
		{"nor while the other is", func(a, b store.Watcher) { b.Gap(); b.Forget("x"); b.Alive(at(1)) }, []string{"forget x"}},
		{"gaps of either", func(a, b store.Watcher) { a.Gap(); b.Gap(); a.Gap(); b.Gap() }, []string{"gap", "gap", "gap"}},
		{"a change before the other's first", func(a, b store.Watcher) { a.Gap(); a.Gap() }, []string{"gap", "gap"}},
		{"two, and the other's first", func(a, b store.Watcher) { a.Gap(); a.Gap(); a.Gap(); b.Gap() }, []string{"gap", "gap", "gap", "gap"}},
		{"changes of either", func(a, b store.Watcher) { a.Gap(); b.Gap(); a.Forget("x"); b.Forget("y") },
			[]string{"gap", "forget x", "forget y"}},
		{"one alone is not alive", func(a, b store.Watcher) { a.Gap(); b.Gap(); a.Alive(at(1)); a.Alive(at(2)) }, []string{"gap"}},
		{"alive as the one behind", func(a, b store.Watcher) {
			a.Gap()
			b.Gap()
			a.Alive(at(1))
			b.Alive(at(3))
			a.Alive(at(2))
			b.Alive(at(4))
		},
			[]string{"gap", "alive 1s", "alive 2s", "alive 2s"}},
		{"signs of life in no order", func(a, b store.Watcher) { a.Gap(); b.Gap(); a.Alive(at(5)); a.Alive(at(1)); b.Alive(at(3)) },
			[]string{"gap", "alive 3s"}},
		{"one hangs", func(a, b store.Watcher) {
			a.Gap()
			b.Gap()
			a.Alive(at(1))
			b.Alive(at(1))
			b.Alive(at(9))
			b.Alive(at(99))
		},
			[]string{"gap", "alive 1s", "alive 1s", "alive 1s"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			l := &log{base: base}
			a, b, _, ended := join(ctx, l)
			tt.do(a, b)
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("a watch whose context was cancelled returns %v", err)
			}
			if !slices.Equal(l.said, tt.want) {
				t.Errorf("said %q, want %q", l.said, tt.want)
			}
		})
	}
}

// The end of either stream is that of both, with its reason.
func TestJoinEnds(t *testing.T) {
	reason := errors.New("cut")
	for i, name := range []string{"first", "second"} {
		for _, err := range []error{reason, nil} {
			synctest.Test(t, func(t *testing.T) { // all goroutines end
				l := &log{}
				a, b, ends, ended := join(t.Context(), l)
				a.Gap()
				b.Gap()
				ends[i] <- err
				got := <-ended
				if got == nil || err != nil && !errors.Is(got, err) {
					t.Errorf("the %s ends with %v, and the watch with %v", name, err, got)
				}
			})
		}
	}
}

// A nil store is an error of the watch, and does not end the process.
func TestJoinNil(t *testing.T) {
	there := changes(func(ctx context.Context, w store.Watcher) error {
		<-ctx.Done()
		return ctx.Err()
	})
	for _, c := range []store.Store{store.WithSessions(nil, nil, there), both(there, nil), store.WithSessions(nil, nil, nil)} {
		if err := c.Watch(t.Context(), &log{}); err == nil || t.Context().Err() != nil {
			t.Errorf("%v watches: %v", c, err)
		}
	}
}

// Nobody is told anything after the watch has returned: it waits for both.
func TestJoinWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &log{}
		slow, done := make(chan store.Watcher), make(chan struct{})
		lingering := changes(func(ctx context.Context, w store.Watcher) error {
			w.Gap()
			slow <- w
			<-ctx.Done()
			<-done // it has something to finish
			w.Forget("late")
			return ctx.Err()
		})
		broken := changes(func(ctx context.Context, w store.Watcher) error {
			w.Gap()
			<-slow
			return errors.New("cut")
		})
		ended := make(chan error, 1)
		go func() { ended <- both(lingering, broken).Watch(t.Context(), l) }()
		synctest.Wait()
		select {
		case err := <-ended:
			t.Fatalf("the watch returns %v, and one of two goes on", err)
		default:
		}
		close(done)
		if err := <-ended; err == nil || err.Error() != "cut" {
			t.Errorf("the watch returns %v, want the reason of the first to end", err)
		}
		if want := []string{"gap", "forget late"}; !slices.Equal(l.said, want) {
			t.Errorf("said %q, want %q", l.said, want)
		}
	})
}

// Changes is a stream that is a function.
type changes func(context.Context, store.Watcher) error

func (f changes) Watch(ctx context.Context, w store.Watcher) error { return f(ctx, w) }

package recall

import (
	"context"
	"errors"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
)

// What the store said decides what is answered, whether the next request asks
// again, and what a request that must not ask is told.
func TestAnswers(t *testing.T) {
	refused := errors.New("refused")
	const later = time.Second / 2 // within the time for which a refusal is used again
	tests := []struct {
		name   string
		ask    func(*Entry[string]) error
		first  error
		second error // that of Get, later
		reads  int   // of both
		recall error // that of Recall, after both
	}{
		{"verified", func(*Entry[string]) error { return nil }, nil, nil, 1, nil},
		{"refused", func(e *Entry[string]) error { e.Err = refused; return nil }, refused, refused, 1, authn.ErrNotRemembered},
		{"refused once", func(e *Entry[string]) error { e.Err, e.Once = refused, true; return nil }, refused, refused, 2, authn.ErrNotRemembered},
		{"outage", func(*Entry[string]) error { return errDown }, authn.ErrUnavailable, authn.ErrUnavailable, 2, authn.ErrNotRemembered},
		{"used once", func(e *Entry[string]) error { e.Once = true; return nil }, nil, nil, 2, authn.ErrNotRemembered},
		{"has expired", func(e *Entry[string]) error { e.Expires = start; return nil }, authn.ErrExpired, authn.ErrExpired, 2, authn.ErrNotRemembered},
		{"expires", func(e *Entry[string]) error { e.Expires = start.Add(later); return nil }, nil, authn.ErrExpired, 2, authn.ErrNotRemembered},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMemory(8)
			reads := 0
			get := func(now time.Time) error {
				_, err := m.Get(t.Context(), "a", now, func(_ context.Context, e *Entry[string]) error {
					reads++
					e.About("a")
					return tt.ask(e)
				})
				return err
			}
			if got := get(start); !errors.Is(got, tt.first) {
				t.Errorf("first Get: got %v, want %v", got, tt.first)
			}
			if got := get(start.Add(later)); !errors.Is(got, tt.second) {
				t.Errorf("second Get: got %v, want %v", got, tt.second)
			}
			if reads != tt.reads {
				t.Errorf("got %d reads, want %d", reads, tt.reads)
			}
			if _, got := m.Recall("a", start.Add(later)); !errors.Is(got, tt.recall) {
				t.Errorf("Recall: got %v, want %v", got, tt.recall)
			}
		})
	}
}

// A use extends the idle time.
func TestUseExtendsIdle(t *testing.T) {
	m := newMemory(8)
	e := learn(t, m, "a", start, func(e *Entry[string]) { e.Idle = time.Minute })
	m.Use(e, start.Add(time.Minute-1))
	if _, err := m.Recall("a", start.Add(2*time.Minute-2)); err != nil {
		t.Errorf("after a use: got %v, want no error", err)
	}
	if _, err := m.Recall("a", start.Add(2*time.Minute-1)); err != authn.ErrNotRemembered {
		t.Errorf("idle for a minute: got %v, want %v", err, authn.ErrNotRemembered)
	}
}

package recall

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/store"
)

var (
	start   = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	errDown = errors.New("down")
)

func newMemory(size int) *Memory[string] {
	return New[string](Config{
		Size: size, Lease: time.Hour, Timeout: time.Second,
		Touch: func(context.Context, []store.Use) error { return nil }, Grain: time.Minute, Logger: slog.New(slog.DiscardHandler),
	}, nil)
}

// learn has m ask about a token once, and fill in the entry by f.
func learn(t *testing.T, m *Memory[string], token string, now time.Time, f func(*Entry[string])) *Entry[string] {
	t.Helper()
	e, err := m.answer(t.Context(), token, now, func(_ context.Context, e *Entry[string]) error {
		e.About(token)
		e.Value = "of " + token
		e.Seen(now)
		f(e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// An entry ends at its expiry, and when it has gone unseen for Idle.
func TestExpired(t *testing.T) {
	for _, tt := range []struct {
		name       string
		expires    time.Time
		idle       time.Duration
		after      time.Duration
		remembered bool
	}{
		{"never", time.Time{}, 0, time.Hour - 1, true},
		{"not yet", start.Add(time.Minute), 0, time.Minute - 1, true},
		{"expired", start.Add(time.Minute), 0, time.Minute, false},
		{"seen", time.Time{}, time.Minute, time.Minute - 1, true},
		{"idle", time.Time{}, time.Minute, time.Minute, false},
		{"busy, over", start.Add(time.Minute), time.Hour, time.Minute, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMemory(8)
			learn(t, m, "a", start, func(e *Entry[string]) { e.Expires, e.Idle = tt.expires, tt.idle })
			if _, err := m.Recall("a", start.Add(tt.after)); (err == nil) != tt.remembered {
				t.Errorf("remembered %v, want %v", err == nil, tt.remembered)
			}
		})
	}
}

// What was used last stays when there is no room; refusals take none of it.
func TestEviction(t *testing.T) {
	m := newMemory(ways)
	for i := range ways {
		learn(t, m, fmt.Sprint(i), start.Add(time.Duration(i)), func(*Entry[string]) {})
	}
	first, err := m.Recall("0", start)
	if err != nil {
		t.Fatal(err)
	}
	m.Use(first, start)
	for i := range 100 {
		learn(t, m, fmt.Sprint("bad ", i), start, func(e *Entry[string]) { e.Err = errors.New("refused") })
	}
	learn(t, m, "new", start, func(*Entry[string]) {})
	var left []string
	for _, token := range []string{"0", "1", "2", "3", "4", "5", "6", "7", "new"} {
		if _, err := m.Recall(token, start); err == nil {
			left = append(left, token)
		}
	}
	if diff := cmp.Diff([]string{"0", "2", "3", "4", "5", "6", "7", "new"}, left); diff != "" {
		t.Errorf("what is remembered (-want +got):\n%s", diff)
	}
}

// Requests at the same time share one read, and its failure, which is not
// remembered.
func TestFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(8)
		reads := 0
		cause := errors.New("cause")
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				_, err := m.Get(t.Context(), "a", start, func(context.Context, *Entry[string]) error {
					reads++
					time.Sleep(time.Millisecond)
					return cause
				})
				if !errors.Is(err, authn.ErrUnavailable) || !errors.Is(err, cause) {
					t.Errorf("%v, want authn.ErrUnavailable and its cause", err)
				}
			})
		}
		all.Wait()
		if reads != 1 {
			t.Errorf("%d reads, want 1", reads)
		}
		learn(t, m, "a", start, func(*Entry[string]) { reads++ })
		if e, err := m.Recall("a", start); reads != 2 || err != nil || e.Value != "of a" {
			t.Errorf("%v after %d reads, want an entry after 2", e, reads)
		}
	})
}

// A change that is committed while the store is read makes the answer stale on
// arrival, by whichever of its ids.
func TestForget(t *testing.T) {
	for _, id := range []string{"key", "user", "account"} {
		m := newMemory(8)
		learn(t, m, "a", start, func(e *Entry[string]) {
			e.About("key", "user", "account")
			m.Forget(id)
		})
		if _, err := m.Recall("a", start); err != authn.ErrStale {
			t.Errorf("%s: a stale answer is believed", id)
		}
	}
}

// However requests of a token come together, it is read once, also for a request that
// found nothing just before the answer came.
func TestOneRead(t *testing.T) {
	for i := range 2000 {
		m := newMemory(8)
		var reads atomic.Int64
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				e, err := m.Get(t.Context(), "a", start, func(_ context.Context, e *Entry[string]) error {
					reads.Add(1)
					e.About("a")
					e.Value = "of a"
					return nil
				})
				if err != nil || e.Value != "of a" {
					t.Errorf("%v, %v", e, err)
				}
			})
		}
		all.Wait()
		if n := reads.Load(); n != 1 {
			t.Fatalf("round %d: %d reads, want 1", i, n)
		}
	}
}

// changesFunc is a stream.
type changesFunc func(context.Context, store.Watcher) error

func (f changesFunc) Watch(ctx context.Context, w store.Watcher) error { return f(ctx, w) }

// That the stream is lost is told once, and that it is back.
func TestStreamLostAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		watched := 0
		m := New[string](Config{
			Size: 8, Lease: time.Hour, Timeout: time.Second, Grain: time.Minute,
			Touch: func(context.Context, []store.Use) error { return nil },
			Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			}})),
			Changes: changesFunc(func(ctx context.Context, w store.Watcher) error {
				if watched++; watched%3 != 0 { // two fail, one works, and so on
					return errors.New("cut")
				}
				w.Gap()
				w.Alive(time.Now())
				w.Alive(time.Now())
				<-time.After(time.Minute)
				return errors.New("cut again")
			}),
		}, nil)
		ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
		defer stop()
		m.Run(ctx)
		want := `level=ERROR msg="stream of changes lost" err=cut lease=1h0m0s
level=INFO msg="stream of changes is back"
level=ERROR msg="stream of changes lost" err="cut again" lease=1h0m0s
level=INFO msg="stream of changes is back"
`
		if diff := cmp.Diff(want, log.String()); diff != "" {
			t.Errorf("the log (-want +got):\n%s", diff)
		}
	})
}

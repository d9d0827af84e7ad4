package ratelimit

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A store that fails is neither a panic nor a 500, and the client never hears
// the cause. What was admitted meanwhile is charged when it answers again.
func TestFailure(t *testing.T) {
	for _, tt := range []struct {
		name    string
		failure OnOutage
		want    []int // of three requests while it fails
		after   int   // of the first one afterwards
	}{
		{"local", Local, []int{204, 204, 429}, 429},
		{"open", Open, []int{204, 204, 204}, 204},
		{"closed", Closed, []int{503, 503, 503}, 204},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				now := start
				f := &failing{NewMemory(8), errors.New("secret dsn")}
				l := newLimiter(t, Config{
					Store: f, Charge: constant("s", parsed(t, "2-M")), OnOutage: tt.failure,
					Logger: slog.New(slog.NewTextHandler(&log, nil)),
				}, &now)
				var codes []int
				for range 3 {
					w := serve(l, nil)
					codes = append(codes, w.Code)
					if strings.Contains(w.Body.String(), "dsn") {
						t.Errorf("body %s", w.Body)
					}
					if w.Code == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
						t.Error("no Retry-After")
					}
				}
				if diff := cmp.Diff(tt.want, codes); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				f.err = nil
				time.Sleep(2 * probeInterval)
				if w := serve(l, nil); w.Code != tt.after {
					t.Errorf("recovered: got %d, want %d, %v", w.Code, tt.after, w.Header())
				}
				if a, b := strings.Count(log.String(), "store fails"), strings.Count(log.String(), "answers again"); a != 1 || b != 1 {
					t.Errorf("the log says %d and %d times\n%s", a, b, &log)
				}
			})
		})
	}
}

// hanging is a store that does not answer while hangs is open, whatever its context
// says.
type hanging struct {
	Memory *Memory
	hangs  chan struct{} // nil: it answers
	asked  atomic.Int64
}

func (h *hanging) Take(ctx context.Context, t Take, now time.Time) (Decision, error) {
	h.asked.Add(1)
	if h.hangs != nil {
		<-h.hangs
		return Decision{}, errors.New("too late")
	}
	return h.Memory.Take(ctx, t, now)
}

// case L28: a store that hangs costs the first request one time-out, and the others
// nothing, under every policy; a client that has gone waits no longer.
func TestHangingStore(t *testing.T) {
	for _, tt := range []struct {
		name   string
		policy OnOutage
		err    error
	}{{"local", Local, nil}, {"open", Open, nil}, {"closed", Closed, ErrUnavailable}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &hanging{Memory: NewMemory(8), hangs: make(chan struct{})}
				now := start
				l := newLimiter(t, Config{Store: store, OnOutage: tt.policy, Logger: slog.New(slog.DiscardHandler)}, &now)
				plan := parsed(t, "1000-M")
				take := func(ctx context.Context) (time.Duration, error) {
					began := time.Now()
					_, err := l.Take(ctx, "s", plan, 1, now)
					return time.Since(began), err
				}
				gone, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				defer cancel()
				if took, err := take(gone); took != time.Millisecond || !errors.Is(err, ErrUnavailable) {
					t.Errorf("a client that goes after a millisecond waited %v, %v", took, err)
				}
				if took, err := take(t.Context()); took != defaultTimeout || !errors.Is(err, tt.err) {
					t.Errorf("the first request waited %v, want %v; %v", took, defaultTimeout, err)
				}
				for range 500 {
					if took, err := take(t.Context()); took != 0 || !errors.Is(err, tt.err) {
						t.Fatalf("a later request waited %v, %v", took, err)
					}
				}
				if n := store.asked.Load(); n != 2 {
					t.Errorf("the store was asked %d times, want 2", n)
				}
				close(store.hangs)
				synctest.Wait()
				store.hangs = nil
				time.Sleep(2 * probeInterval)
				if took, err := take(t.Context()); took != 0 || err != nil || store.Memory == nil {
					t.Errorf("when it answers again: %v, %v", took, err)
				}
			})
		})
	}
}

// case L28: counters of failures wait no longer, and count all the same.
func TestFailuresOverHangingStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &hanging{Memory: NewMemory(8), hangs: make(chan struct{})}
		f, err := NewFailures(store, parsed(t, "3-M"))
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for range 3 {
			f.Count("203.0.113.9", start)
		}
		if left, _ := f.Peek("203.0.113.9", start); left != 0 || time.Since(began) != defaultTimeout {
			t.Errorf("%d failures left after %v, want 0 after %v", left, time.Since(began), defaultTimeout)
		}
		close(store.hangs)
	})
}

// A store that comes and goes brings no new quota: Local goes on from what the store
// has told, and the store is told what Local has admitted.
func TestFlappingStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &failing{NewMemory(8), nil}
		now := start
		l := newLimiter(t, Config{Store: f, Logger: slog.New(slog.DiscardHandler)}, &now)
		plan, passed := parsed(t, "100-H"), 0
		for i := range 1000 {
			f.err = nil
			if i/10%2 == 1 {
				f.err = errors.New("down")
			}
			if d, err := l.Take(t.Context(), "s", plan, 1, now); err != nil {
				t.Fatal(err)
			} else if d.Allowed {
				passed++
			}
			time.Sleep(50 * time.Millisecond)
		}
		if passed != 100 {
			t.Errorf("%d of 100 an hour passed", passed)
		}
		if d, err := f.Memory.Take(t.Context(), Take{"plan", "s", plan, 0}, now); err != nil || d.States[0].Remaining != 0 {
			t.Errorf("the store knows of %d fewer: %v", d.States[0].Remaining, err)
		}
	})
}

// obedient is a store that gives up with its context, as drivers do.
type obedient struct{ Memory *Memory }

func (o obedient) Take(ctx context.Context, t Take, now time.Time) (Decision, error) {
	if err := ctx.Err(); err != nil {
		return Decision{}, err
	}
	return o.Memory.Take(ctx, t, now)
}

// What Local has admitted is charged to the windows that have not passed when the store
// answers again, and what a store may have charged itself is not charged twice.
func TestDebts(t *testing.T) {
	plan := parsed(t, "10-M, 100-D")
	left := func(store Store, now time.Time) (minute, day int64) {
		d, err := store.Take(t.Context(), Take{"plan", "s", plan, 0}, now)
		if err != nil {
			t.Fatal(err)
		}
		return d.States[0].Remaining, d.States[1].Remaining
	}
	for _, tt := range []struct {
		name        string
		later       time.Duration
		minute, day int64
	}{{"at once", time.Second, 5, 95}, {"an hour later", time.Hour, 9, 95}, {"the next day", 24 * time.Hour, 9, 99}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &failing{NewMemory(8), errors.New("down")}
				now := start
				l := newLimiter(t, Config{Store: f, Logger: slog.New(slog.DiscardHandler)}, &now)
				for range 4 {
					l.Take(t.Context(), "s", plan, 1, now)
				}
				f.err = nil
				time.Sleep(2 * probeInterval)
				now = now.Add(tt.later)
				if d, err := l.Take(t.Context(), "s", plan, 1, now); err != nil || !d.Allowed {
					t.Errorf("got %+v %v", d, err)
				}
				if minute, day := left(f.Memory, now); minute != tt.minute || day != tt.day {
					t.Errorf("%d and %d are left, want %d and %d", minute, day, tt.minute, tt.day)
				}
			})
		})
	}
	t.Run("a take that was slow", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store := &slow{Memory: NewMemory(8)}
			store.by.Store(int64(60 * time.Millisecond))
			now := start
			l := newLimiter(t, Config{Store: store, Logger: slog.New(slog.DiscardHandler)}, &now)
			l.Take(t.Context(), "s", plan, 1, now) // charged after the time-out
			time.Sleep(2 * probeInterval)
			store.by.Store(int64(45 * time.Millisecond))
			began := time.Now()
			l.Take(t.Context(), "s", plan, 1, now)
			if took := time.Since(began); took > defaultTimeout {
				t.Errorf("a request waited %v, want at most %v", took, defaultTimeout)
			}
			synctest.Wait()
			if minute, _ := left(store.Memory, now); minute != 8 {
				t.Errorf("after two takes %d of 10 are left", minute)
			}
		})
	})
}

// case L21: a store that is misconfigured answers, so it never counts as down.
func TestMisconfiguredIsNotDown(t *testing.T) {
	now := start
	l := newLimiter(t, Config{Store: &failing{nil, ErrMisconfigured}, OnOutage: Open, Logger: slog.New(slog.DiscardHandler)}, &now)
	for i := range 10 {
		if _, err := l.Take(t.Context(), "s", parsed(t, "5-M"), 1, now); !errors.Is(err, ErrMisconfigured) {
			t.Errorf("take %d: got %v", i, err)
		}
	}
}

// What a subject owes under one plan is paid when it comes with another one.
func TestDebtsAcrossPlans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &failing{NewMemory(8), errors.New("down")}
		now := start
		l := newLimiter(t, Config{Store: f, Logger: slog.New(slog.DiscardHandler)}, &now)
		for range 10 {
			l.Take(t.Context(), "s", parsed(t, "10-M"), 1, now) // parsed anew each time
		}
		f.err = nil
		time.Sleep(2 * probeInterval)
		if d, err := l.Take(t.Context(), "s", parsed(t, "10-M"), 1, now); err != nil || d.Allowed {
			t.Errorf("an eleventh take of 10 a minute: %+v %v", d, err)
		}
	})
}

// slow is a store that answers late.
type slow struct {
	*Memory
	by atomic.Int64 // ns
}

func (s *slow) Take(ctx context.Context, t Take, now time.Time) (Decision, error) {
	<-time.After(time.Duration(s.by.Load()))
	return s.Memory.Take(ctx, t, now)
}

// A client that hangs up is counted all the same, and is no failure of the
// store: hanging up would be a way around the limit otherwise.
func TestHangUpIsCounted(t *testing.T) {
	for _, tt := range []struct {
		name   string
		policy OnOutage
	}{{"local", Local}, {"open", Open}, {"closed", Closed}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				now := start
				l := newLimiter(t, Config{
					Store: obedient{NewMemory(0)}, Charge: constant("s", parsed(t, "2-M")), OnOutage: tt.policy,
					Logger: slog.New(slog.NewTextHandler(&log, nil)),
				}, &now)
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				for range 3 {
					l.Check(httptest.NewRequestWithContext(ctx, "GET", "/", nil))
					synctest.Wait() // what nobody waits for has gone on
				}
				if _, d, err := l.Check(httptest.NewRequest("GET", "/", nil)); !errors.Is(err, ErrExceeded) || log.Len() > 0 {
					t.Errorf("after three clients that hung up, of 2 a minute: %+v, error %v, log %q", d, err, &log)
				}
			})
		})
	}
}

package retention_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/internal/retention"
	"medtwin.ai/tollgate/store"
)

// old is what there is to prune in one store, and what was asked of it.
type old struct {
	mu     sync.Mutex
	left   int
	fails  error
	before []time.Time
	most   int
}

func (o *old) Prune(_ context.Context, before time.Time, most int) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fails != nil {
		return 0, o.fails
	}
	o.before, o.most = append(o.before, before), max(o.most, most)
	n := min(o.left, most)
	o.left -= n
	return n, nil
}

// The four of them, each with the Prune of old.
type (
	oldSessions struct {
		store.Sessions
		*old
	}
	oldKeys struct {
		store.KeyAdmin
		*old
	}
	oldEvents struct {
		store.Events
		*old
	}
	oldInvitations struct {
		store.Invitations
		*old
	}
)

func (o oldSessions) Prune(ctx context.Context, before time.Time, most int) (int, error) {
	return o.old.Prune(ctx, before, most)
}
func (o oldKeys) Prune(ctx context.Context, before time.Time, most int) (int, error) {
	return o.old.Prune(ctx, before, most)
}
func (o oldEvents) Prune(ctx context.Context, before time.Time, most int) (int, error) {
	return o.old.Prune(ctx, before, most)
}
func (o oldInvitations) Prune(ctx context.Context, before time.Time, most int) (int, error) {
	return o.old.Prune(ctx, before, most)
}

// What has a retention is pruned to the end, in batches; what has none is kept,
// and one store that fails keeps no other from it.
func TestPruner(t *testing.T) {
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	down := errors.New("down")
	tests := []struct {
		name                string
		keep                [4]time.Duration // sessions, keys, events, invitations
		fails               [4]error
		left                [4]int
		wantLeft, wantCalls [4]int
		wantErr             error
	}{
		{name: "all", keep: [4]time.Duration{30 * day, 400 * day, 400 * day, 30 * day}, left: [4]int{1, 1000, 2500, 7}, wantCalls: [4]int{1, 2, 3, 1}},
		{name: "never", left: [4]int{5, 5, 5, 5}, wantLeft: [4]int{5, 5, 5, 5}},
		{name: "some", keep: [4]time.Duration{0, 400 * day, 0}, left: [4]int{5, 5, 5, 5}, wantLeft: [4]int{5, 0, 5, 5}, wantCalls: [4]int{0, 1, 0, 0}},
		{name: "one fails", keep: [4]time.Duration{day, day, day, day}, fails: [4]error{down}, left: [4]int{5, 5, 5, 5},
			wantLeft: [4]int{5, 0, 0, 0}, wantCalls: [4]int{0, 1, 1, 1}, wantErr: down},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var of [4]*old
			for i := range of {
				of[i] = &old{left: tt.left[i], fails: tt.fails[i]}
			}
			p := retention.Pruner{
				Sessions: oldSessions{old: of[0]}, KeepSessions: tt.keep[0], Keys: oldKeys{old: of[1]}, KeepKeys: tt.keep[1],
				Events: oldEvents{old: of[2]}, KeepEvents: tt.keep[2], Invitations: oldInvitations{old: of[3]}, KeepInvitations: tt.keep[3],
			}
			if err := p.Prune(t.Context(), now); !errors.Is(err, tt.wantErr) {
				t.Errorf("got %v, want %v", err, tt.wantErr)
			}
			var left, calls [4]int
			for i, o := range of {
				left[i], calls[i] = o.left, len(o.before)
				for _, before := range o.before {
					if want := now.Add(-tt.keep[i]); !before.Equal(want) {
						t.Errorf("store %d: got before %v, want %v", i, before, want)
					}
				}
				if o.most > 1000 {
					t.Errorf("store %d: got a batch of %d", i, o.most)
				}
			}
			if d := cmp.Diff(tt.wantLeft, left); d != "" {
				t.Errorf("left (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tt.wantCalls, calls); d != "" {
				t.Errorf("calls (-want +got):\n%s", d)
			}
		})
	}
}

// Run prunes at once and every hour, also after a failure, and ends with its
// context.
func TestPrunerRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &old{fails: errors.New("down")}
		p := retention.Pruner{Events: oldEvents{old: o}, KeepEvents: time.Hour} // the others are kept elsewhere
		if err := p.Prune(t.Context(), time.Now()); err == nil || !strings.Contains(err.Error(), "events not pruned") {
			t.Errorf("got %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- p.Run(ctx) }()
		synctest.Wait()
		o.mu.Lock()
		o.fails = nil
		o.mu.Unlock()
		time.Sleep(2*time.Hour + time.Minute)
		synctest.Wait()
		if got, want := len(o.before), 2; got != want {
			t.Errorf("got %d calls, want %d", got, want)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	})
}

package recall

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"medtwin.ai/tollgate/store"
)

// A stream that is alive, but does not tell of a change, renews an answer until
// its greatest age, which MaxDelay states. Answers that were read together are not
// all read again together. case K24
func TestMaxAge(t *testing.T) {
	tests := []struct {
		name        string
		lease, age  time.Duration
		outage      time.Duration
		down        time.Duration // when the store is lost; 0: never
		soonest     time.Duration
		latest      time.Duration
		differently int // at least so many times at which answers end
	}{
		{name: "default", lease: 5 * time.Second, soonest: 45 * time.Second, latest: time.Minute, differently: 10},
		{name: "chosen", lease: time.Second, age: 20 * time.Second, soonest: 15 * time.Second, latest: 20 * time.Second, differently: 10},
		{name: "no longer than the lease", lease: time.Hour, soonest: time.Hour, latest: time.Hour, differently: 1},
		{name: "an outage lease while the store is up", lease: time.Second, age: 20 * time.Second, outage: time.Minute,
			soonest: 15 * time.Second, latest: 20 * time.Second, differently: 10},
		{name: "an outage before they have it", lease: time.Second, age: 20 * time.Second, outage: time.Minute, down: 14 * time.Second,
			soonest: 80 * time.Second, latest: 80 * time.Second, differently: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			const tokens = 50
			up := true
			changed := func(_ context.Context, _ string, e *Entry[string]) error {
				if !up {
					return errDown
				}
				e.About("somebody else")
				e.Value = "another"
				return nil
			}
			m := New[string](Config{
				Size: 8 * tokens, Lease: tt.lease, MaxAge: tt.age, OutageLease: tt.outage, Timeout: time.Second,
				Changes: changesFunc(nil), Touch: func(context.Context, []store.Use) error { return nil }, Grain: time.Minute,
				Logger: slog.New(slog.DiscardHandler),
			}, changed)
			m.fresh.base = start.Add(-time.Hour)
			for i := range tokens {
				learn(t, m, fmt.Sprint(i), start, func(*Entry[string]) {})
			}
			step := tt.latest / 400
			ends := make(map[time.Duration]int)
			ended := make(map[string]bool)
			for at := step; at <= tt.latest+tt.outage+step; at += step {
				now := start.Add(at)
				m.fresh.Alive(now)
				up = tt.down == 0 || at < tt.down
				for i := range tokens {
					token := fmt.Sprint(i)
					e, _ := m.Recall(token, now)
					if !ended[token] && (e == nil || e.Value != "of "+token) {
						ended[token] = true
						ends[at]++
					}
				}
			}
			soonest, latest := time.Duration(1<<62), time.Duration(0)
			for at := range ends {
				soonest, latest = min(soonest, at), max(latest, at)
			}
			if len(ended) != tokens || soonest < tt.soonest-step || latest > tt.latest+step {
				t.Errorf("%d of %d ended, from %v to %v, want all from %v to %v", len(ended), tokens, soonest, latest, tt.soonest, tt.latest)
			}
			if len(ends) < tt.differently {
				t.Errorf("they ended at %d times, want %d or more", len(ends), tt.differently)
			}
			if got := m.MaxDelay(); latest > got+step {
				t.Errorf("the last ended after %v, and the stated bound is %v", latest, got)
			}
		})
	}
}

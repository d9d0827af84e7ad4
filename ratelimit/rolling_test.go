package ratelimit

import (
	"context"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// start is a Tuesday, not on any whole unit.
var start = time.Date(2026, time.March, 10, 12, 34, 56, 789_123_457, time.UTC)

func mustPlan(t testing.TB, name string, limits ...Limit) *Plan {
	t.Helper()
	p, err := NewPlan(name, limits...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func parsed(t testing.TB, notation string) *Plan {
	t.Helper()
	p, err := ParsePlan("test", notation)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func rollingPlan(t testing.TB, quota int64, window time.Duration) *Plan {
	t.Helper()
	return mustPlan(t, "test", Limit{Name: "w", Quota: quota, Window: window, Kind: Rolling})
}

// takeOne takes cost of subject "s".
func takeOne(t testing.TB, s Store, p *Plan, cost int64, now time.Time) Decision {
	t.Helper()
	d, err := s.Take(context.Background(), Take{Scope: "test", Subject: "s", Plan: p, Cost: cost}, now)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// drain takes 1 until it is refused and returns how often it was not.
func drain(t testing.TB, s Store, p *Plan, now time.Time) (n int) {
	t.Helper()
	for takeOne(t, s, p, 1, now).Allowed {
		n++
	}
	return n
}

// arrivals are ways in which a client may behave: how long until its next use.
var arrivals = []struct {
	name string
	next func(r *rand.Rand, window time.Duration, quota int64) time.Duration
}{
	{"greedy", func(r *rand.Rand, w time.Duration, n int64) time.Duration {
		return 1 + time.Duration(r.Int64N(1+int64(w)/(4*n)))
	}},
	{"about paced", func(r *rand.Rand, w time.Duration, n int64) time.Duration {
		return time.Duration(int64(w)/n + r.Int64N(7) - 3)
	}},
	{"bursts", func(r *rand.Rand, w time.Duration, n int64) time.Duration {
		if r.Int64N(2*n) == 0 {
			return time.Duration(r.Int64N(2 * int64(w)))
		}
		return time.Duration(r.Int64N(3))
	}},
	{"at the edges", func(r *rand.Rand, w time.Duration, n int64) time.Duration {
		return []time.Duration{0, 1, w - 1, w, w/16 - 1, w / 16, w/16 + 1, w / 60000}[r.IntN(8)]
	}},
}

// A use of the quota, to replay.
type use struct {
	at   time.Time
	cost int64
}

// checkRolling fails if any period holds more than the quota.
func checkRolling(t *testing.T, uses []use, quota int64, window time.Duration) {
	t.Helper()
	var sum int64
	first := 0
	for i, u := range uses {
		sum += u.cost
		for u.at.Sub(uses[first].at) >= window {
			sum -= uses[first].cost
			first++
		}
		if sum > quota {
			t.Fatalf("use %d: %d within %v, quota %d", i, sum, u.at.Sub(uses[first].at), quota)
		}
	}
}

// A refusal must be justified: the quota was used up within a period and what
// the shape may hold back beyond it, which is two ticks or a sub-window.
func checkRefusal(t *testing.T, uses []use, w *window, quota, cost int64, now time.Time) {
	t.Helper()
	slack := time.Duration(w.step)
	if w.shape >= ringShape {
		slack = 2 * time.Duration(w.ns(1))
	}
	var held int64
	for i := len(uses) - 1; i >= 0 && now.Sub(uses[i].at) < time.Duration(w.period)+slack; i-- {
		held += uses[i].cost
	}
	if held+cost <= quota {
		t.Fatalf("refused %d of %d, of which only %d are used", cost, quota, held)
	}
}

// case L2, case L9 (never more than the bound), case L20 (a window of 1 ms)
func TestRollingNeverExceeds(t *testing.T) {
	quotas := []int64{1, 2, 3, 7, 10, 31, 33, 59, 60, 63, 64, 65, 66, 100, 1000}
	windows := []time.Duration{time.Millisecond, 7 * time.Millisecond, time.Second, time.Minute, month}
	for _, tt := range arrivals {
		t.Run(tt.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			for _, quota := range quotas {
				for _, window := range windows {
					m := NewMemory(8)
					p := rollingPlan(t, quota, window)
					var uses []use
					now := start
					for range 500 {
						now = now.Add(tt.next(r, window, quota))
						cost := int64(1)
						if r.IntN(4) == 0 {
							cost = 1 + r.Int64N(quota)
						}
						if d := takeOne(t, m, p, cost, now); d.Allowed {
							uses = append(uses, use{now, cost})
						} else {
							checkRefusal(t, uses, &p.windows[0], quota, cost, now)
							checkRetry(t, m, p, cost, now, d.Retry)
						}
					}
					checkRolling(t, uses, quota, window)
				}
			}
		})
	}
}

// checkRetry holds Retry to the nanosecond, and leaves m as it was.
func checkRetry(t *testing.T, m *Memory, p *Plan, cost int64, now time.Time, retry time.Duration) {
	t.Helper()
	if retry <= 0 {
		t.Fatalf("refused with Retry %v", retry)
	}
	words := slices.Clone(m.narrow.stripes[0])
	if d := takeOne(t, m, p, cost, now.Add(retry-1)); d.Allowed {
		t.Fatalf("%d passes before Retry %v", cost, retry)
	}
	if d := takeOne(t, m, p, cost, now.Add(retry)); !d.Allowed {
		t.Fatalf("%d does not pass after Retry %v, but after %v more", cost, retry, d.Retry)
	}
	copy(m.narrow.stripes[0], words)
}

// A client that paces itself at exactly the limit is never refused, whatever
// the phase in which it begins.
func TestPacedNeverRefused(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for quota := int64(1); quota <= maxRing; quota++ {
		for _, window := range []time.Duration{time.Second, time.Minute, time.Hour} {
			if int64(window)%quota != 0 {
				continue
			}
			t.Run(fmt.Sprintf("%d per %v", quota, window), func(t *testing.T) {
				m := NewMemory(8)
				p := rollingPlan(t, quota, window)
				now := start.Add(time.Duration(r.Int64N(int64(time.Hour))))
				for i := range 5 * quota {
					if !takeOne(t, m, p, 1, now).Allowed {
						t.Fatalf("request %d was refused", i)
					}
					now = now.Add(window / time.Duration(quota))
				}
			})
		}
	}
}

// The plans of seed 000, for hours, with the day that fits them.
func TestPacedForHours(t *testing.T) {
	for _, quota := range []int64{10, 60} {
		for phase := range time.Duration(3) {
			m := NewMemory(8)
			p := parsed(t, fmt.Sprintf("%d-M, 100000-D", quota))
			now := start.Add(phase * 123_456_789)
			for i := range 3 * 60 * quota {
				if !takeOne(t, m, p, 1, now).Allowed {
					t.Fatalf("%d a minute: request %d was refused", quota, i)
				}
				now = now.Add(time.Minute / time.Duration(quota))
			}
		}
	}
}

// A client that tries all the time gets nearly everything it is entitled to.
func TestGreedyShare(t *testing.T) {
	for _, quota := range []int64{1, 10, 60, 64, 65, 100, 1000} {
		m := NewMemory(8)
		p := rollingPlan(t, quota, time.Minute)
		const periods = 30
		got := 0
		for now := start; now.Before(start.Add(periods * time.Minute)); {
			d := takeOne(t, m, p, 1, now)
			if d.Allowed {
				got++
			} else {
				now = now.Add(d.Retry)
			}
		}
		if share := float64(got) / float64(quota*periods); share < 0.94 || share > 1 {
			t.Errorf("%d a minute: got %.3f of the quota", quota, share)
		}
	}
}

// A ring that is never empty keeps its phase for ever, so its ticks grow.
func TestRingForACentury(t *testing.T) {
	for _, window := range []time.Duration{month, time.Hour} {
		m := NewMemory(8)
		p := rollingPlan(t, 2, window)
		now := start
		takeOne(t, m, p, 1, now)
		w := &p.windows[0]
		rec := m.record(t, "s")
		// As if it had been in use since then: the newest entry stays now's.
		const years = 140 * 365 * 24 * time.Hour
		rec[w.start+1] -= uint64(years)
		hi, lo := bits.Mul64(uint64(years), w.ticks)
		tick, rest := bits.Div64(hi, lo, uint64(window))
		if rest > 0 {
			tick++
		}
		rec[w.start+ringWords] = uint64(uint16(tick))
		if d := takeOne(t, m, p, 1, now); !d.Allowed {
			t.Fatalf("refused: %+v", d)
		}
		d := takeOne(t, m, p, 1, now)
		if slack := 2 * time.Duration(w.ns(1)); d.Allowed || d.Retry < window || d.Retry > window+slack {
			t.Fatalf("%+v, want Retry %v", d, window)
		}
		checkRetry(t, m, p, 1, now, d.Retry)
	}
}

// record returns the words kept of a subject of scope "test".
func (m *Memory) record(t *testing.T, subject string) []uint64 {
	t.Helper()
	rec, _ := m.find(0, m.identify("test", subject))
	if rec == nil {
		t.Fatalf("no record of %q", subject)
	}
	return rec
}

// case L9: whatever the clock does, nothing is freed early and no figure is
// negative.
func TestWanderingClock(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, notation := range []string{"5-S", "100-S", "5-M, 100-D", "70-M, 100-D"} {
		m := NewMemory(8)
		p := parsed(t, notation)
		now, latest := start, start
		var uses []use
		for range 8000 {
			step := time.Duration(r.Int64N(int64(time.Second)))
			if r.IntN(3) == 0 {
				step = -step
			}
			now = now.Add(step)
			d := takeOne(t, m, p, 1, now)
			for i := range p.limits {
				if s := d.States[i]; s.Remaining < 0 || s.Reset < 0 || s.Retry < 0 {
					t.Fatalf("%s: state %+v", notation, s)
				}
			}
			if latest.Before(now) {
				latest = now
			}
			if d.Allowed {
				uses = append(uses, use{latest, 1})
			} else if d.Retry <= 0 {
				t.Fatalf("%s: refused with Retry %v", notation, d.Retry)
			}
		}
		checkRolling(t, uses, p.limits[0].Quota, p.limits[0].Window)
	}
}

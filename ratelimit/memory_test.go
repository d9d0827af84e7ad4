package ratelimit

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// case L15
func TestRace(t *testing.T) {
	for _, notation := range []string{"60-M, 10000-D", "100-M, 10000-D", "100-D", "60-S, 60-M, 60-H, 60-D"} {
		m := NewMemory(8)
		p := parsed(t, notation)
		var allowed atomic.Int64
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				for range 125 {
					if takeOne(t, m, p, 1, start).Allowed {
						allowed.Add(1)
					}
				}
			})
		}
		group.Wait()
		if got := allowed.Load(); got != p.limits[0].Quota {
			t.Errorf("%s: %d of 1,000 racing takes passed", notation, got)
		}
	}
}

// Two plans of different sizes race for one subject: it stays one.
func TestRaceOfPlans(t *testing.T) {
	m := NewMemory(8)
	plans := []*Plan{parsed(t, "50-M"), parsed(t, "50-M, 60-H, 1000-D"), parsed(t, "50-M, 1000-D")}
	var allowed atomic.Int64
	var group sync.WaitGroup
	for i := range 6 {
		group.Go(func() {
			for range 100 {
				if takeOne(t, m, plans[i%3], 1, start).Allowed {
					allowed.Add(1)
				}
			}
		})
	}
	group.Wait()
	if got := allowed.Load(); got != 50 {
		t.Errorf("%d racing takes passed, want 50", got)
	}
}

// case L10
func TestOverflow(t *testing.T) {
	m := NewMemory(8)
	p := mustPlan(t, "test",
		Limit{Quota: math.MaxInt64, Window: day},
		Limit{Quota: math.MaxInt64, Kind: Monthly})
	if d := takeOne(t, m, p, math.MaxInt64-1, start); !d.Allowed || d.States[0].Remaining != 1 {
		t.Fatalf("all but one: %+v", d)
	}
	if d := takeOne(t, m, p, math.MaxInt64, start); d.Allowed || d.Never || d.Retry <= 0 {
		t.Fatalf("all again: %+v", d)
	}
	if d := takeOne(t, m, p, 1, start); !d.Allowed || d.States[1].Remaining != 0 {
		t.Fatalf("the last: %+v", d)
	}
	if d := takeOne(t, m, p, 1, start); d.Allowed {
		t.Fatalf("one more: %+v", d)
	}
	// Down to the smallest quota.
	if d := takeOne(t, m, parsed(t, "1-D"), 1, start); d.Allowed || d.States[0].Remaining != 0 || d.Retry <= 0 {
		t.Fatalf("after the downgrade: %+v", d)
	}

	big := rollingPlan(t, maxRolling, time.Hour)
	m = NewMemory(8)
	if d := takeOne(t, m, big, maxRolling-1, start); !d.Allowed || d.States[0].Remaining != 1 {
		t.Fatalf("rolling: %+v", d)
	}
	if d := takeOne(t, m, big, 2, start); d.Allowed {
		t.Fatalf("rolling, too much: %+v", d)
	}
	if d := takeOne(t, m, big, math.MaxInt64, start); d.Allowed || !d.Never {
		t.Fatalf("rolling, never: %+v", d)
	}
}

// case L10: instants at the ends of what a time.Time can hold.
func TestFarAwayTimes(t *testing.T) {
	for _, notation := range []string{"5-M", "100-M", "5-D", "5-S, 100-M, 200-D"} {
		m := NewMemory(8)
		p := parsed(t, notation)
		past := 0
		for _, now := range []time.Time{{}, time.Unix(0, 0), start, start.AddDate(100, 0, 0), start.AddDate(5000, 0, 0), {}} {
			d := takeOne(t, m, p, 1, now)
			if d.States[0].Remaining < 0 || d.States[0].Reset < 0 || d.Retry < 0 {
				t.Errorf("%s at %v: %+v", notation, now, d)
			}
			if now.IsZero() {
				past++
			}
			if past == 2 && d.States[0].Remaining > p.limits[0].Quota-2 {
				t.Errorf("%s: going back freed quota: %+v", notation, d)
			}
		}
	}
}

// case L7 (abusers are not forgotten when the table overflows)
func TestFloodKeepsTheLimited(t *testing.T) {
	const size = 1024
	m := NewMemory(size)
	p := parsed(t, "10-M, 100-D")
	ctx := context.Background()
	limited := make([]string, size/16)
	for i := range limited {
		limited[i] = "limited" + strconv.Itoa(i)
		for range 10 {
			m.Take(ctx, Take{"test", limited[i], p, 1}, start)
		}
	}
	for i := range 40 * size {
		if d, _ := m.Take(ctx, Take{"test", "flood" + strconv.Itoa(i), p, 1}, start); !d.Allowed {
			t.Fatalf("flood %d was refused", i)
		}
	}
	for _, s := range limited {
		if d, _ := m.Take(ctx, Take{"test", s, p, 1}, start); d.Allowed {
			t.Errorf("%s was forgotten", s)
		}
	}
	if got, want := held(&m.narrow), size*256; got > want || got < size*250 {
		t.Errorf("the table takes %d bytes, want at most %d", got, want)
	}
}

// Records that count nothing any more are the first to go, however much they
// had used.
func TestExpiredGoFirst(t *testing.T) {
	m := NewMemory(ways) // two sets of eight places
	p := parsed(t, "10-M")
	ctx := context.Background()
	m.Take(ctx, Take{"test", "old", p, 10}, start)
	now := start.Add(2 * time.Minute)
	for i := range 2 * ways {
		m.Take(ctx, Take{"test", "new" + strconv.Itoa(i), p, 1}, now)
	}
	for i := range 2 * ways {
		if d, _ := m.Take(ctx, Take{"test", "new" + strconv.Itoa(i), p, 0}, now); d.States[0].Remaining != 9 {
			t.Errorf("new%d was forgotten", i)
		}
	}
}

// case L4 (subject part): whatever key is used, the account is charged.
// case L3: another environment, limit or scope is another counter.
func TestCountersHangOnTheSubject(t *testing.T) {
	m := NewMemory(0)
	p := parsed(t, "10-M")
	ctx := context.Background()
	for i, id := range []string{"key_1", "key_2", "key_2 rotated", "KEY_2"} {
		d, _ := m.Take(ctx, Take{"plan", "acct_1/live", p, 1}, start)
		if want := int64(9 - i); d.States[0].Remaining != want {
			t.Errorf("%s: %d remain, want %d", id, d.States[0].Remaining, want)
		}
	}
	for _, other := range []Take{
		{"plan", "acct_1/test", p, 1},
		{"plan", "acct_2/live", p, 1},
		{"plan/own", "acct_1/live", p, 1},
		{"plan", "acct_1/live", parsed(t, "10-H"), 1}, // another window
	} {
		if d, _ := m.Take(ctx, other, start); d.States[0].Remaining != 9 {
			t.Errorf("%s %s: %d remain, want 9", other.Scope, other.Subject, d.States[0].Remaining)
		}
	}
}

// case L6, case L14: through every pair of shapes, usage is what it was.
func TestPlanChangeKeepsUsage(t *testing.T) {
	quotas := []int64{5, 20, 60, 64, 65, 100, 100000}
	for _, from := range quotas {
		for _, to := range quotas {
			for _, rest := range []string{"", ", 100000-D", ", 100000-H, 100000-D"} {
				m := NewMemory(8)
				before := parsed(t, fmt.Sprintf("%d-M", from))
				after := parsed(t, fmt.Sprintf("%d-M%s", to, rest))
				for i := range int64(4) {
					takeOne(t, m, before, 1, start.Add(time.Duration(i)*10*time.Second))
				}
				now := start.Add(31 * time.Second)
				d := takeOne(t, m, after, 1, now)
				if !d.Allowed || d.States[0].Remaining != to-5 {
					t.Fatalf("%s → %s: %+v", before, after, d)
				}
				// The first use was a minute ago, or a sixteenth more.
				now = start.Add(time.Minute * 18 / 16)
				if d := takeOne(t, m, after, 0, now); d.States[0].Remaining != to-4 {
					t.Errorf("%s → %s: %d remain after a period", before, after, d.States[0].Remaining)
				}
				if d := takeOne(t, m, before, 0, now); d.States[0].Remaining != from-4 {
					t.Errorf("%s → %s and back: %d remain after a period", before, after, d.States[0].Remaining)
				}
			}
		}
	}
}

// case L14: whatever the history of plans, no period holds more than the
// largest quota, and each plan refuses beyond its own.
func TestRandomPlanChanges(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	var plans []*Plan
	for _, n := range []string{"3-S", "50-S", "64-S", "90-S", "10-S, 20-M, 30-H, 40-D", "64-S, 64-M, 64-H, 64-D", "70-S, 100-M"} {
		plans = append(plans, parsed(t, n))
	}
	m := NewMemory(8)
	var uses []use
	now := start
	for range 20000 {
		now = now.Add(time.Duration(r.Int64N(int64(time.Second) / 100)))
		p := plans[r.IntN(len(plans))]
		d := takeOne(t, m, p, 1, now)
		if d.Allowed {
			uses = append(uses, use{now, 1})
			inWindow := 0
			for i := len(uses) - 1; i >= 0 && now.Sub(uses[i].at) < time.Second; i-- {
				inWindow++
			}
			if int64(inWindow) > p.limits[0].Quota {
				t.Fatalf("%s: %d within a second", p, inWindow)
			}
		}
		for i := range p.limits {
			if d.States[i].Remaining < 0 {
				t.Fatalf("%s: %+v", p, d)
			}
		}
	}
	if len(uses) < 1000 {
		t.Fatalf("only %d were allowed", len(uses))
	}
}

// case L16 (no refunds yet): a peek changes not a single word.
func TestPeekAndRefusalWriteNothing(t *testing.T) {
	m := NewMemory(8)
	p := parsed(t, "5-M, 100-D")
	drain(t, m, p, start)
	before := string(fmt.Append(nil, m.narrow.stripes))
	for i := range 120 {
		now := start.Add(time.Duration(i-60) * 900 * time.Millisecond)
		takeOne(t, m, p, 0, now)
		takeOne(t, m, p, 1, start)
		takeOne(t, m, p, 1000, now)
		takeOne(t, m, parsed(t, "200-M"), 0, now)
		takeOne(t, m, parsed(t, "5-M, 5-H, 5-D"), 0, now)
	}
	if string(fmt.Append(nil, m.narrow.stripes)) != before {
		t.Error("a peek or a refusal has changed the table")
	}
	m.Take(context.Background(), Take{"test", "unknown", p, 0}, start)
	if string(fmt.Append(nil, m.narrow.stripes)) != before {
		t.Error("a peek has added a subject")
	}
}

func TestTakeDoesNotAllocate(t *testing.T) {
	ctx := context.Background()
	for _, notation := range []string{"60-M, 10000-D", "600-M, 10000-D", "10-S, 60-M, 60-H, 60-D"} {
		m := NewMemory(0)
		p := parsed(t, notation)
		now := start
		if n := testing.AllocsPerRun(1000, func() {
			m.Take(ctx, Take{"test", "s", p, 1}, now)
			now = now.Add(time.Second)
		}); n != 0 {
			t.Errorf("%s: %v allocations", notation, n)
		}
	}
}

// case L24: nothing runs behind a store or a limiter. A goroutine left over
// would keep the bubble from ending.
func TestNoGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := parsed(t, "5-M")
		for range 10 {
			l, err := New(Config{Store: NewMemory(8), Charge: constant("s", p)})
			if err != nil {
				t.Fatal(err)
			}
			serve(l, nil)
			if _, err := NewFailures(nil, p); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// held is how many bytes a table has.
func held(t *table) (bytes int) {
	for _, stripe := range t.stripes {
		bytes += 8 * len(stripe)
	}
	return bytes
}

func TestNewMemorySizes(t *testing.T) {
	for _, tt := range []struct{ keys, want int }{{-1, 65536}, {0, 65536}, {1, 1}, {8, 8}, {9, 9}, {1000, 1000}, {1 << 14, 1 << 14}, {100_000, 100_000}} {
		places := held(&NewMemory(tt.keys).narrow) / (8 * (1 + narrowSlot))
		if places < tt.want*5/4 || places > tt.want*13/10+ways*mostLocks/4 {
			t.Errorf("NewMemory(%d) has %d places, want a quarter more than %d", tt.keys, places, tt.want)
		}
	}
}

// case L29: a store for n keys holds n live ones. Small stores are filled several
// times, because a few keys more or less are chance.
func TestHoldsItsKeys(t *testing.T) {
	p := parsed(t, "60-M, 10000-D")
	for _, keys := range []int{1000, 65536} {
		lost, all := 0, 0
		for all < 50_000 {
			m := NewMemory(keys)
			for i := range keys {
				m.Take(t.Context(), Take{"test", strconv.Itoa(i), p, 1}, start)
			}
			for i := range keys {
				if d, _ := m.Take(t.Context(), Take{"test", strconv.Itoa(i), p, 0}, start); d.States[0].Remaining != 59 {
					lost++
				}
			}
			all += keys
			if per := float64(held(&m.narrow)) / float64(keys); per > 256 && keys >= 4096 {
				t.Errorf("%d keys take %.0f bytes each, want at most 256", keys, per)
			}
			if held(&m.wide) != 0 {
				t.Errorf("the second table has %d bytes, and no key needs it", held(&m.wide))
			}
		}
		if lost > all/1000 {
			t.Errorf("stores for %d keys have forgotten %d of %d live ones, want at most one in a thousand", keys, lost, all)
		}
		t.Logf("stores for %d keys have forgotten %d of %d", keys, lost, all)
	}
}

// case L27: a subject whose plan alternates loses no usage.
func TestAlternatingPlans(t *testing.T) {
	plans := []*Plan{parsed(t, "10-M"), parsed(t, "100-D"), parsed(t, "64-S, 64-H"), parsed(t, "200-M, 500-H"), parsed(t, "60-M, 100-D")}
	m := NewMemory(8)
	day := 0 // admitted under the plans that have 100 a day
	now := start
	for i := range 5000 {
		p := plans[i%len(plans)]
		if d := takeOne(t, m, p, 1, now); d.Allowed && (i%len(plans) == 1 || i%len(plans) == 4) {
			day++
		}
		now = now.Add(2 * time.Second)
	}
	if day != 100 {
		t.Errorf("%d passed under 100 a day, beside other plans", day)
	}
}

// case L26: limiters of one name on one store would share counters, so that is refused.
// Different windows of one subject count apart.
func TestOneNameOnOneStore(t *testing.T) {
	m := NewMemory(8)
	if _, err := New(Config{Store: m}); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{Store: m}); err == nil || !strings.Contains(err.Error(), "give each of them a Name") {
		t.Errorf("a second limiter of the same name: got %v", err)
	}
	if _, err := New(Config{Store: m, Name: "other"}); err != nil {
		t.Errorf("another name: got %v", err)
	}
	if _, err := NewFailures(m, parsed(t, "5-M")); err != nil {
		t.Fatal(err)
	}
	if _, err := NewFailures(m, parsed(t, "5-M")); err == nil {
		t.Error("a second counter of failures was made on one store")
	}
	minute, day := parsed(t, "10-M"), parsed(t, "100-D")
	passed := 0
	for range 1000 {
		if takeOne(t, m, minute, 1, start).Allowed && takeOne(t, m, day, 1, start).Allowed {
			passed++
		}
	}
	if passed != 10 {
		t.Errorf("%d passed 10 a minute around 100 a day", passed)
	}
}

// Takes that cannot be meant are errors, not decisions.
func TestTakesThatCannotBe(t *testing.T) {
	m := NewMemory(8)
	for _, tt := range []struct {
		name string
		take Take
		want error
	}{
		{"no plan", Take{"test", "s", nil, 1}, errNoPlan},
		{"a plan without limits", Take{"test", "s", &Plan{}, 1}, errNoPlan},
		{"no subject", Take{"test", "", parsed(t, "5-M"), 1}, errNoSubject},
		{"a negative cost", Take{"test", "s", parsed(t, "5-M"), -1}, errNoValue},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := m.Take(t.Context(), tt.take, start); err != tt.want {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

package limittest

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"medtwin.ai/tollgate/ratelimit"
)

// cases returns the checks in the order of the rules.
func cases() []testCase {
	return []testCase{
		{1, "all limits are charged or none", allOrNone},
		{2, "a refusal changes nothing", refusalIsFree},
		{3, "a peek changes nothing", peekIsFree},
		{4, "a cost above the quota never passes", never},
		{5, "rolling windows never exceed their quota", rolling},
		{6, "calendar windows follow their zone", calendarDay},
		{6, "billing months follow their day", billingMonth},
		{7, "Retry and Reset are honest", honest},
		{8, "Remaining counts down and is never negative", remaining},
		{9, "counters are not shared", apart},
		{10, "a clock going back frees nothing", backwards},
		{11, "a change of plan keeps usage", planChange},
		{12, "concurrent takes get exactly the quota", concurrent},
		{13, "Binding is the limit that matters most", binding},
		{14, "every field is set", everyField},
		{14, "invalid takes are errors", invalid},
	}
}

// allOrNone has each of two limits refuse in turn, and looks at the other one.
// A store that charges one limit before it has asked the other fails here: the
// refused take would have cost something.
func allOrNone(p *probe) {
	small := plan("2-M, 5-D")
	p.take(small, "s", 2, start)
	if d := p.take(small, "s", 1, start); d.Allowed {
		p.broken("a third was allowed within 2-M")
	}
	p.remaining("after a refusal by the minute", p.take(small, "s", 0, start), 0, 3)

	// The other way round: the day refuses, and the minute is not charged.
	later := start.Add(5 * time.Minute)
	p.take(small, "s", 2, later)
	later = later.Add(5 * time.Minute)
	if d := p.take(small, "s", 2, later); d.Allowed {
		p.broken("2 were allowed where the day has 1 left")
	}
	p.remaining("after a refusal by the day", p.take(small, "s", 0, later), 2, 1)
}

// refusalIsFree leaves one unit, makes many takes of two that are refused, and
// then takes the one. It does so for small and large quotas, and for both kinds
// of window, because backends often count them differently.
func refusalIsFree(p *probe) {
	for _, quota := range []int64{3, 100} {
		for _, window := range []string{"M", "D"} {
			one := plan(fmt.Sprintf("%d-%s", quota, window))
			p.take(one, one.Name(), quota-1, start)
			// Each of these asks for two, and only one is left.
			for i := range 50 {
				p.take(one, one.Name(), 2, start.Add(time.Duration(i)*time.Second))
			}
			now := start.Add(50 * time.Second)
			p.remaining(one.Name(), p.take(one, one.Name(), 0, now), 1)
			if n := p.drain(one, one.Name(), now); n != 1 {
				p.broken("%s: %d passed after refusals, want 1", one, n)
			}
		}
	}
	// Refused all along, it is given back as if nobody had asked.
	minute := plan("3-M")
	p.drain(minute, "again", start)
	for i := range 60 {
		p.take(minute, "again", 1, start.Add(time.Duration(i)*time.Second))
	}
	if n := p.drain(minute, "again", start.Add(64*time.Second)); n != 3 {
		p.broken("%d of 3 passed a minute after the last use", n)
	}
}

// peekIsFree peeks at windows that are empty, used and full. A store that makes
// a record, or moves an expiry, at a peek fails here.
func peekIsFree(p *probe) {
	both := plan("3-M, 5-D")
	for range 10 {
		d := p.take(both, "s", 0, start)
		p.remaining("unused", d, 3, 5)
		if !d.Allowed {
			p.broken("a peek at an unused plan says that 1 would be refused")
		}
	}
	p.take(both, "s", 1, start)
	for i := range 59 {
		p.remaining("used once", p.take(both, "s", 0, start.Add(time.Duration(i)*time.Second)), 2, 4)
	}
	p.remaining("a minute later", p.take(both, "s", 0, start.Add(64*time.Second)), 3, 4)
	later := start.Add(65 * time.Second)
	p.drain(both, "s", later)
	if d := p.take(both, "s", 0, later); d.Allowed || d.Retry <= 0 {
		p.broken("a peek at a spent plan: Allowed %t, Retry %v", d.Allowed, d.Retry)
	}
}

// never takes more than the quota, at once and a year later. No waiting helps,
// so Retry must be 0, and the take must not have changed anything. A cost of
// exactly the quota passes.
func never(p *probe) {
	both := plan("3-M, 100-D")
	// Above the first quota, above both, and so large that a sum would
	// overflow.
	for _, cost := range []int64{4, 101, math.MaxInt64} {
		for _, now := range []time.Time{start, start.AddDate(1, 0, 0)} {
			d := p.take(both, "s", cost, now)
			if d.Allowed || !d.Never || d.Retry != 0 {
				p.broken("cost %d: Allowed %t, Never %t, Retry %v", cost, d.Allowed, d.Never, d.Retry)
			}
		}
	}
	p.remaining("after them", p.take(both, "s", 0, start.AddDate(1, 0, 0)), 3, 100)
	if d := p.take(both, "s", 3, start.AddDate(1, 0, 0)); !d.Allowed || d.Never {
		p.broken("a cost of the whole quota: Allowed %t, Never %t", d.Allowed, d.Never)
	}
}

// rolling takes as much as it can for five periods. It checks every sequence of
// quota+1 admitted takes: they must span at least a period, wherever they
// begin. A store that counts fixed windows fails at their borders. It also
// checks that a client gets most of its quota, and gets all of it back.
func rolling(p *probe) {
	const window = time.Second
	for _, quota := range []int64{1, 10, 100} {
		// A quota of 1, a small one, and one that Memory counts in sub-windows.
		one := plan(fmt.Sprintf("%d-S", quota))
		var admitted []time.Time
		// Steps that share no factor with the window reach all its phases.
		for now := start; now.Before(start.Add(5 * window)); now = now.Add(window/379 + 1) {
			if !p.take(one, one.Name(), 1, now).Allowed {
				continue
			}
			admitted = append(admitted, now)
			if first := len(admitted) - 1 - int(quota); first >= 0 && now.Sub(admitted[first]) < window {
				p.broken("%s: %d admitted within %v", one, quota+1, now.Sub(admitted[first]))
				return
			}
		}
		if want := quota * 4; int64(len(admitted)) < want {
			p.broken("%s: %d admitted in 5 periods, want at least %d", one, len(admitted), want)
		}
		p.drain(one, one.Name(), start.Add(6*window))
		after := start.Add(6*window + window*17/16 + 1)
		if n := p.drain(one, one.Name(), after); int64(n) != quota {
			p.broken("%s: %d passed 17/16 periods after the last use", one, n)
		}
	}
}

// calendarDay looks at both sides of a midnight that is not one of UTC. A
// nanosecond before, the day is still the old one.
func calendarDay(p *probe) {
	zone := time.FixedZone("", 5*3600+1800)
	local := limits(ratelimit.Limit{Quota: 3, Window: 24 * time.Hour, Zone: zone})
	midnight := time.Date(2026, time.March, 11, 0, 0, 0, 0, zone)
	before := midnight.Add(-time.Nanosecond)
	if n := p.drain(local, "s", before); n != 3 {
		p.broken("%d of 3 passed before midnight", n)
	}
	// A store may keep time in microseconds.
	if d := p.take(local, "s", 1, before); d.Retry <= 0 || d.Retry > time.Microsecond {
		p.broken("Retry %v a nanosecond before midnight", d.Retry)
	}
	d := p.take(local, "s", 2, midnight)
	if !d.Allowed || d.States[0].Reset != 24*time.Hour {
		p.broken("at midnight: Allowed %t, Reset %v", d.Allowed, d.States[0].Reset)
	}
	p.remaining("at the end of that day", p.take(local, "s", 0, midnight.Add(24*time.Hour-1)), 1)
}

// billingMonth looks at a billing day that some months do not have. In those it
// is the last day, also in a leap year.
func billingMonth(p *probe) {
	bill := limits(ratelimit.Limit{Quota: 2, Kind: ratelimit.Monthly, Anchor: 31})
	// A leap year, so that February has a 29th.
	for _, day := range []time.Time{
		time.Date(2027, time.December, 31, 0, 0, 0, 0, time.UTC),
		time.Date(2028, time.January, 31, 0, 0, 0, 0, time.UTC),
		time.Date(2028, time.February, 29, 0, 0, 0, 0, time.UTC),
		time.Date(2028, time.March, 31, 0, 0, 0, 0, time.UTC),
		time.Date(2028, time.April, 30, 0, 0, 0, 0, time.UTC),
	} {
		if d := p.take(bill, "s", 1, day.Add(-time.Second)); !d.Allowed && d.Retry != time.Second {
			p.broken("a second before %v: Retry %v", day, d.Retry)
		}
		if n := p.drain(bill, "s", day); n != 2 {
			p.broken("%d of 2 passed at %v", n, day)
		}
	}
}

// honest waits for exactly Retry, and must pass. It also tries a second before,
// and must not. Plans of one and of two limits take part, because with two the
// later one decides.
func honest(p *probe) {
	for _, notation := range []string{"3-S", "100-S", "7-M", "90-M", "5-D", "4-M, 6-D", "80-M, 81-H"} {
		some := plan(notation)
		now := start
		for range 3 {
			for i := 0; p.take(some, notation, 1, now).Allowed; i++ {
				if i%3 == 0 {
					now = now.Add(17 * time.Millisecond)
				}
			}
			d := p.take(some, notation, 1, now)
			if d.Retry <= 0 {
				p.broken("%s: refused with Retry %v", notation, d.Retry)
				break
			}
			for i := range some.Limits() {
				if d.States[i].Reset < 0 || d.States[i].Retry < 0 {
					p.broken("%s: state %+v", notation, d.States[i])
				}
			}
			if d.Retry > time.Second && p.take(some, notation, 0, now.Add(d.Retry-time.Second)).Allowed {
				p.broken("%s: passes a second before Retry %v", notation, d.Retry)
			}
			now = now.Add(d.Retry)
			if !p.take(some, notation, 1, now).Allowed {
				p.broken("%s: refused after waiting for Retry %v", notation, d.Retry)
			}
		}
	}
}

// remaining counts a quota down, and looks at it under a smaller one. It must
// never be negative, because clients compute with it.
func remaining(p *probe) {
	for _, quota := range []int64{5, 100} {
		one := plan(fmt.Sprintf("%d-M", quota))
		// Every unit counts down by one, whatever the store rounds.
		for left := quota - 1; left >= 0; left-- {
			p.remaining(one.Name(), p.take(one, one.Name(), 1, start), left)
		}
		p.remaining("refused", p.take(one, one.Name(), 1, start), 0)
	}
	p.take(plan("100-D"), "s", 50, start)
	p.remaining("after a downgrade", p.take(plan("10-D"), "s", 1, start), 0)
}

// apart uses pairs of scope and subject that are equal if they are
// concatenated, with and without a separator. Two limits of one plan with equal
// periods are counted separately too.
func apart(p *probe) {
	same := limits(
		ratelimit.Limit{Name: "rolling", Quota: 5, Window: 24 * time.Hour, Kind: ratelimit.Rolling},
		ratelimit.Limit{Name: "daily", Quota: 5, Window: 24 * time.Hour, Kind: ratelimit.Calendar})
	p.remaining("two limits of a plan", p.take(same, "s", 1, start), 4, 4)

	one := plan("5-M")
	// Concatenated with or without a separator, some of these are equal.
	pairs := [][2]string{
		{"a", "b:c"}, {"a:b", "c"}, {"a", "b"}, {"a", "B"}, {"ab", "c"}, {"", "ab"}, {"b", "a"},
		{"a\x00", "b"}, {"a", "\x00b"}, {"a/b", "c"}, {"a", "b/c"},
	}
	for _, pair := range pairs {
		d := p.do(ratelimit.Take{Scope: pair[0], Subject: pair[1], Plan: one, Cost: 1}, start)
		p.remaining(fmt.Sprintf("scope %q, subject %q", pair[0], pair[1]), d, 4)
	}
}

// backwards takes at instants before the last charge, by a nanosecond to two
// years. A clock that goes back must not give a used quota back.
func backwards(p *probe) {
	for _, notation := range []string{"5-M", "100-M", "5-D", "5-M, 100-D"} {
		some := plan(notation)
		p.drain(some, notation, start)
		for _, back := range []time.Duration{time.Nanosecond, time.Second, time.Minute, 25 * time.Hour, 800 * 24 * time.Hour} {
			d := p.take(some, notation, 1, start.Add(-back))
			if d.Allowed {
				p.broken("%s: allowed %v before the last use", notation, back)
			}
			if d.Retry < back || d.States[0].Remaining < 0 || d.States[0].Reset < 0 {
				p.broken("%s: %v before the last use: %+v", notation, back, d)
			}
		}
	}
}

// planChange goes through plans with larger, smaller, more and fewer windows.
// What was used in a window stays used in it, also while the plan does not have it.
// A window that was never there starts empty.
func planChange(p *probe) {
	now := start
	p.take(plan("10-M, 1000-D"), "s", 6, now)
	p.remaining("up", p.take(plan("60-M, 10000-D"), "s", 1, now), 53, 9993)
	p.remaining("further up", p.take(plan("600-M, 10000-D"), "s", 1, now), 592, 9992)
	p.remaining("down", p.take(plan("20-M, 100-D"), "s", 1, now), 11, 91)
	d := p.take(plan("5-M, 50-D"), "s", 1, now)
	if d.Allowed || d.Retry <= 0 {
		p.broken("below the present usage: Allowed %t, Retry %v", d.Allowed, d.Retry)
	}
	p.remaining("below the present usage", d, 0, 41)
	p.remaining("other order", p.take(plan("100-D, 20-M"), "s", 1, now), 90, 10)
	p.remaining("an added hour", p.take(plan("20-M, 50-H, 100-D"), "s", 1, now), 9, 49, 89)
	p.remaining("a removed hour", p.take(plan("20-M, 100-D"), "s", 1, now), 8, 88)
	p.remaining("the day removed", p.take(plan("20-M"), "s", 1, now), 7)
	p.remaining("the day is added again", p.take(plan("20-M, 100-D"), "s", 1, now), 6, 87)
	p.remaining("the hour is added again", p.take(plan("20-M, 50-H, 100-D"), "s", 1, now), 5, 48, 86)
	// A client whose routes have different plans uses both in turn.
	for i := range int64(40) {
		p.take(plan("50-M"), "turns", 1, now)
		p.remaining("every other take", p.take(plan("100-D"), "turns", 1, now), 99-i)
	}
}

// concurrent has 200 goroutines take the last 50 of a quota. Exactly 50 must
// pass: a store that reads and then writes lets more pass.
func concurrent(p *probe) {
	const quota, racers = 50, 200
	for _, notation := range []string{"50-M, 500-D", "500-M, 50000-D", "50-D"} {
		some := plan(notation)
		p.take(some, notation, some.Limits()[0].Quota-quota, start)
		var allowed, failed atomic.Int64
		var group sync.WaitGroup
		begin := make(chan struct{})
		for range racers {
			group.Go(func() {
				<-begin
				t := ratelimit.Take{Scope: "suite", Subject: notation, Plan: some, Cost: 1}
				switch d, err := p.store.Take(p.ctx, t, start); {
				case err != nil:
					failed.Add(1)
				case d.Allowed:
					allowed.Add(1)
				}
			})
		}
		close(begin)
		group.Wait()
		if allowed.Load() != quota || failed.Load() > 0 {
			p.broken("%s: %d of %d racing takes passed and %d failed, want %d and 0",
				notation, allowed.Load(), racers, failed.Load(), quota)
		}
	}
}

// binding goes through the cases of rule 13. Clients see the limit that Binding
// names, and would wait for the wrong one otherwise.
func binding(p *probe) {
	// The quotas are such that each limit is the tightest one at some time.
	three := plan("4-S, 8-M, 16-D")
	now := start
	for _, c := range []struct {
		what string
		wait time.Duration
		cost int64
		want int
	}{
		{"equal shares left: the longest", 0, 0, 2},
		{"the second has the smallest share", 0, 1, 0},
		{"refused by the second alone", 0, 4, 0},
		{"the second is used up", 2 * time.Second, 4, 0},
		{"refused by second and minute: the later", 0, 4, 1},
		{"the minute has the smallest share", 2 * time.Second, 0, 1},
		{"above the second's quota: that is never", 0, 5, 0},
	} {
		now = now.Add(c.wait)
		if d := p.take(three, "s", c.cost, now); d.Binding != c.want {
			p.broken("%s: Binding is %d, want %d (%+v)", c.what, d.Binding, c.want, d.States[:3])
		}
	}
}

// everyField compares whole decisions, so that no field is forgotten by a
// backend that fills them in itself.
func everyField(p *probe) {
	one := plan("5-M")
	t := ratelimit.Take{Scope: "suite", Subject: "s", Plan: one, Cost: 1}
	d := p.do(t, start)
	want := ratelimit.Decision{Plan: one, Cost: 1, Allowed: true}
	want.States[0] = ratelimit.State{Remaining: 4, Reset: d.States[0].Reset}
	if d != want {
		p.broken("allowed: %+v, want %+v", d, want)
	}
	if r := d.States[0].Reset; r < time.Minute || r > time.Minute*17/16 {
		p.broken("Reset is %v after the first use of a minute", r)
	}
	p.take(one, "s", 4, start)
	d = p.do(t, start)
	want = ratelimit.Decision{Plan: one, Cost: 1, Retry: d.Retry}
	want.States[0] = ratelimit.State{Reset: d.States[0].Reset, Retry: d.Retry}
	if d != want || d.Retry <= 0 {
		p.broken("refused: %+v, want %+v", d, want)
	}
}

// invalid makes takes that no store may accept. A negative cost would give
// quota back.
func invalid(p *probe) {
	for _, t := range []ratelimit.Take{
		{Scope: "suite", Subject: "s", Cost: 1},
		{Scope: "suite", Subject: "s", Plan: plan("5-M"), Cost: -1},
		{Scope: "suite", Subject: "s", Plan: plan("5-M"), Cost: math.MinInt64},
	} {
		if _, err := p.store.Take(p.ctx, t, start); err == nil {
			p.broken("no error for %+v", t)
		}
	}
}

package ratelimit

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Shared is a plan as a store outside the process decides it: one text for each
// subject, which the store reads and writes in one step, by its own clock.
//
// Every rolling window is counted in sub-windows, as Memory does above 64: so the
// state has one form for all quotas. The text is
//
//	<last charge, µs since 1970>;<window>=<state>;…
//
// with a window for each that has not ended, also of other plans:
//
//	r60000=470000123,0:5,3:2   of 60,000 ms: the newest sub-window, and how many uses
//	                           are in it and in the third before it
//	d=1795305600,42            of a day (m: of a month): its end in Unix seconds, and the uses
//
// The store's script does the work of [Plan.decide] on this text, and of Decide only
// the figures are taken.
type Shared struct {
	plan *Plan // with the windows below
	of   *Plan
}

// A SharedWindow is what the script of a store must know of one window.
type SharedWindow struct {
	Name  string // in the text, such as "r60000", "d" or "m"
	Quota int64
	// Step is the length of a sub-window in µs, 0 for calendars. A use counts in its
	// own sub-window and the 16 after it.
	Step int64
	// Start, End and Next are when the calendar window of the present begins, when it
	// ends and when the one after it ends, in Unix seconds. The store chooses by its
	// own clock.
	Start, End, Next int64
}

// Shared returns the plan for a store outside the process.
func (p *Plan) Shared() *Shared { return p.shared }

// share lays the limits out for shared stores. A sub-window is rounded up to whole
// microseconds, the unit of their clocks. So 16 of them are never shorter than the
// period, and the quota holds in any period, as in Memory.
func (p *Plan) share() {
	s := &Plan{name: p.name, limits: p.limits, words: 1, texts: p.texts, policy: p.policy}
	for i := range p.windows {
		w := p.windows[i]
		if w.period > 0 {
			w = newWindow(bucketShape, w.period/int64(time.Millisecond))
			const micro = int64(time.Microsecond)
			w.step = (w.step + micro - 1) / micro * micro
			w.quota = p.windows[i].quota
		}
		w.start = s.words
		s.windows = append(s.windows, w)
		s.words += w.words
	}
	p.shared = &Shared{plan: s, of: p}
}

// Windows returns the windows in the order of the plan. Calendars are computed for
// now, so the store's clock may differ from it by less than a day.
func (s *Shared) Windows(now time.Time) []SharedWindow {
	all := make([]SharedWindow, len(s.plan.windows))
	for i := range s.plan.windows {
		w := &s.plan.windows[i]
		all[i] = SharedWindow{Name: w.name(), Quota: w.quota, Step: w.step / int64(time.Microsecond)}
		if w.cal != nil {
			present := w.cal.at(now.Unix())
			all[i].Step, all[i].Start, all[i].End = 0, present.start, present.end
			all[i].Next = w.cal.find(present.end).end
		}
	}
	return all
}

// name tells windows apart as Plan.like does: a rolling window by its period, whatever
// its quota, and a calendar by its kind, whatever its zone. So a plan finds what another
// plan of the subject has counted.
func (w *window) name() string {
	switch w.shape {
	case dayShape:
		return "d"
	case monthShape:
		return "m"
	}
	return "r" + strconv.FormatInt(w.period/int64(time.Millisecond), 10)
}

var errState = errors.New("ratelimit: the state of a subject cannot be read: another program writes to these keys")

// Decide returns the decision that a store has made at a time of its clock, from the
// text before the take ("" if there was none) and whether it has charged.
//
// It computes what headers and errors need, with the code that decides in Memory:
// what remains, and when it comes back. So all stores answer alike, and a script has
// only to count. The decision itself is the store's: it was made in one step with the
// charge, and Decide holds the two against each other.
//
// Errors: the text cannot be read, or the store has decided otherwise than its text
// says.
func (s *Shared) Decide(state string, cost int64, now time.Time, charged bool) (d Decision, err error) {
	var fresh [wideSlot - 1]uint64
	rec := fresh[:]
	if err := s.plan.parse(rec, state); err != nil {
		return d, err
	}
	ns := now.UnixNano()
	at := instant{now: ns, second: now.Unix(), nano: int64(now.Nanosecond())}
	did := s.plan.decide(rec, &at, cost, &d)
	d.Plan = s.of
	if did != charged {
		return d, fmt.Errorf("ratelimit: the store charged: %t, want %t from %q", charged, did, state)
	}
	return d, nil
}

// parse reads what a store has kept. The text comes from outside the process, so
// nothing of it is trusted: a number that no take can have written is an error, for it
// could make the code behind count without an end. It lays rec out for p and fills it with the windows of the text that p has.
func (p *Plan) parse(rec []uint64, state string) error {
	for i := range p.windows {
		rec[p.windows[i].start] = p.windows[i].desc
	}
	if state == "" {
		return nil
	}
	last, rest, _ := strings.Cut(state, ";")
	micros, err := strconv.ParseInt(last, 10, 64)
	if err != nil || micros < 0 || micros >= 1<<53 {
		return errState
	}
	rec[0] = uint64(micros) * 1000
	for field := range strings.SplitSeq(rest, ";") {
		name, value, ok := strings.Cut(field, "=")
		if !ok {
			return errState
		}
		for i := range p.windows {
			if w := &p.windows[i]; w.name() == name {
				// A window of another plan is not read, and the store keeps it.
				if err := w.parse(rec[w.start:], value, int64(rec[0])); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// parse reads the state of one window of a subject that was last charged at last. No
// sub-window is later than that, so reading it ends.
func (w *window) parse(st []uint64, value string, last int64) error {
	head, rest, _ := strings.Cut(value, ",")
	first, err := strconv.ParseInt(head, 10, 64)
	if err != nil || first < 0 {
		return errState
	}
	st[1] = uint64(first)
	if w.cal != nil {
		if first > last/int64(time.Second)+40*86400 { // no window is as long
			return errState
		}
		used, err := strconv.ParseInt(rest, 10, 64)
		if err != nil || used < 0 {
			return errState
		}
		st[2] = uint64(used)
		return nil
	}
	if first > last/w.step {
		return errState
	}
	// The counts of 17 sub-windows fit in their sum, because the quota of a rolling
	// window is below 1<<32 and no store admits more.
	sum := int64(0)
	for item := range strings.SplitSeq(rest, ",") {
		age, count, _ := strings.Cut(item, ":")
		k, err1 := strconv.ParseInt(age, 10, 64)
		n, err2 := strconv.ParseInt(count, 10, 64)
		if err1 != nil || err2 != nil || k < 0 || k > buckets || k > first || n < 0 || n > maxRolling {
			return errState
		}
		setCounter(st, 1+(first-k)%subWindows, n)
		sum += n
	}
	if sum > maxRolling {
		return errState
	}
	setCounter(st, 0, sum)
	return nil
}

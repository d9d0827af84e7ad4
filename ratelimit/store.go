package ratelimit

import (
	"context"
	"math/bits"
	"time"
)

// A Take asks for some of a subject's quota.
type Take struct {
	Scope   string // which limiter asks: counters of different scopes are apart
	Subject string // who is charged; Scope and Subject are never run together
	Plan    *Plan
	Cost    int64 // 0: peek
}

// A Decision is the answer to a [Take]. Durations count from the now that was
// asked with.
type Decision struct {
	Plan    *Plan // that was decided; nil: nothing limits this request
	Cost    int64 // that was asked for
	Allowed bool
	Never   bool          // the cost is above a quota: it can never pass
	Binding int           // index of the limit that matters most
	Retry   time.Duration // until the same take would pass; 0: it did, or never
	States  [maxLimits]State
}

// A State is where one limit of the plan stands after the decision.
type State struct {
	Remaining int64         // never negative
	Reset     time.Duration // until the window next gives quota back; 0: nothing is used
	Retry     time.Duration // > 0: this limit refuses, for so long
}

// A Store decides all limits of a plan in one atomic step. Prove yours with
// package limittest, whose failures name these rules:
//
//  1. All limits of the plan are charged, or none is.
//  2. A refused take changes nothing, in any window.
//  3. Cost 0 is a peek: it is answered as a take of 1 would be, and changes
//     nothing, not even an expiry. Its Remaining is the present one.
//  4. A cost above a quota is refused at any time, with Never set and no Retry.
//  5. A rolling window never admits more than its quota in any period, and
//     gives every unit back within 17/16 periods of its use.
//  6. A calendar window admits its quota between two beginnings of a day or
//     billing month in its zone.
//  7. Retry is honest: the same take passes then if nobody else spends, and a
//     second earlier it does not. Reset and Retry are never negative.
//  8. Remaining is what is left after the decision, and never negative.
//  9. Counters belong to scope, subject, kind and window together; none is
//     shared, and no two pairs of scope and subject are confused.
//  10. A now that lies before an earlier one frees nothing.
//  11. Usage is kept across a change of plan by kind and window. An added
//     window starts empty, a removed one is forgotten, and a quota below the
//     present usage refuses.
//  12. Takes may run concurrently; exactly the quota is admitted.
//  13. Binding is the refusing limit with the latest Retry (never is later than
//     any), else the one with the smallest share of its quota left; ties go to
//     the longer period.
//  14. Every field of the decision is set, whatever it held before. A nil plan
//     or a negative cost is an error. After an error the decision means
//     nothing, and nobody may conclude anything from it.
type Store interface {
	Take(ctx context.Context, t Take, now time.Time, d *Decision) error
}

// violated returns the names of the limits that refuse, in the order of the
// plan.
func (d *Decision) violated() []string {
	var names []string
	for i := range d.limits() {
		if d.refuses(i) {
			names = append(names, d.Plan.limits[i].Name)
		}
	}
	return names
}

func (d *Decision) limits() int {
	if d.Plan == nil {
		return 0
	}
	return len(d.Plan.limits)
}

func (d *Decision) refuses(i int) bool {
	return d.States[i].Retry > 0 || d.Cost > d.Plan.limits[i].Quota
}

// settle concludes from Plan, Cost and States.
func (d *Decision) settle() {
	d.Allowed, d.Never, d.Binding, d.Retry = true, false, 0, 0
	for i := range d.Plan.windows {
		if d.Cost > d.Plan.windows[i].quota {
			d.Allowed, d.Never = false, true
		}
		if retry := d.States[i].Retry; retry > 0 {
			d.Allowed = false
			d.Retry = max(d.Retry, retry)
		}
		if i > 0 && d.tighter(i, d.Binding) {
			d.Binding = i
		}
	}
	if d.Never {
		d.Retry = 0
	}
}

// tighter reports whether limit i binds more than limit j.
func (d *Decision) tighter(i, j int) bool {
	a, b := &d.Plan.windows[i], &d.Plan.windows[j]
	x, y := &d.States[i], &d.States[j]
	if p, q := d.Cost > a.quota, d.Cost > b.quota; p != q {
		return p
	}
	if x.Retry != y.Retry {
		return x.Retry > y.Retry
	}
	// Compared across rather than divided, so that ties are exact.
	xh, xl := bits.Mul64(uint64(x.Remaining), uint64(b.quota))
	yh, yl := bits.Mul64(uint64(y.Remaining), uint64(a.quota))
	if xh != yh || xl != yl {
		return xh < yh || xh == yh && xl < yl
	}
	return d.Plan.limits[i].period() > d.Plan.limits[j].period()
}

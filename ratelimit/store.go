package ratelimit

import (
	"context"
	"time"
)

// A Take asks for part of a subject's quota.
type Take struct {
	Scope   string // which limiter asks; different scopes have different counters
	Subject string // who is charged; never concatenated with Scope
	Plan    *Plan
	Cost    int64 // 0 peeks
}

// A Decision is the answer to a [Take]. Its durations begin at the now of the
// take.
type Decision struct {
	Plan    *Plan // the plan that was decided; nil: nothing limits this request
	Cost    int64 // the cost that was asked for
	Allowed bool
	Never   bool          // the cost exceeds a quota, so it can never pass
	Binding int           // index of the limit that matters most
	Retry   time.Duration // until the same take passes; 0: it has passed, or never will
	States  [maxLimits]State
}

// A State is the state of one limit after the decision.
type State struct {
	Remaining int64         // never negative
	Reset     time.Duration // until the window next gives something back; 0: nothing is used
	Retry     time.Duration // above 0: this limit refuses, for so long
}

// A Store decides all limits of a plan in one atomic step. Test your own with
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
//  11. Usage is kept across a change of plan by kind and window, until it has
//     passed: in windows that the present plan does not have as well. An added
//     window starts empty, and a quota below the present usage refuses.
//  12. Takes may run concurrently; exactly the quota is admitted.
//  13. Binding is the refusing limit with the latest Retry (never is later than
//     any), else the one with the smallest share of its quota left; ties go to
//     the longer period.
//  14. Every field of the decision is set. A take without plan or subject, or with a
//     negative cost, is an error. After an error the decision means nothing, and nobody may conclude
//     anything from it.
type Store interface {
	Take(ctx context.Context, t Take, now time.Time) (Decision, error)
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

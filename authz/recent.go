package authz

import (
	"fmt"
	"math"
	"time"
)

// skew is how far the clock of the node that noted a proof may be ahead of the
// clock that reads it. A proof further in the future counts as none. So a clock
// that was once wrong opens nothing for longer than Need.Recent and skew
// together.
const skew = time.Minute

// never is the age of a proof that was not given. anyAge is what every proof that was
// given is younger than.
const (
	never  time.Duration = math.MaxInt64
	anyAge               = never - 1
)

// age returns how old a proof is. A proof in the future, by no more than skew,
// is as old as one given now. It is a function of its own so that the compiler
// inlines compiledRequest.age.
func age(now, proved time.Time) time.Duration {
	// Both conditions fail closed: what is not a proof is infinitely old.
	if proved.IsZero() || proved.Sub(now) > skew {
		return never
	}
	return max(0, now.Sub(proved))
}

// stale denies a proof that is too old. HideDenial does not apply: this caller
// has all rights that the route needs, and must learn that a new login helps.
func (q *compiledRequest) stale(age time.Duration) Decision {
	if q.person && age == never { // logging in again does not help a key
		return Decision{Code: "person_required", Layer: "proof", Dimension: "proof", Wanted: "person", Held: "never"}
	}
	d := Decision{
		Code: "insufficient_user_authentication", Layer: "proof", Dimension: "proof",
		Wanted: q.recent.String(), Held: age.String(), Recent: q.recent,
	}
	if age == never {
		d.Held = "never"
	}
	return d
}

// challenge returns the WWW-Authenticate header of RFC 9470 §3, which tells the
// client what to do.
func (d *Decision) challenge() string {
	return fmt.Sprintf(`Bearer error=%q, error_description=%q, max_age="%d"`,
		d.Code, "A more recent authentication is required", max(0, d.Recent)/time.Second)
}

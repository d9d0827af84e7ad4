package authz

import (
	"fmt"
	"math"
	"time"
)

// skew is how far the clock of the node that noted a proof may be ahead of the
// one that reads it. A proof further in the future is none, so that a clock
// that once went wrong opens nothing for longer than this beyond Need.Recent.
const skew = time.Minute

// never is the age of a proof that was not given.
const never time.Duration = math.MaxInt64

// age is apart so that the method is inlined. A proof in the future, by no
// more than skew, is as old as one given now.
func age(now, proved time.Time) time.Duration {
	if proved.IsZero() || proved.Sub(now) > skew {
		return never
	}
	return max(0, now.Sub(proved))
}

// stale denies a proof that is too old. HideDenial does not apply: this caller has
// all rights, and must learn to log in again.
func (q *compiledRequest) stale(age time.Duration) Decision {
	d := Decision{
		Code: "insufficient_user_authentication", Layer: "proof", Dimension: "proof",
		Wanted: q.recent.String(), Held: age.String(), Recent: q.recent,
	}
	if age == never {
		d.Held = "never"
	}
	return d
}

// challenge tells the client what to do: RFC 9470, section 3.
func (d *Decision) challenge() string {
	return fmt.Sprintf(`Bearer error=%q, error_description=%q, max_age="%d"`,
		d.Code, "A more recent authentication is required", max(0, d.Recent)/time.Second)
}

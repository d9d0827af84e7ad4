package login

import (
	"errors"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/ratelimit"
)

// Limits bound guessing. An attempt from a device that is not known must fit under
// the first three; an attempt from a known one under the last, which nobody else's
// failures reach. In addition, at most 8 attempts on one account from unknown devices
// are in flight at once, and 8 from known ones. The four may share one counter. By
// default each process counts on its own: give counters that all processes share if
// there are several.
type Limits struct {
	// Address: of one client on all accounts, by its address, of IPv6 the /64.
	// Default: 20 in 15 minutes.
	Address authn.Failures
	// Source: of one client on one account, and of one user who changes their
	// password. Default: 5 in 15 minutes.
	Source authn.Failures
	// Account: of all clients on one account. Default: 100 in an hour.
	Account authn.Failures
	// Device: of one known device. Default: 5 in 15 minutes.
	Device authn.Failures
}

// withDefaults returns l with a counter for every limit. One table serves all of
// them: the subjects tell what is counted.
func (l Limits) withDefaults() (Limits, error) {
	var errs []error
	counters := ratelimit.NewMemory(0)
	fill := func(to *authn.Failures, name string, quota int64, window time.Duration) {
		if *to != nil {
			return
		}
		plan, err := ratelimit.NewPlan(name, ratelimit.Limit{Name: name, Quota: quota, Window: window, Kind: ratelimit.Rolling})
		if err != nil {
			errs = append(errs, err)
			return
		}
		f, err := ratelimit.NewFailures(counters, plan)
		errs = append(errs, err)
		*to = f
	}
	fill(&l.Address, "address", 20, 15*time.Minute)
	fill(&l.Source, "source", 5, 15*time.Minute)
	fill(&l.Account, "account", 100, time.Hour)
	fill(&l.Device, "device", 5, 15*time.Minute)
	return l, errors.Join(errs...)
}

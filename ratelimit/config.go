package ratelimit

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"time"

	"medtwin.ai/tollgate/problem"
)

// A Charge returns who pays for a request, and under which plan. A subject
// consists of verified identities only, and contains everything by which
// counters differ, such as account and environment. Nothing in it may be chosen
// freely by a client, because a client could then choose a fresh counter for
// each request. A nil plan means that the request is not limited. A plan
// without a subject is ErrNoSubject.
type Charge func(*http.Request) (subject string, plan *Plan)

// OnOutage is what a limiter does while its store does not answer.
type OnOutage uint8

const (
	// Local counts in this process. It goes on from the last state that the store
	// has told of each subject, and charges what it has admitted to the store when
	// that answers again. So an outage, or many short ones, bring no new quota in
	// this process; other processes do the same, each for itself.
	Local OnOutage = iota
	// Open lets requests pass, and counts nothing.
	Open
	// Closed answers with 503.
	Closed
)

// Config of a [Limiter].
type Config struct {
	// Name is the scope of the counters. Limiters of different names that share
	// a store count separately. Default: "plan".
	Name string
	// Store counts. Default: NewMemory(0), which counts in this process.
	Store Store
	// Charge returns who pays for a request of Check and Wrap. A request costs
	// one unit, or the cost of the route's need if authz.Protect is around the
	// limiter. Required for Check and Wrap.
	Charge Charge
	// NoLegacyHeaders leaves out X-RateLimit-Limit, -Remaining and -Reset.
	// NoFieldHeaders leaves out RateLimit-Policy and RateLimit. A refusal has
	// Retry-After in any case.
	NoLegacyHeaders, NoFieldHeaders bool
	// OnOutage is what happens while Store fails. Default: Local.
	OnOutage OnOutage
	// Timeout is how long a request may wait for Store, if that is outside the
	// process. Default: 50 ms.
	Timeout time.Duration
	// Errors writes refusals, with the limit headers set. They are 429 with the
	// code "rate_limit_exceeded", or "cost_exceeds_quota" if the cost exceeds a
	// whole quota, and 503 if OnOutage is Closed. Default: problem.Write.
	Errors problem.Writer
	// Logger records outages of Store and their end, and requests without a
	// subject. At debug level it also records refusals. Default:
	// slog.Default().
	Logger *slog.Logger
	// Now is the clock of Check and Wrap. Default: time.Now.
	Now func() time.Time
}

// validate fills in defaults, and returns every mistake in one error.
func (c *Config) validate() error {
	var errs []error
	if c.OnOutage > Closed {
		errs = append(errs, fmt.Errorf("ratelimit: Config.OnOutage is %d", c.OnOutage))
	}
	if c.Timeout < 0 {
		errs = append(errs, fmt.Errorf("ratelimit: Config.Timeout is %v: want 0 or more", c.Timeout))
	}
	if c.Name == "" {
		c.Name = "plan"
	}
	switch p := reflect.ValueOf(c.Store); {
	case c.Store == nil:
		c.Store = NewMemory(0)
	case p.Kind() == reflect.Pointer && p.IsNil():
		errs = append(errs, fmt.Errorf("ratelimit: Config.Store is a nil %T: handle the error of the function that returned it", c.Store))
	}
	if c.NoLegacyHeaders && c.NoFieldHeaders {
		errs = append(errs, errors.New("ratelimit: Config.NoLegacyHeaders and NoFieldHeaders leave clients without any limit header: leave one family on"))
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.Errors = problem.Logged(c.Errors, c.Logger)
	return errors.Join(errs...)
}

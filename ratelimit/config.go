package ratelimit

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"medtwin.ai/tollgate/problem"
)

// A Charge tells who pays for a request, and under which plan. Subjects are
// made of verified identities alone, and hold everything that tells counters
// apart (the account and the environment, say); what a client can choose
// freely must not be in them. A nil plan means that the request is not limited;
// a plan without a subject is ErrNoSubject.
type Charge func(*http.Request) (subject string, plan *Plan)

// OnOutage says what a limiter does while its store does not answer.
type OnOutage uint8

const (
	// Local counts in this process instead, with the whole quota.
	Local OnOutage = iota
	// Open lets requests pass uncounted.
	Open
	// Closed answers 503.
	Closed
)

// Config says what a [Limiter] limits.
type Config struct {
	// Name is the scope of its counters; limiters of different names that
	// share a store count apart. "": "plan".
	Name string
	// Store counts. nil: NewMemory(0).
	Store Store
	// Charge is who pays for a request of Check and Wrap: one unit, or the cost
	// of the route's need where authz.Protect is around the limiter. Required for
	// them.
	Charge Charge
	// NoLegacyHeaders leaves out X-RateLimit-Limit, -Remaining and -Reset,
	// NoFieldHeaders RateLimit-Policy and RateLimit. A refusal carries
	// Retry-After in any case.
	NoLegacyHeaders, NoFieldHeaders bool
	// OnOutage says what happens while Store fails. 0: Local.
	OnOutage OnOutage
	// Errors writes refusals: 429 "rate_limit_exceeded", or "cost_exceeds_quota"
	// for a cost above a whole quota, with the limit headers set, and 503 if
	// OnOutage is Closed. Default: problem.Write.
	Errors problem.Writer
	// Logger records outages of Store and their end, requests without a subject and,
	// at debug level, refusals. Default: slog.Default().
	Logger *slog.Logger
	// Now is the clock of Check and Wrap. Default: time.Now.
	Now func() time.Time
}

// validate fills in defaults and reports all mistakes.
func (c *Config) validate() error {
	var errs []error
	if c.OnOutage > Closed {
		errs = append(errs, fmt.Errorf("ratelimit: Config.OnOutage is %d", c.OnOutage))
	}
	if c.Name == "" {
		c.Name = "plan"
	}
	if c.Store == nil {
		c.Store = NewMemory(0)
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

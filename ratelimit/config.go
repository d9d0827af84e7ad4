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
// freely must not be in them. A nil plan means that the request is not limited.
type Charge func(*http.Request) (subject string, plan *Plan)

// Failure says what a limiter does while its store does not answer.
type Failure uint8

const (
	// Local counts in this process instead, with the whole quota.
	Local Failure = iota
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
	// Plan is who pays for a request. Required.
	Plan Charge
	// Own is who pays, from counters of their own, for a request whose route
	// costs nothing of the plan (a negative authz.Need.Cost). nil: nobody.
	Own Charge
	// Denied is who pays, from counters of their own, for a request that was
	// denied; the plan then pays nothing. nil: nobody.
	Denied Charge
	// NoLegacyHeaders leaves out X-RateLimit-Limit, -Remaining and -Reset,
	// NoFieldHeaders RateLimit-Policy and RateLimit. A refusal carries
	// Retry-After in any case.
	NoLegacyHeaders, NoFieldHeaders bool
	// Failure says what happens while Store fails. 0: Local.
	Failure Failure
	// Errors writes refusals: 429 "rate_limit_exceeded", or "cost_exceeds_quota"
	// for a cost above a whole quota, with the limit headers set, and 503 where
	// Failure is Closed. nil: problem.Write.
	Errors problem.Writer
	// Logger hears when Store begins to fail and when it answers again, and at
	// debug level of every refusal. nil: discards.
	Logger *slog.Logger
	// Now is the clock, where no other part of the chain has read it for the
	// request. nil: time.Now.
	Now func() time.Time
}

// validate fills in defaults and reports all mistakes.
func (c *Config) validate() error {
	var errs []error
	if c.Plan == nil {
		errs = append(errs, errors.New("ratelimit: Config.Plan is required"))
	}
	if c.Failure > Closed {
		errs = append(errs, fmt.Errorf("ratelimit: Config.Failure is %d", c.Failure))
	}
	if c.Name == "" {
		c.Name = "plan"
	}
	if c.Store == nil {
		c.Store = NewMemory(0)
	}
	c.Errors = problem.Logged(c.Errors, c.Logger)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return errors.Join(errs...)
}

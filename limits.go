package tollgate

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/ratelimit"
)

// limits are the limits of a gate: those of the plans, and those outside them.
type limits struct {
	plans  *ratelimit.Plans // nil: requests are not limited
	perKey bool
	plan   *ratelimit.Limiter

	// Requests that the plan does not count have limits of their own.
	denied, free         *ratelimit.Limiter
	deniedPlan, freePlan *ratelimit.Plan
}

func newLimits(c Config) (l limits, err error) {
	l.perKey = c.LimitPerKey
	if c.Limits == nil {
		c.Limits = ratelimit.NewMemory(0) // all limiters share it: their names keep the counters apart
	}
	parse := func(name, notation string) *ratelimit.Plan {
		made, bad := ratelimit.ParsePlan(name, notation)
		err = errors.Join(err, bad)
		return made
	}
	l.deniedPlan, l.freePlan = parse("denied", deniedLimit), parse("free", freeLimit)
	var plans []*ratelimit.Plan
	for _, name := range slices.Sorted(maps.Keys(c.Plans)) {
		plans = append(plans, parse(name, c.Plans[name]))
	}
	if err == nil && len(plans) > 0 {
		l.plans, err = ratelimit.NewPlans(ratelimit.PlansConfig{Plans: plans, Default: c.DefaultPlan, Environments: c.EnvironmentPlans})
	}
	if err != nil {
		return l, err
	}
	limiter := func(name string) *ratelimit.Limiter { // gates of other prefixes may share c.Limits
		made, bad := ratelimit.New(ratelimit.Config{Name: c.Prefix + "/" + name, Store: c.Limits, Logger: c.Logger, Now: c.Now})
		err = errors.Join(err, bad)
		return made
	}
	l.plan, l.denied, l.free = limiter("plan"), limiter("denied"), limiter("free")
	return l, err
}

// take charges a request and returns the decision to show in the limit headers.
// A denied request takes nothing of the plan and shows where that stands.
func (l *limits) take(ctx context.Context, p *authn.Principal, cost int, denied bool, now time.Time) (ratelimit.Decision, error) {
	switch {
	case denied:
		if d, err := charge(l.denied.Take(ctx, besides(p), l.deniedPlan, 1, now)); err != nil {
			return d, err
		}
		return l.peek(ctx, p, now), nil
	case cost < 0:
		return charge(l.free.Take(ctx, besides(p), l.freePlan, 1, now))
	case l.plans == nil:
		return ratelimit.Decision{Allowed: true}, nil
	}
	plan, _ := l.planOf(p)
	return charge(l.plan.Take(ctx, l.subject(p), plan, int64(cost), now))
}

// charge turns a refusal into an error.
func charge(d ratelimit.Decision, err error) (ratelimit.Decision, error) {
	if err == nil && !d.Allowed {
		err = &ratelimit.ExceededError{Decision: d}
	}
	return d, err
}

// peek returns the state of the plan, and charges nothing. If the state is unknown it
// returns none: the request is refused in any case, only without these headers.
func (l *limits) peek(ctx context.Context, p *authn.Principal, now time.Time) ratelimit.Decision {
	if l.plans == nil {
		return ratelimit.Decision{Allowed: true}
	}
	plan, _ := l.planOf(p)
	d, err := l.plan.Take(ctx, l.subject(p), plan, 0, now)
	if err != nil {
		return ratelimit.Decision{Allowed: true}
	}
	d.Allowed, d.Retry = true, 0
	return d
}

// planOf returns the plan of a caller and its source.
func (l *limits) planOf(p *authn.Principal) (*ratelimit.Plan, string) {
	return l.plans.Resolve(ratelimit.Assignment{Environment: p.Environment, Key: p.KeyPlan, Account: p.AccountPlan, Limits: p.Limits})
}

// subject names the counters of the plan.
func (l *limits) subject(p *authn.Principal) string {
	if l.perKey && p.Family != "" {
		return p.Family
	}
	if p.Subject == "" && p.Account != "" { // of an authenticator that leaves it to us
		return p.Account + "/" + p.Environment
	}
	return p.Subject
}

// besides names the counters of the limits outside the plan: per account and
// environment, so that new keys bring no fresh budget; per user for people, so
// that a leaked key cannot keep its owner from revoking it.
func besides(p *authn.Principal) string {
	if p.User != "" && p.Kind != authn.KindKey {
		return "user\x00" + p.User // no account and environment make this name
	}
	if p.Account != "" {
		return p.Account + "/" + p.Environment // also for a key with a plan of its own
	}
	return p.Subject
}

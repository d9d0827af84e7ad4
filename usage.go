package tollgate

import (
	"context"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/ratelimit"
)

// PlanOf returns the plan of p and its source (see ratelimit.Plans.Resolve), or nil
// and "" if the gate has no plans. It reads Environment, KeyPlan, AccountPlan and
// Limits of p.
func (g *Gate) PlanOf(p *authn.Principal) (*ratelimit.Plan, string) {
	if g.limits.plans == nil {
		return nil, ""
	}
	return g.limits.planOf(p)
}

// Usage returns where p stands with its plan, and charges nothing: the plan and,
// in the order of its limits, what is left of each. The plan is nil if there are
// no plans, or if the counters cannot be asked and requests are let through
// uncounted. To see the counters of an account in some environment, ask about a
// principal with the account's AccountPlan and Limits, and with Subject
// "ACCOUNT/ENVIRONMENT". Errors wrap ratelimit.ErrUnavailable.
func (g *Gate) Usage(ctx context.Context, p *authn.Principal, now time.Time) (ratelimit.Decision, error) {
	if g.limits.plans == nil {
		return ratelimit.Decision{Allowed: true}, nil
	}
	plan, _ := g.limits.planOf(p)
	return g.limits.plan.Take(ctx, g.limits.subject(p), plan, 0, now)
}

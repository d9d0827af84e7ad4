package main

import (
	"context"
	"net/http"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/ratelimit"
)

// A shownLimit is one limit of a plan and, where it was asked for, where it
// stands.
type shownLimit struct {
	Name      string `json:"name"`
	Quota     int64  `json:"quota"`
	Window    int64  `json:"window_seconds,omitempty"` // none: a billing month
	Used      *int64 `json:"used,omitempty"`
	Remaining *int64 `json:"remaining,omitempty"`
	ReturnsAt string `json:"returns_at,omitempty"` // when some of what is used comes back
}

type shownPlan struct {
	Name   string       `json:"name"`
	Source string       `json:"source"` // as ratelimit.Plans.Resolve tells
	Limits []shownLimit `json:"limits"`
}

func showPlan(plan *ratelimit.Plan, source string) shownPlan {
	v := shownPlan{Name: plan.Name(), Source: source}
	for _, l := range plan.Limits() {
		v.Limits = append(v.Limits, shownLimit{Name: l.Name, Quota: l.Quota, Window: int64(l.Window / time.Second)})
	}
	return v
}

// billing shows the account's plan, the limits that come of it in each
// environment, and what has been used of them, which asking does not change.
func (s *server) billing(w http.ResponseWriter, r *http.Request) {
	by, _ := caller(r)
	account, err := s.Accounts().Get(r.Context(), by.Account)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	environments := make(map[string]shownPlan)
	for _, env := range []string{live, test} {
		// A key sees the environment that it is for.
		if !by.Rights.Decide(authz.Request{Permission: admin, Endpoint: "billing.get", Environment: env, Suspended: true}).Allowed {
			continue
		}
		if environments[env], err = s.usage(r.Context(), by, env); err != nil {
			s.fail(w, r, err)
			return
		}
	}
	s.respond(w, r, http.StatusOK, map[string]any{
		"account": account.ID, "name": account.Name, "status": account.Status.String(), "plan": account.Plan,
		"environments": environments,
	})
}

// usage is what the limiter holds of an account in an environment: of the
// account's own counters, not of those of a key that has a plan for itself.
func (s *server) usage(ctx context.Context, by authn.Principal, environment string) (shownPlan, error) {
	p := authn.Principal{
		Subject: by.Account + "/" + environment, Environment: environment, AccountPlan: by.AccountPlan, Limits: by.Limits,
	}
	now := s.now()
	v := showPlan(s.gate.PlanOf(&p))
	d, err := s.gate.Usage(ctx, &p, now)
	if err != nil {
		return v, err
	}
	for i := range v.Limits {
		l, state := &v.Limits[i], d.States[i]
		used := max(0, l.Quota-state.Remaining)
		l.Used, l.Remaining = &used, &state.Remaining
		if state.Reset > 0 {
			l.ReturnsAt = rfc3339(now.Add(state.Reset + time.Second - 1).Truncate(time.Second))
		}
	}
	return v, nil
}

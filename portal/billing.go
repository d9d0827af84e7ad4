package portal

import (
	"context"
	"net/http"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/portal/wire"
	"medtwin.ai/tollgate/ratelimit"
)

// A shownPlan is a plan and where it comes from. Without a name requests are not limited.
type shownPlan struct {
	Name   string       `json:"name"`
	Source string       `json:"source"` // as ratelimit.Plans.Resolve tells
	Limits []shownLimit `json:"limits"`
}

// A shownLimit is one limit of a plan and, in the answer about usage, where it stands.
type shownLimit struct {
	Name      string `json:"name"`
	Quota     int64  `json:"quota"`
	Window    int64  `json:"window_seconds,omitempty"` // none: a billing month
	Used      *int64 `json:"used,omitempty"`
	Remaining *int64 `json:"remaining,omitempty"`
	ReturnsAt string `json:"returns_at,omitempty"` // when some of what is used comes back
}

// showPlan returns the plan that plan and source say; nil is no plan.
func showPlan(plan *ratelimit.Plan, source string) shownPlan {
	v := shownPlan{Source: source, Limits: []shownLimit{}}
	if plan == nil {
		return v
	}
	v.Name = plan.Name()
	for _, l := range plan.Limits() {
		v.Limits = append(v.Limits, shownLimit{Name: l.Name, Quota: l.Quota, Window: int64(l.Window / time.Second)})
	}
	return v
}

// billing shows the account's plan, the limits that come of it in each environment, and
// what has been used of them, which asking does not change.
func (a *accountRoutes) billing(w http.ResponseWriter, r *http.Request) error {
	by := caller(r)
	if err := a.mayManage(r, by); err != nil {
		return err
	}
	account, err := a.of.Store.Accounts().Get(r.Context(), by.Account)
	if err != nil {
		return err
	}
	environments := make(map[string]shownPlan)
	for _, env := range a.of.Environments {
		if !a.manages(by, env) { // a key sees the environment that it is for
			continue
		}
		if environments[env], err = a.usage(r.Context(), by, env); err != nil {
			return err
		}
	}
	return wire.JSON(w, http.StatusOK, map[string]any{
		"account": account.ID, "name": account.Name, "status": account.Status.String(), "plan": account.Plan,
		"environments": environments,
	})
}

// manages reports whether a caller whom mayManage admits does so in an environment.
func (a *accountRoutes) manages(by *authn.Principal, environment string) bool {
	return a.of.ManageKeys == "" ||
		by.Rights.Decide(authz.Request{Permission: a.of.ManageKeys, Endpoint: "billing.get", Environment: environment, Suspended: true}).Allowed
}

// usage returns the plan of an account in an environment with the state of the account's
// own counters, not those of a key that has a plan of its own. If every key is counted
// on its own (Config.LimitPerKey of the gate), there is no usage of the account.
func (a *accountRoutes) usage(ctx context.Context, by *authn.Principal, environment string) (shownPlan, error) {
	account := authn.Principal{
		Subject: by.Account + "/" + environment, Environment: environment, AccountPlan: by.AccountPlan, Limits: by.Limits,
	}
	v := showPlan(a.gate.PlanOf(&account))
	if a.of.LimitPerKey {
		return v, nil
	}
	now := a.of.Now()
	d, err := a.gate.Usage(ctx, &account, now)
	if err != nil || d.Plan == nil { // no plan, or the counters cannot be asked
		return v, err
	}
	for i := range v.Limits {
		l, state := &v.Limits[i], d.States[i]
		used := max(0, l.Quota-state.Remaining)
		l.Used, l.Remaining = &used, &state.Remaining
		if state.Reset > 0 {
			l.ReturnsAt = wire.FormatTime(now.Add(state.Reset + time.Second - 1).Truncate(time.Second))
		}
	}
	return v, nil
}

package main

import (
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/ratelimit"
	"medtwin.ai/tollgate/store"
)

// The vocabulary of the two seed documents, but for self and operate.
const (
	live = "live"
	test = "test"

	read    = "read"
	write   = "write"
	remove  = "delete"
	admin   = "admin"
	self    = "self"    // of people: their own sessions, password and keys; no key holds it
	operate = "operate" // runs the service; no key holds it and no role of a customer

	projects      = "projects"
	artifactTypes = "artifact_types"
)

// The roles of members.
const (
	roleOwner    = "owner" // as admin, and the only one to make and unmake owners
	roleAdmin    = "admin"
	roleEditor   = "editor"
	roleViewer   = "viewer"
	roleOperator = "operator" // in the account of the operators alone
)

// roles are those of customers.
var roles = []string{roleOwner, roleAdmin, roleEditor, roleViewer}

// operators is the account of those who run the service.
const operators = "acct_operators"

// A vocabulary is what the library is told about this API.
type vocabulary struct {
	model   *authz.Model
	formats map[string]keyfmt.Format
	session keyfmt.Format
	plans   *ratelimit.Plans
	denials *ratelimit.Plan                                    // of requests that were denied, per account and environment, or person
	own     *ratelimit.Plan                                    // of requests that cost nothing of the plan, likewise
	failed  *ratelimit.Plan                                    // of failed authentications, per client address
	guesses struct{ address, source, account *ratelimit.Plan } // of passwords: login.Limits
}

func newVocabulary() (v vocabulary, err error) {
	v.model, err = authz.NewModel(authz.ModelConfig{
		Permissions: []string{read, write, remove, admin, self, operate},
		ReadOnly:    []string{read},
		Kinds:       []string{projects, artifactTypes},
	})
	if err != nil {
		return v, err
	}
	v.formats = make(map[string]keyfmt.Format)
	for _, env := range []string{live, test} {
		if v.formats[env], err = keyfmt.New("mt_" + env + "_"); err != nil {
			return v, err
		}
	}
	if v.session, err = keyfmt.New(sessionPrefix); err != nil {
		return v, err
	}
	var plans []*ratelimit.Plan
	for _, p := range [][2]string{
		{"free", "10-M, 100-D"},
		{"standard", "60-M, 10000-D"},
		{"enterprise", "600-M, 1000000-D"}, // until an account is given limits of its own
	} {
		plan, err := ratelimit.ParsePlan(p[0], p[1])
		if err != nil {
			return v, err
		}
		plans = append(plans, plan)
	}
	v.plans, err = ratelimit.NewPlans(ratelimit.PlansConfig{
		Plans: plans, Default: "free", Environments: map[string]string{test: "free"},
	})
	if err != nil {
		return v, err
	}
	for _, p := range []struct {
		plan     **ratelimit.Plan
		name     string
		notation string
	}{
		{&v.denials, "denied", "60-M"},
		{&v.own, "own", "60-M"},
		{&v.failed, "failures", "20-M, 200-H"},
	} {
		if *p.plan, err = ratelimit.ParsePlan(p.name, p.notation); err != nil {
			return v, err
		}
	}
	for _, p := range []struct {
		plan   **ratelimit.Plan
		name   string
		quota  int64
		window time.Duration
	}{
		{&v.guesses.address, "address", 20, 15 * time.Minute},
		{&v.guesses.source, "source", 5, 15 * time.Minute},
		{&v.guesses.account, "account", 100, time.Hour},
	} {
		if *p.plan, err = ratelimit.NewPlan(p.name, ratelimit.Limit{Name: p.name, Quota: p.quota, Window: p.window, Kind: ratelimit.Rolling}); err != nil {
			return v, err
		}
	}
	return v, nil
}

// everything is what a key can hold at most.
func (v vocabulary) everything() authz.Grant {
	g := v.model.Everything()
	g.Permissions = authz.Of(read, write, remove, admin)
	return g
}

// role says what a member may do at present.
func (v vocabulary) role(m store.Membership) []authz.Grant {
	g := v.everything()
	switch {
	case m.Account == operators && m.Role == roleOperator:
		g.Permissions = authz.Of(self, operate)
	case m.Account == operators:
		return nil
	case m.Role == roleOwner, m.Role == roleAdmin:
		g.Permissions = authz.Of(self, read, write, remove, admin)
	case m.Role == roleEditor:
		g.Permissions = authz.Of(self, read, write, remove)
	case m.Role == roleViewer:
		g.Permissions = authz.Of(self, read)
	default:
		return nil
	}
	for kind, ids := range m.Scope {
		g.Scope[kind] = ids
	}
	return []authz.Grant{g}
}

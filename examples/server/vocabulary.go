package main

import (
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/ratelimit"
)

// The vocabulary of the two seed documents.
const (
	live = "live"
	test = "test"

	read   = "read"
	write  = "write"
	remove = "delete"
	admin  = "admin"

	projects      = "projects"
	artifactTypes = "artifact_types"
)

// A vocabulary is what the library is told about this API.
type vocabulary struct {
	model   *authz.Model
	formats map[string]keyfmt.Format
	plans   *ratelimit.Plans
	denials *ratelimit.Plan // of requests that were denied, per account and environment
	own     *ratelimit.Plan // of requests that cost nothing of the plan, per credential
	failed  *ratelimit.Plan // of failed authentications, per client address
}

func newVocabulary() (v vocabulary, err error) {
	v.model, err = authz.NewModel(authz.ModelConfig{
		Permissions: []string{read, write, remove, admin},
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
	return v, nil
}

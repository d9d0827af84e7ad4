package main

import (
	"net/http"
	"slices"
	"strings"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
)

// shownSelf is what a credential is told about itself.
type shownSelf struct {
	ID          string    `json:"id"`
	Kind        string    `json:"kind"` // key, session
	Account     string    `json:"account"`
	User        string    `json:"user,omitempty"`
	Environment string    `json:"environment"`
	ExpiresAt   string    `json:"expires_at,omitempty"`
	Plan        shownPlan `json:"plan"`
	// Layers are what it was given and what its owner may do. It may do what
	// each of them holds, which is Effective: any of these grants.
	Layers    []shownLayer  `json:"layers"`
	Effective []authz.Grant `json:"effective"`
	Status    string        `json:"account_status"` // while it is not active, little is effective
}

type shownLayer struct {
	Name   string        `json:"name"`
	Grants []authz.Grant `json:"grants"`
}

// whoami tells a credential what it is and what it may do. It costs nothing of
// the plan.
func (s *server) whoami(w http.ResponseWriter, r *http.Request) {
	p, _ := caller(r)
	v := shownSelf{
		ID: p.ID, Kind: "key", Account: p.Account, User: p.User, Environment: p.Environment, ExpiresAt: rfc3339(p.Expires),
		Plan: showPlan(s.gate.PlanOf(&p)), Status: authz.Active.String(),
	}
	if p.Kind == authn.KindSession {
		v.Kind = "session"
	}
	// A status that refuses says so before anything else is looked at.
	if d := p.Rights.Decide(authz.Request{Anyone: true, Writes: true}); d.Layer == "status" {
		v.Status = d.Held
	}
	layers := p.Rights.Layers()
	for i, grants := range layers {
		name := "credential"
		if i > 0 {
			name = "owner"
		}
		v.Layers = append(v.Layers, shownLayer{name, grants})
	}
	v.Effective = effective(layers)
	s.respond(w, r, http.StatusOK, v)
}

// effective returns the grants of which a request must be within one: what one
// grant of each layer has in common.
func effective(layers [][]authz.Grant) []authz.Grant {
	if len(layers) == 0 {
		return []authz.Grant{}
	}
	all := layers[0]
	for _, layer := range layers[1:] {
		var common []authz.Grant
		for _, g := range all {
			for _, o := range layer {
				common = append(common, both(g, o))
			}
		}
		all = common
	}
	return slices.DeleteFunc(slices.Clone(all), func(g authz.Grant) bool {
		return nothing(g.Permissions) || nothing(g.Endpoints) || nothing(g.Environments)
	})
}

func both(g, o authz.Grant) authz.Grant {
	has := func(s authz.Set) func(string) bool { return s.Has }
	c := authz.Grant{
		Version:      authz.Version,
		Permissions:  common(g.Permissions, o.Permissions, has),
		Endpoints:    common(g.Endpoints, o.Endpoints, covers),
		Environments: common(g.Environments, o.Environments, has),
		Scope:        make(map[string]authz.Set),
	}
	for kind, ids := range g.Scope { // one that is missing in either is nothing
		c.Scope[kind] = common(ids, o.Scope[kind], has)
	}
	return c
}

// common returns what is in both sets, of which in tells what they hold.
func common(a, b authz.Set, in func(authz.Set) func(string) bool) authz.Set {
	switch {
	case a.IsAll():
		return b
	case b.IsAll():
		return a
	}
	inA, inB := in(a), in(b)
	return authz.Of(slices.Concat(
		slices.DeleteFunc(a.Items(), func(x string) bool { return !inB(x) }),
		slices.DeleteFunc(b.Items(), func(x string) bool { return !inA(x) }),
	)...)
}

// covers returns whether an endpoint, or all that a pattern stands for, is in s.
func covers(s authz.Set) func(string) bool {
	return func(x string) bool {
		return slices.ContainsFunc(s.Items(), func(y string) bool {
			prefix, pattern := strings.CutSuffix(y, "*")
			return x == y || pattern && strings.HasPrefix(x, prefix)
		})
	}
}

func nothing(s authz.Set) bool { return !s.IsAll() && len(s.Items()) == 0 }

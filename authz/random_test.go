package authz_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"medtwin.ai/tollgate/authz"
)

// Small universes, so that grants and requests meet; each has names that no
// grant lists ("new"), as things made later have.
var (
	somePermissions  = []string{"read", "write", "delete", "admin"}
	someEndpoints    = []string{"a.get", "a.list", "a.b.get", "a.b", "b.get", "ab.get"}
	somePatterns     = []string{"a.*", "a.b.*", "b.*"}
	newEndpoints     = []string{"a.new", "a.b.new", "b.new", "new"}
	someEnvironments = []string{"live", "test"}
	someIDs          = []string{"p1", "p2", "p3"}
	someKinds        = []string{"projects", "artifact_types"}
	someStatuses     = []authz.Status{authz.Active, authz.Active, authz.Active, authz.Active, authz.Active, authz.Active,
		authz.Active, authz.ReadOnly, authz.Suspended, 0}
)

// A random makes things up, the same for the same seed. One set in all is
// everything.
type random struct {
	*rand.Rand
	all int
}

func newRandom(seed uint64, all int) random { return random{rand.New(rand.NewPCG(seed, 1)), all} }

func (r random) oneIn(n int) bool { return r.IntN(n) == 0 }

func pick[T any](r random, from ...T) T { return from[r.IntN(len(from))] }

// set is everything, or each item with even odds but at least one.
func (r random) set(from ...string) authz.Set {
	if r.oneIn(r.all) {
		return authz.All()
	}
	return r.some(from)
}

func (r random) some(from []string) authz.Set {
	var items []string
	for _, x := range from {
		if r.oneIn(2) {
			items = append(items, x)
		}
	}
	if items == nil {
		items = from[:1]
	}
	return authz.Of(items...)
}

func (r random) grant() authz.Grant {
	g := authz.Grant{
		Version:      authz.Version,
		Permissions:  r.set(somePermissions[:3]...),
		Endpoints:    r.set(slices.Concat(somePatterns, someEndpoints)...),
		Environments: r.set(someEnvironments...),
		Scope:        map[string]authz.Set{},
	}
	for _, kind := range someKinds {
		if r.IntN(3) > 0 {
			g.Scope[kind] = r.set(someIDs...)
		}
	}
	return g
}

func (r random) grants() []authz.Grant {
	all := make([]authz.Grant, 1+r.IntN(3))
	for i := range all {
		all[i] = r.grant()
	}
	return all
}

// void spoils a grant in a way that comparing sets does not see.
func (r random) void(g authz.Grant) authz.Grant {
	g = copied(g)
	switch r.IntN(6) {
	case 0:
		g.Permissions = joined(g.Permissions, authz.Of("fly"))
	case 1:
		g.Scope["galaxies"] = authz.Of("andromeda")
	case 2:
		g.Endpoints = joined(g.Endpoints, authz.Of("a*"))
	case 3:
		g.Environments = joined(g.Environments, authz.Of("*"))
	case 4:
		g.Scope["projects"] = joined(g.Scope["projects"], authz.Of(""))
	case 5:
		g.Permissions = authz.Set{}
	}
	return g
}

// less returns a grant within g.
func (r random) less(g authz.Grant) authz.Grant {
	g = copied(g)
	for _, s := range dimensions(&g) {
		if r.oneIn(2) && len(s.Items()) > 0 {
			*s = r.some(s.Items())
		}
	}
	if r.oneIn(2) && g.Endpoints.IsAll() {
		g.Endpoints = r.some(slices.Concat(somePatterns, someEndpoints))
	}
	for _, kind := range someKinds {
		ids, ok := g.Scope[kind]
		switch {
		case ok && r.oneIn(8):
			delete(g.Scope, kind)
		case ids.IsAll() && r.oneIn(2):
			g.Scope[kind] = r.some(someIDs)
		case len(ids.Items()) > 0 && r.oneIn(2):
			g.Scope[kind] = r.some(ids.Items())
		}
	}
	return g
}

// more returns g with one step beyond it in one dimension.
func (r random) more(g authz.Grant) authz.Grant {
	g = copied(g)
	one := func(s *authz.Set, from ...string) { *s = joined(*s, authz.Of(pick(r, from...))) }
	switch r.IntN(6) {
	case 0:
		one(&g.Permissions, somePermissions...)
	case 1:
		one(&g.Endpoints, slices.Concat(someEndpoints, newEndpoints)...)
	case 2:
		one(&g.Endpoints, somePatterns...)
	case 3:
		one(&g.Environments, "live", "test", "new")
	case 4:
		kind := pick(r, someKinds...)
		ids := g.Scope[kind]
		one(&ids, append([]string{"new"}, someIDs...)...)
		g.Scope[kind] = ids
	case 5:
		*pick(r, dimensions(&g)...) = authz.All()
		if r.oneIn(2) {
			g.Scope[pick(r, someKinds...)] = authz.All()
		}
	}
	return g
}

// near returns a request that g allows, but for one thing every other time.
func (r random) near(g authz.Grant) authz.Request {
	of := func(s authz.Set, all ...string) string {
		if s.IsAll() || len(s.Items()) == 0 {
			return pick(r, all...)
		}
		return pick(r, s.Items()...)
	}
	q := authz.Request{
		Permission:  of(g.Permissions, somePermissions...),
		Endpoint:    of(g.Endpoints, slices.Concat(someEndpoints, newEndpoints)...),
		Environment: of(g.Environments, "live", "test", "new"),
		Writes:      r.oneIn(2),
		Suspended:   r.oneIn(2),
		Now:         noon,
	}
	if stem, ok := strings.CutSuffix(q.Endpoint, "*"); ok {
		q.Endpoint = stem + pick(r, "get", "new", "b.new")
	}
	resource := func(i int) {
		kind := pick(r, someKinds...)
		q.Resources[i] = authz.Resource{Kind: kind, ID: of(g.Scope[kind], "p1", "p2", "new", "*")}
	}
	if r.oneIn(2) {
		resource(r.IntN(3))
	}
	if r.oneIn(4) {
		resource(r.IntN(3))
	}
	if r.oneIn(4) {
		q.Recent = time.Minute * time.Duration(1+r.IntN(5))
		q.Proved = noon.Add(time.Minute * time.Duration(2-r.IntN(6)))
		if r.oneIn(8) {
			q.Proved = time.Time{}
		}
	}
	switch r.IntN(12) {
	case 0:
		q.Permission = pick(r, somePermissions...)
	case 1:
		q.Endpoint = pick(r, slices.Concat(someEndpoints, newEndpoints)...)
	case 2:
		q.Environment = pick(r, "live", "test", "new", "")
	case 3:
		q.Resources[r.IntN(3)] = authz.Resource{Kind: pick(r, someKinds...), ID: pick(r, "p1", "p2", "p3", "new", "*", "")}
	case 4:
		q.Resources[r.IntN(3)] = authz.Resource{Kind: "galaxies", ID: "andromeda"}
	case 5:
		q.Anyone, q.Permission = true, ""
		if r.oneIn(2) {
			q.Resources = [4]authz.Resource{}
		}
	}
	return q
}

// dimensions returns the sets of g but for its scope.
func dimensions(g *authz.Grant) []*authz.Set {
	return []*authz.Set{&g.Permissions, &g.Endpoints, &g.Environments}
}

func copied(g authz.Grant) authz.Grant {
	g.Scope = maps.Clone(g.Scope)
	return g
}

func joined(a, b authz.Set) authz.Set {
	if a.IsAll() || b.IsAll() {
		return authz.All()
	}
	return authz.Of(slices.Concat(a.Items(), b.Items())...)
}

// merged is the smallest grant around several grants, which allows more than they do.
func merged(grants ...authz.Grant) authz.Grant {
	all := authz.Grant{Version: authz.Version, Scope: map[string]authz.Set{}}
	for _, g := range grants {
		all.Permissions = joined(all.Permissions, g.Permissions)
		all.Endpoints = joined(all.Endpoints, g.Endpoints)
		all.Environments = joined(all.Environments, g.Environments)
		for kind, ids := range g.Scope {
			all.Scope[kind] = joined(all.Scope[kind], ids)
		}
	}
	return all
}

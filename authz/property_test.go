package authz_test

import (
	"math/rand/v2"
	"testing"

	"medtwin.ai/tollgate/authz"
)

// Small universes, so that grants and requests meet; each has names that no
// grant lists ("new"), as things made later have.
var (
	somePermissions  = []string{"read", "write", "delete", "admin"}
	someEndpoints    = []string{"a.get", "a.list", "a.b.get", "a.b", "b.get", "ab.get"}
	somePatterns     = []string{"a.*", "a.b.*", "b.*"}
	someEnvironments = []string{"live", "test"}
	someIDs          = []string{"p1", "p2", "p3"}
	someKinds        = []string{"projects", "artifact_types"}
)

// A random makes things up, the same for the same seed. One set in all is
// everything.
type random struct {
	*rand.Rand
	all int
}

func newRandom(seed uint64, all int) random { return random{rand.New(rand.NewPCG(seed, 1)), all} }

func (r random) pick(from ...string) string { return from[r.IntN(len(from))] }

// set is everything, or each item with even odds but at least one.
func (r random) set(from ...string) authz.Set {
	if r.IntN(r.all) == 0 {
		return authz.All()
	}
	var items []string
	for _, x := range from {
		if r.IntN(2) == 0 {
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
		Endpoints:    r.set(append(somePatterns, someEndpoints...)...),
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

func (r random) request() authz.Request {
	q := authz.Request{
		Permission:  r.pick(somePermissions...),
		Endpoint:    r.pick(append([]string{"a.new", "a.b.new", "new"}, someEndpoints...)...),
		Environment: r.pick("live", "live", "test", "test", "new"),
		Writes:      r.IntN(2) == 0,
		Suspended:   r.IntN(2) == 0,
	}
	for range max(0, r.IntN(4)-1) {
		q.Resources[r.IntN(4)] = authz.Resource{Kind: r.pick(someKinds...), ID: r.pick(append([]string{"new", "*"}, someIDs...)...)}
	}
	return q
}

// A child within its parents is allowed nothing that they are denied, things
// that do not exist yet included. case A7
func TestPropertyWithin(t *testing.T) {
	m := newModel(t)
	r := newRandom(7, 4)
	var within, allowed, narrower int
	for range 5_000 {
		parents, child := r.grants(), r.grant()
		if r.IntN(2) == 0 { // mostly within, but for one dimension
			of := parents[r.IntN(len(parents))]
			switch r.IntN(4) {
			case 0:
				of.Permissions = child.Permissions
			case 1:
				of.Endpoints = child.Endpoints
			case 2:
				of.Environments = child.Environments
			case 3:
				of.Scope = child.Scope
			}
			child = of
		}
		if !child.Within(parents...) {
			continue
		}
		within++
		kid, folk := m.Rights(authz.Active, []authz.Grant{child}), m.Rights(authz.Active, parents)
		for range 10 {
			q := r.request()
			may, might := kid.Decide(q).Allowed, folk.Decide(q).Allowed
			if may && !might {
				t.Fatalf("%+v is within %+v, but alone allows %+v", child, parents, q)
			}
			if may {
				allowed++
			} else if might {
				narrower++
			}
		}
	}
	if within < 500 || allowed < 200 || narrower < 200 {
		t.Errorf("%d within, %d allowed, %d narrower: too few to mean anything", within, allowed, narrower)
	}
}

// What is not within a single parent is there for a reason: for one parent, a
// request exists that only the child allows. So Within refuses no more than
// it must. case A7
func TestPropertyWithinIsExact(t *testing.T) {
	m := newModel(t)
	r := newRandom(8, 4)
	var refused int
	for range 300 {
		parent, child := r.grant(), r.grant()
		if child.Within(parent) {
			continue
		}
		refused++
		if !differs(m, child, parent) {
			t.Fatalf("%+v is not within %+v, yet nothing tells them apart", child, parent)
		}
	}
	if refused < 200 {
		t.Errorf("%d refused: too few to mean anything", refused)
	}
}

// differs tries every request with up to one resource of each kind.
func differs(m *authz.Model, child, parent authz.Grant) bool {
	kid, folk := m.Rights(authz.Active, []authz.Grant{child}), m.Rights(authz.Active, []authz.Grant{parent})
	ids := append([]string{"", "new"}, someIDs...)
	for _, p := range somePermissions {
		for _, e := range append([]string{"a.new", "a.b.new", "b.new", "new"}, someEndpoints...) {
			for _, env := range append([]string{"new"}, someEnvironments...) {
				for _, id := range ids {
					for _, other := range ids {
						q := authz.Request{Permission: p, Endpoint: e, Environment: env}
						if id != "" {
							q.Resources[0] = authz.Resource{Kind: someKinds[0], ID: id}
						}
						if other != "" {
							q.Resources[1] = authz.Resource{Kind: someKinds[1], ID: other}
						}
						if kid.Decide(q).Allowed && !folk.Decide(q).Allowed {
							return true
						}
					}
				}
			}
		}
	}
	return false
}

// The list of what is visible is what deciding one by one allows. case A14
func TestPropertyVisible(t *testing.T) {
	m := newModel(t)
	r := newRandom(14, 2)
	statuses := []authz.Status{authz.Active, authz.Active, authz.Active, authz.Active, authz.ReadOnly, authz.Suspended, 0}
	var some, all, none int
	for range 5_000 {
		owner := []authz.Grant{m.Everything()}
		if r.IntN(2) == 0 {
			owner = r.grants()
		}
		rights := m.Rights(statuses[r.IntN(len(statuses))], r.grants(), owner)
		q, kind := r.request(), r.pick(append([]string{"galaxies"}, someKinds...)...)
		free := -1
		for i, x := range q.Resources {
			if x == (authz.Resource{}) {
				free = i
			}
		}
		seen := rights.Visible(q, kind)
		switch {
		case seen.IsAll():
			all++
		case len(seen.Items()) > 0:
			some++
		default:
			none++
		}
		for _, id := range append([]string{"new", "*", ""}, someIDs...) {
			more := q
			more.Resources[free] = authz.Resource{Kind: kind, ID: id}
			if got, want := seen.Has(id), rights.Decide(more).Allowed; got != want {
				t.Fatalf("%+v: %s %q visible: %v, allowed: %v", q, kind, id, got, want)
			}
		}
	}
	if some < 200 || all < 200 || none < 200 {
		t.Errorf("some %d, all %d, none %d: too few to mean anything", some, all, none)
	}
}

// Reading what was written decides alike. case A7
func TestPropertyJSON(t *testing.T) {
	m := newModel(t)
	r := newRandom(9, 4)
	for range 2_000 {
		g := r.grant()
		text, err := g.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		again := readGrant(t, string(text))
		if !again.Equal(g) || !again.Within(g) || !g.Within(again) || m.Validate(again) != nil {
			t.Fatalf("%s is read as %+v", text, again)
		}
	}
}

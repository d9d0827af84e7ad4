package authz_test

import (
	"testing"

	"medtwin.ai/tollgate/authz"
)

// If a child is not within a single parent, a request exists that only the child
// allows. So Within refuses no more than it must. case A7
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

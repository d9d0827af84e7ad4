package portal

import (
	"math/rand/v2"
	"testing"

	"medtwin.ai/tollgate/authz"
)

// What whoami calls effective is what is decided: for random layers and every
// route, a request is allowed where one of the grants it shows allows it.
func TestEffective(t *testing.T) {
	m, err := authz.NewModel(authz.ModelConfig{Permissions: []string{"read", "write"}, ReadOnly: []string{"read"}, Kinds: []string{"projects"}})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	pick := func(all ...string) authz.Set {
		if rng.IntN(4) == 0 {
			return authz.All()
		}
		var some []string
		for _, x := range all {
			if rng.IntN(2) == 0 {
				some = append(some, x)
			}
		}
		return authz.Of(some...)
	}
	allowed := 0
	for range 2000 {
		layers := make([][]authz.Grant, 1+rng.IntN(2))
		for i := range layers {
			for range 1 + rng.IntN(2) {
				layers[i] = append(layers[i], authz.Grant{
					Version: 1, Permissions: pick("read", "write"), Environments: pick("live", "test"),
					Endpoints: pick("projects.*", "projects.get", "projects.list", "data.get", "data.*"),
					Scope:     map[string]authz.Set{"projects": pick("p1", "p2")},
				})
			}
		}
		r := m.Rights(authz.Active, layers...)
		shown := m.Rights(authz.Active, effective(r.Layers()))
		for _, q := range []authz.Request{
			{Permission: "read", Endpoint: "projects.get", Environment: "live"}, {Permission: "write", Endpoint: "data.get", Environment: "test"},
			{Permission: "read", Endpoint: "projects.list", Environment: "test"}, {Permission: "read", Endpoint: "rubrics.list", Environment: "live"},
		} {
			for _, about := range []authz.Resource{{}, {Kind: "projects", ID: "p1"}, {Kind: "projects", ID: "p3"}, {Kind: "projects", ID: "*"}} {
				q.Resources[0] = about
				a, b := r.Decide(q).Allowed, shown.Decide(q).Allowed
				if a != b {
					t.Fatalf("%+v is %v, shown as %v\n%+v", q, a, b, layers)
				}
				if a {
					allowed++
				}
			}
		}
	}
	if allowed == 0 {
		t.Error("nothing was ever allowed")
	}
}

package authz_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/authz"
)

// A need that says Anyone asks for nothing but a known caller whose status
// allows it; nobody else passes, and nothing is visible through it.
func TestAnyone(t *testing.T) {
	g := newRig(t)
	g.Handle("GET /v1/whoami", authz.Need{ID: "whoami", Anyone: true}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := authz.CheckResource(r.Context(), "projects", "p1"); err == nil {
			t.Error("a resource was allowed through a route that asks nothing")
		}
		if !authz.Visible(r.Context(), "projects").Equal(authz.Set{}) {
			t.Error("resources are visible through a route that asks nothing")
		}
	}))
	narrow := grant(authz.Of("write"), authz.Of("p1"), authz.Of("artifacts.*"), authz.Of("test"))
	for _, c := range []struct {
		name   string
		rights *authz.Rights
		want   int
	}{
		{"nobody", nil, 401},
		{"no layers", g.model.Rights(authz.Active), 403},
		{"no grant", g.model.Rights(authz.Active, nil), 403},
		{"void", g.model.Rights(authz.Active, []authz.Grant{{}, {Version: 99}}), 403}, // case A1
		{"narrow", g.model.Rights(authz.Active, []authz.Grant{narrow}), 200},
		{"suspended", g.model.Rights(authz.Suspended, []authz.Grant{narrow}), 403},
		{"no status", g.model.Rights(0, []authz.Grant{narrow}), 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			g.rights = c.rights
			if w := g.do("GET", "/v1/whoami"); w.Code != c.want {
				t.Errorf("%d, want %d", w.Code, c.want)
			}
		})
	}
	for _, tt := range []struct {
		name string
		need authz.Need
	}{
		{"permission", authz.Need{ID: "a", Anyone: true, Permission: "read"}},
		{"resource", authz.Need{ID: "b", Anyone: true, CheckedByHandler: []string{"projects"}}},
		{"nothing", authz.Need{ID: "c"}},
	} {
		if panics(func() { g.Handle("GET /v1/"+tt.name, tt.need, http.NotFoundHandler()) }) == "" {
			t.Errorf("%s: registered", tt.name)
		}
	}
}

// Layers shows what counts, in a copy.
func TestLayers(t *testing.T) {
	m := newRig(t).model
	good := grant(authz.Of("read"), authz.Of("p1"), authz.All(), authz.All())
	void := good
	void.Permissions = authz.Of("fly")
	r := m.Rights(authz.Active, []authz.Grant{good, void}, []authz.Grant{m.Everything()})
	got := r.Layers()
	if diff := cmp.Diff([][]authz.Grant{{good}, {m.Everything()}}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	got[0][0].Scope["projects"] = authz.All()
	good.Scope["projects"] = authz.All()
	if diff := cmp.Diff(authz.Of("p1"), r.Layers()[0][0].Scope["projects"]); diff != "" {
		t.Errorf("changed from outside:\n%s", diff)
	}
	if (*authz.Rights)(nil).Layers() != nil {
		t.Error("nobody has layers")
	}
}

package authz_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/problem"
)

// case A2
func TestDelegate(t *testing.T) {
	m := newModel(t)
	mine := grant(authz.Of("read", "write"), authz.Of("p1", "p2"), authz.Of("projects.*", "whoami"), authz.Of("live"))
	other := grant(authz.Of("read", "delete"), authz.Of("p3"), authz.Of("whoami"), authz.Of("live"))
	r := m.Rights(authz.Active, []authz.Grant{other, mine}, []authz.Grant{m.Everything()})
	no := func(dimension, wanted, held string) authz.Decision {
		return authz.Decision{Code: "scope_exceeds_caller", Layer: "credential", Dimension: dimension, Wanted: wanted, Held: held}
	}
	for _, c := range []struct {
		name   string
		change func(*authz.Grant)
		want   authz.Decision
	}{
		{"all of a grant", func(*authz.Grant) {}, authz.Decision{Allowed: true}},
		{"all of another", func(g *authz.Grant) { *g = other }, authz.Decision{Allowed: true}},
		{"less", func(g *authz.Grant) { g.Endpoints = authz.Of("projects.get", "projects.data.*") }, authz.Decision{Allowed: true}},
		{"permission", func(g *authz.Grant) { g.Permissions = authz.Of("write", "admin") }, no("permissions", "admin, write", "delete, read")},
		{"every permission", func(g *authz.Grant) { g.Permissions = authz.All() }, no("permissions", "*", "delete, read")},
		{"endpoint", func(g *authz.Grant) { g.Endpoints = authz.Of("whoami", "keys.list") }, no("endpoints", "keys.list", "projects.*, whoami")},
		{"wider pattern", func(g *authz.Grant) { g.Permissions, g.Endpoints = authz.Of("write"), authz.Of("projects2.*") }, no("endpoints", "projects2.*", "projects.*, whoami")},
		{"environment", func(g *authz.Grant) { g.Environments = authz.Of("live", "test") }, no("environments", "test", "live")},
		{"resource", func(g *authz.Grant) { g.Scope["projects"] = authz.Of("p2", "p3") }, no("scope.projects", "p3", "p1, p2")},
		{"all resources", func(g *authz.Grant) { g.Scope["projects"] = authz.All() }, no("scope.projects", "*", "p1, p2")},
		{"another kind", func(g *authz.Grant) { g.Scope["artifact_types"] = authz.Of("csv") }, no("scope.artifact_types", "csv", "")},
		{"no kind", func(g *authz.Grant) { g.Scope = nil }, authz.Decision{Allowed: true}},
		{"of both grants", func(g *authz.Grant) { g.Scope["projects"] = authz.Of("p1", "p3") }, no("scope.projects", "p3", "p1, p2")},
		{"of a later version", func(g *authz.Grant) { g.Version = 2 }, no("version", "2", "1")},
		{"of no version", func(g *authz.Grant) { g.Version = 0 }, authz.Decision{Allowed: true}}, // which is the present one in Go
		{"read, of no version", func(g *authz.Grant) { *g = readGrant(t, `{"permissions":[]}`) }, no("version", "0", "1")},
		{"nothing", func(g *authz.Grant) { *g = authz.Grant{} }, authz.Decision{Allowed: true}},
		{"of a later release", func(g *authz.Grant) { *g = readGrant(t, `{"v":1,"permissions":["read"],"networks":[],"days":[]}`) },
			no("members", "days, networks", "")},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := mine
			g.Scope = map[string]authz.Set{"projects": mine.Scope["projects"]}
			c.change(&g)
			if diff := cmp.Diff(c.want, r.Delegate(g)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// A principal that holds no valid grant can hand nothing out. cases A1, A2
func TestDelegateNothing(t *testing.T) {
	m := newModel(t)
	all := []authz.Grant{m.Everything()}
	g := grant(authz.Of("read"), authz.Of("p1"), authz.All(), authz.Of("live"))
	if d := m.Rights(authz.Active, all, all).Delegate(g); !d.Allowed {
		t.Fatalf("everything hands out nothing: %+v", d)
	}
	unknown := m.Everything()
	unknown.Permissions = authz.Of("read", "fly")
	for _, c := range []struct {
		name   string
		rights *authz.Rights
		layer  string
	}{
		{"nobody", nil, "credential"},
		{"no layers", m.Rights(authz.Active), "credential"},
		{"empty layer", m.Rights(authz.Active, nil), "credential"},
		{"empty owner", m.Rights(authz.Active, all, nil), "owner"},
		{"empty third", m.Rights(authz.Active, all, all, nil), "layer 3"},
		{"void grant", m.Rights(authz.Active, []authz.Grant{unknown}), "credential"},
		{"void owner", m.Rights(authz.Active, all, []authz.Grant{unknown, {}}), "owner"},
		{"zero status", m.Rights(0, all), "status"},
		{"read only", m.Rights(authz.ReadOnly, all), "status"},
		{"suspended", m.Rights(authz.Suspended, all), "status"},
		{"unknown status", m.Rights(9, all), "status"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, g := range []authz.Grant{g, {Version: authz.Version}} {
				if d := c.rights.Delegate(g); d.Allowed || d.Code != "scope_exceeds_caller" || d.Layer != c.layer || d.Dimension == "" {
					t.Errorf("%+v", d)
				}
			}
		})
	}
}

// case A2
func TestDelegateRefused(t *testing.T) {
	w := httptest.NewRecorder()
	err := &authz.DeniedError{Decision: (*authz.Rights)(nil).Delegate(authz.Grant{}), Permission: "write"}
	problem.Write(w, httptest.NewRequest("POST", "/", nil), authz.Problem(err))
	if w.Code != 403 || w.Header().Get("X-Denied-Reason") != "scope_exceeds_caller" || w.Header().Get("X-Required-Permission") != "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

// case A2: the answer says in what the caller asked for too much, and repeats
// nothing that could be a credential.
func TestDelegateDetail(t *testing.T) {
	const begin = "The caller cannot hand out more than the caller may do"
	key := "mt_live_" + strings.Repeat("a", 29)
	m, err := authz.NewModel(authz.ModelConfig{Permissions: []string{"read", "write", "admin"}, Kinds: []string{"projects"}})
	if err != nil {
		t.Fatal(err)
	}
	grant := func(permissions, ids authz.Set) authz.Grant {
		return authz.Grant{
			Version: authz.Version, Permissions: permissions, Endpoints: authz.All(), Environments: authz.All(),
			Scope: map[string]authz.Set{"projects": ids},
		}
	}
	rights := m.Rights(authz.Active, []authz.Grant{grant(authz.Of("read"), authz.Of("p1"))})
	for _, c := range []struct {
		name   string
		rights *authz.Rights
		asked  authz.Grant
		want   string
	}{
		{"a permission", rights, grant(authz.Of("read", "admin"), authz.Of("p1")), begin + ": too much in permissions, admin."},
		{"two permissions", rights, grant(authz.Of("write", "admin"), authz.Of("p1")), begin + ": too much in permissions, admin and write."},
		{"a project", rights, grant(authz.Of("read"), authz.Of("p1", "p2")), begin + ": too much in scope.projects, p2."},
		{"everything", rights, grant(authz.Of("read"), authz.All()), begin + ": too much in scope.projects, everything."},
		{"a key as a project", rights, grant(authz.Of("read"), authz.Of(key)), begin + ": too much in scope.projects."},
		{"markup", rights, grant(authz.Of("read"), authz.Of("<b>")), begin + ": too much in scope.projects."},
		{"no rights at all", nil, grant(authz.Of("read"), authz.Of("p1")), begin + ": too much in permissions, read."},
		{"suspended", m.Rights(authz.Suspended, []authz.Grant{grant(authz.All(), authz.All())}), grant(authz.Of("read"), authz.Of("p1")), begin + "."},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			problem.Write(w, httptest.NewRequest("POST", "/", nil), authz.Problem(&authz.DeniedError{Decision: c.rights.Delegate(c.asked)}))
			var got struct{ Code, Detail string }
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if got.Code != "scope_exceeds_caller" || got.Detail != c.want {
				t.Errorf("got %+v, want %q", got, c.want)
			}
		})
	}
}

// case T1: an error that may be logged repeats no text of the request, in which
// there may be a key in the wrong place.
func TestDeniedErrorRepeatsNoRequest(t *testing.T) {
	const key = "mt_live_0123456789abcdefghijklmnopqrs"
	m, err := authz.NewModel(authz.ModelConfig{Permissions: []string{"read", "write"}, Kinds: []string{"projects"}})
	if err != nil {
		t.Fatal(err)
	}
	own := m.Everything()
	own.Permissions, own.Environments, own.Scope["projects"] = authz.Of("read"), authz.Of("test"), authz.Of("p1")
	rights := m.Rights(authz.Active, []authz.Grant{own})
	asked := own
	asked.Scope = map[string]authz.Set{"projects": authz.Of(key)}
	renamed := own
	renamed.Permissions = authz.Of(key)
	project := [4]authz.Resource{{Kind: "projects", ID: key}}
	for _, tt := range []struct {
		name string
		d    authz.Decision
		want string
	}{
		{"a permission of the route", rights.Decide(authz.Request{Permission: "write", Environment: "test"}),
			`authz: missing_permission: credential permissions: want "write", have "read"`},
		{"a resource of the path", rights.Decide(authz.Request{Permission: "read", Endpoint: "e", Environment: "test", Resources: project}),
			`authz: out_of_scope: credential scope.projects, have "p1"`},
		{"an environment of the header", rights.Decide(authz.Request{Permission: "read", Endpoint: "e", Environment: key}),
			`authz: environment_not_allowed: credential environments, have "test"`},
		{"a resource to hand out", rights.Delegate(asked),
			`authz: scope_exceeds_caller: credential scope.projects, have "p1"`},
		{"a permission to hand out", rights.Delegate(renamed),
			`authz: scope_exceeds_caller: credential permissions, have "read"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := (&authz.DeniedError{Decision: tt.d}).Error(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

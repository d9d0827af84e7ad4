package authz_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/authz"
)

func grant(permissions, projects, endpoints, environments authz.Set) authz.Grant {
	return authz.Grant{
		Version: authz.Version, Permissions: permissions, Endpoints: endpoints, Environments: environments,
		Scope: map[string]authz.Set{"projects": projects},
	}
}

func project(id string) [4]authz.Resource { return [4]authz.Resource{{Kind: "projects", ID: id}} }

func TestDecide(t *testing.T) {
	m := newModel(t)
	held := grant(authz.Of("read", "write"), authz.Of("p1"), authz.Of("projects.*", "whoami"), authz.Of("live"))
	r := m.Rights(authz.Active, []authz.Grant{held}, []authz.Grant{m.Everything()})
	ok := authz.Request{Permission: "read", Endpoint: "projects.get", Environment: "live", Resources: project("p1")}
	for _, c := range []struct {
		name   string
		change func(*authz.Request)
		want   authz.Decision
	}{
		{"it holds", func(*authz.Request) {}, authz.Decision{Allowed: true}},
		{"no resource", func(q *authz.Request) { q.Resources = [4]authz.Resource{} }, authz.Decision{Allowed: true}},
		{"exact id", func(q *authz.Request) { q.Endpoint = "whoami" }, authz.Decision{Allowed: true}},
		{"deep endpoint", func(q *authz.Request) { q.Endpoint = "projects.data.get" }, authz.Decision{Allowed: true}},
		{"last resource", func(q *authz.Request) { q.Resources = [4]authz.Resource{3: {Kind: "projects", ID: "p1"}} }, authz.Decision{Allowed: true}},
		{"permission", func(q *authz.Request) { q.Permission = "delete" }, authz.Decision{
			Code: "missing_permission", Layer: "credential", Dimension: "permissions", Wanted: "delete", Held: "read, write"}},
		{"endpoint", func(q *authz.Request) { q.Endpoint = "rubrics.get" }, authz.Decision{
			Code: "endpoint_not_allowed", Layer: "credential", Dimension: "endpoints", Wanted: "rubrics.get", Held: "projects.*, whoami"}},
		{"stem of a pattern", func(q *authz.Request) { q.Endpoint = "projects" }, authz.Decision{
			Code: "endpoint_not_allowed", Layer: "credential", Dimension: "endpoints", Wanted: "projects", Held: "projects.*, whoami"}},
		{"environment", func(q *authz.Request) { q.Environment = "test" }, authz.Decision{
			Code: "environment_not_allowed", Layer: "credential", Dimension: "environments", Wanted: "test", Held: "live"}},
		{"resource", func(q *authz.Request) { q.Resources = project("p2") }, authz.Decision{
			Code: "out_of_scope", Layer: "credential", Dimension: "scope.projects", Wanted: "p2", Held: "p1"}},
		{"whole kind", func(q *authz.Request) { q.Resources = project("*") }, authz.Decision{
			Code: "out_of_scope", Layer: "credential", Dimension: "scope.projects", Wanted: "*", Held: "p1"}},
		{"kind not in scope", func(q *authz.Request) { q.Resources[2] = authz.Resource{Kind: "artifact_types", ID: "x"} }, authz.Decision{
			Code: "out_of_scope", Layer: "credential", Dimension: "scope.artifact_types", Wanted: "x"}},
		{"last resource out", func(q *authz.Request) { q.Resources[3] = authz.Resource{Kind: "projects", ID: "p2"} }, authz.Decision{
			Code: "out_of_scope", Layer: "credential", Dimension: "scope.projects", Wanted: "p2", Held: "p1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := ok
			c.change(&q)
			if diff := cmp.Diff(c.want, r.Decide(q)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// case A1
func TestDecideNothingIsDenied(t *testing.T) {
	m := newModel(t)
	all := []authz.Grant{m.Everything()}
	q := authz.Request{Permission: "read", Endpoint: "projects.get", Environment: "live", Resources: project("p1")}
	if d := m.Rights(authz.Active, all, all).Decide(q); !d.Allowed {
		t.Fatalf("everything denies: %+v", d)
	}
	narrow := m.Rights(authz.Active, nil) // case K13: as a handler may write over those that the cache holds
	*narrow = *m.Rights(authz.Active, all, all)
	rights := []struct {
		name   string
		rights *authz.Rights
	}{
		{"nil rights", nil},
		{"a copy", narrow},
		{"no layers", m.Rights(authz.Active)},
		{"empty layer", m.Rights(authz.Active, nil)},
		{"empty first layer", m.Rights(authz.Active, nil, all)},
		{"empty owner", m.Rights(authz.Active, all, nil)},
		{"empty third layer", m.Rights(authz.Active, all, all, nil)},
		{"zero grant", m.Rights(authz.Active, []authz.Grant{{}})},
		{"zero status", m.Rights(0, all, all)},
		{"unknown status", m.Rights(9, all, all)},
	}
	for _, tt := range rights {
		d := tt.rights.Decide(q)
		if d.Allowed || d.Code == "" || d.Layer == "" || d.Dimension == "" {
			t.Errorf("%s: %+v", tt.name, d)
		}
		if s := tt.rights.Visible(q, "projects"); s.IsAll() || len(s.Items()) > 0 {
			t.Errorf("%s: {%v} is visible", tt.name, s)
		}
	}
	r := m.Rights(authz.Active, all, all)
	for _, tt := range []struct {
		name   string
		change func(*authz.Request)
	}{
		{"zero request", func(q *authz.Request) { *q = authz.Request{} }},
		{"no permission", func(q *authz.Request) { q.Permission = "" }},
		{"unknown permission", func(q *authz.Request) { q.Permission = "fly" }},
		{"star permission", func(q *authz.Request) { q.Permission = "*" }},
		{"no endpoint", func(q *authz.Request) { q.Endpoint = "" }},
		{"no environment", func(q *authz.Request) { q.Environment = "" }},
		{"unknown kind", func(q *authz.Request) { q.Resources[1] = authz.Resource{Kind: "galaxies", ID: "x"} }},
		{"id without kind", func(q *authz.Request) { q.Resources[1] = authz.Resource{ID: "x"} }},
		{"kind without id", func(q *authz.Request) { q.Resources[1] = authz.Resource{Kind: "projects"} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := q
			tt.change(&q)
			if d := r.Decide(q); d.Allowed {
				t.Error("allowed")
			}
		})
	}
}

// An owner who may do more does not widen the key, and a key that says more
// is no wider than its owner. case A5
func TestDecideLayersOnlyNarrow(t *testing.T) {
	m := newModel(t)
	all := []authz.Grant{m.Everything()}
	narrow := []authz.Grant{grant(authz.Of("read"), authz.Of("p1"), authz.All(), authz.Of("live"))}
	q := authz.Request{Permission: "write", Endpoint: "projects.update", Environment: "live", Resources: project("p1")}
	if d := m.Rights(authz.Active, narrow, all).Decide(q); d.Layer != "credential" || d.Code != "missing_permission" {
		t.Errorf("an admin's reading key writes: %+v", d)
	}
	if d := m.Rights(authz.Active, all, narrow).Decide(q); d.Layer != "owner" || d.Code != "missing_permission" {
		t.Errorf("a reader's full key writes: %+v", d)
	}
	q.Permission = "read"
	if d := m.Rights(authz.Active, all, narrow).Decide(q); !d.Allowed {
		t.Errorf("what both allow is denied: %+v", d)
	}
}

// Two grants do not make a third, and the explanation is the nearest miss.
func TestDecideGrantsAreNotMixed(t *testing.T) {
	m := newModel(t)
	r := m.Rights(authz.Active, []authz.Grant{
		grant(authz.Of("write"), authz.Of("p1"), authz.All(), authz.All()),
		grant(authz.Of("read"), authz.Of("p2"), authz.All(), authz.All()),
	})
	q := authz.Request{Permission: "write", Endpoint: "projects.update", Environment: "live", Resources: project("p2")}
	want := authz.Decision{Code: "out_of_scope", Layer: "credential", Dimension: "scope.projects", Wanted: "p2", Held: "p1"}
	if diff := cmp.Diff(want, r.Decide(q)); diff != "" {
		t.Error(diff)
	}
	r = m.Rights(authz.Active, []authz.Grant{ // the furthest may be anywhere among them
		grant(authz.Of("write"), authz.Of("p1"), authz.Of("rubrics.*"), authz.All()),
		grant(authz.Of("write"), authz.Of("p3"), authz.All(), authz.All()),
		grant(authz.Of("read"), authz.Of("p2"), authz.All(), authz.All()),
	})
	want.Held = "p3"
	if diff := cmp.Diff(want, r.Decide(q)); diff != "" {
		t.Error(diff)
	}
}

// Each grant allows what it holds.
func TestDecideUnion(t *testing.T) {
	m := newModel(t)
	r := m.Rights(authz.Active, []authz.Grant{
		grant(authz.Of("write"), authz.Of("p1"), authz.All(), authz.All()),
		grant(authz.Of("read"), authz.Of("p2"), authz.All(), authz.All()),
	})
	q := authz.Request{Endpoint: "projects.update", Environment: "live"}
	for _, tt := range []struct{ permission, id string }{{"write", "p1"}, {"read", "p2"}} {
		q.Permission, q.Resources = tt.permission, project(tt.id)
		if d := r.Decide(q); !d.Allowed {
			t.Errorf("%s %s: %+v", tt.permission, tt.id, d)
		}
	}
}

// case A10
func TestDecideStatus(t *testing.T) {
	m := newModel(t)
	for _, c := range []struct {
		status            authz.Status
		writes, suspended bool // of the request
		want              string
	}{
		{authz.Active, false, false, ""},
		{authz.Active, true, false, ""},
		{authz.ReadOnly, false, false, ""},
		{authz.ReadOnly, true, false, "account_read_only"},
		{authz.ReadOnly, true, true, ""},
		{authz.Suspended, false, false, "account_suspended"},
		{authz.Suspended, true, false, "account_suspended"},
		{authz.Suspended, false, true, ""},
		{authz.Suspended, true, true, ""},
		{0, false, true, "account_suspended"},
		{7, false, true, "account_suspended"},
	} {
		q := authz.Request{Permission: "read", Endpoint: "whoami", Environment: "live", Writes: c.writes, Suspended: c.suspended}
		d := m.Rights(c.status, []authz.Grant{m.Everything()}).Decide(q)
		want := authz.Decision{Allowed: true}
		if c.want != "" {
			want = authz.Decision{Code: c.want, Layer: "status", Dimension: "status", Wanted: "active", Held: c.status.String()}
		}
		if diff := cmp.Diff(want, d); diff != "" {
			t.Errorf("%+v: %s", c, diff)
		}
	}
	// A route for suspended accounts still asks what the credential holds.
	q := authz.Request{Permission: "admin", Endpoint: "whoami", Environment: "live", Suspended: true}
	held := []authz.Grant{grant(authz.Of("read"), authz.All(), authz.All(), authz.All())}
	if d := m.Rights(authz.Suspended, held).Decide(q); d.Code != "missing_permission" {
		t.Errorf("%+v", d)
	}
}

func TestDecideDoesNotAllocate(t *testing.T) {
	r, q := typical(newModel(t))
	if !r.Decide(q).Allowed {
		t.Fatal("the typical request is denied")
	}
	if n := testing.AllocsPerRun(100, func() { r.Decide(q) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// typical is a key of two grants in an account of one.
func typical(m *authz.Model) (*authz.Rights, authz.Request) {
	r := m.Rights(authz.Active, []authz.Grant{
		grant(authz.Of("delete"), authz.Of("p9"), authz.All(), authz.Of("live")),
		grant(authz.Of("read", "write"), authz.Of("p1", "p2", "p3"), authz.Of("projects.*"), authz.Of("live")),
	}, []authz.Grant{m.Everything()})
	return r, authz.Request{Permission: "read", Endpoint: "projects.get", Environment: "live", Resources: project("p2")}
}

package authz_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/problem"
)

// A later check continues the request that the route checked: same permission,
// endpoint, environment and path.
func TestCheckResource(t *testing.T) {
	g := newRig(t)
	var kind, id string
	ask := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := authz.CheckResource(r.Context(), kind, id); err != nil {
			problem.Write(w, r, authz.Problem(fmt.Errorf("loading: %w", err)))
		}
	})
	g.Handle("GET /v1/projects/{project}/latest", authz.Need{
		ID: "artifacts.latest", Permission: "read", From: getProject.From, CheckedByHandler: []string{"artifact_types"}}, ask)
	g.Handle("PUT /v1/projects/{project}/latest", authz.Need{
		ID: "artifacts.put", Permission: "write", From: getProject.From, CheckedByHandler: []string{"artifact_types"}}, ask)
	g.Handle("GET /v1/latest", authz.Need{ID: "latest", Permission: "read", CheckedByHandler: []string{"projects"}, HideDenial: true}, ask)
	holds := func(permission, project, artifactType string) authz.Grant {
		b := grant(authz.Of(permission), authz.Of(project), authz.All(), authz.All())
		b.Scope["artifact_types"] = authz.Of(artifactType)
		return b
	}
	g.rights = g.model.Rights(authz.Active, []authz.Grant{holds("read", "p1", "csv"), holds("write", "p1", "fhir"), holds("read", "p2", "fhir")})
	for _, c := range []struct {
		method, path, kind, id string
		status                 int
		reason                 string
	}{
		{"GET", "/v1/projects/p1/latest", "artifact_types", "csv", 200, ""},
		{"GET", "/v1/projects/p1/latest", "artifact_types", "fhir", 403, "out_of_scope"}, // p2's, and the writer's
		{"PUT", "/v1/projects/p1/latest", "artifact_types", "fhir", 200, ""},
		{"GET", "/v1/projects/p2/latest", "artifact_types", "fhir", 200, ""},
		{"GET", "/v1/projects/p1/latest", "projects", "p2", 403, "out_of_scope"}, // no grant holds both
		{"GET", "/v1/projects/p1/latest", "galaxies", "x", 403, "out_of_scope"},
		{"GET", "/v1/projects/p1/latest", "artifact_types", "", 403, "out_of_scope"},
		{"GET", "/v1/projects/p1/latest", "", "", 403, "out_of_scope"},
		{"GET", "/v1/projects/p1/latest", "", "csv", 403, "out_of_scope"},
		{"GET", "/v1/projects/p1/latest", "artifact_types", "*", 403, "out_of_scope"},
		{"GET", "/v1/latest", "projects", "p2", 200, ""},
		{"GET", "/v1/latest", "projects", "p3", 404, ""},
	} {
		kind, id = c.kind, c.id
		if w := g.do(c.method, c.path); w.Code != c.status || w.Header().Get("X-Denied-Reason") != c.reason {
			t.Errorf("%+v: %d %v", c, w.Code, w.Header())
		}
	}
}

// Without a checked request nothing is allowed. case A1
func TestLaterWithoutRequest(t *testing.T) {
	g := newRig(t)
	deny := func(where string, r *http.Request) {
		t.Helper()
		for _, kind := range []string{"projects", ""} {
			err := authz.CheckResource(r.Context(), kind, "p1")
			if _, ok := errors.AsType[*authz.DeniedError](err); !ok {
				t.Errorf("%s: CheckResource: %v", where, err)
			}
		}
		if s := authz.Visible(r.Context(), "projects"); s.IsAll() || len(s.Items()) > 0 {
			t.Errorf("%s: {%v} is visible", where, s)
		}
	}
	deny("bare", httptest.NewRequest("GET", "/", nil))
	g.rights = g.model.Rights(authz.Active, []authz.Grant{g.model.Everything()})
	g.authenticated(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		deny("rights alone", r)
	})).ServeHTTP(httptest.NewRecorder(), request("GET", "/"))

	ran := false
	g.Public("GET /health", "liveness", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ran = true
		deny("public", r)
	}))
	g.do("GET", "/health")
	if !ran {
		t.Error("the public handler did not run")
	}
}

// A list filtered by what is visible gives right pages and totals. case A14
func TestVisiblePages(t *testing.T) {
	g := newRig(t)
	mine := []string{"p00007", "p05000", "p09999"}
	g.holds(authz.Of("read"), authz.Of(append(mine, "gone")...))
	var rows []string
	for i := range 10_000 {
		rows = append(rows, fmt.Sprintf("p%05d", i))
	}
	g.Handle("GET /v1/projects", authz.Need{ID: "projects.list", Permission: "read", CheckedByHandler: []string{"projects"}},
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			visible := authz.Visible(r.Context(), "projects")
			var page []string
			for _, id := range rows {
				if visible.Has(id) != (authz.CheckResource(r.Context(), "projects", id) == nil) {
					t.Errorf("%s: the list and the check differ", id)
				}
				if visible.Has(id) {
					page = append(page, id)
				}
			}
			if !slices.Equal(page, mine) {
				t.Errorf("the page is %v", page)
			}
		}))
	if w := g.do("GET", "/v1/projects"); w.Code != 200 {
		t.Error(w.Code)
	}
}

// Rights compiled under another model with the same names decide the same.
func TestTwoModels(t *testing.T) {
	g := newRig(t)
	other, err := authz.NewModel(authz.ModelConfig{
		Permissions: []string{"admin", "delete", "write", "read"},
		Kinds:       []string{"artifact_types", "projects"},
	})
	if err != nil {
		t.Fatal(err)
	}
	g.Handle("GET /v1/projects/{project}", getProject, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := authz.CheckResource(r.Context(), "projects", "p2"); err == nil {
			t.Error("another project is allowed")
		}
		if s := authz.Visible(r.Context(), "projects"); !s.Equal(authz.Of("p1")) {
			t.Errorf("{%v} is visible", s)
		}
	}))
	g.rights = other.Rights(authz.Active, []authz.Grant{grant(authz.Of("read"), authz.Of("p1"), authz.All(), authz.All())})
	if ok, not := g.do("GET", "/v1/projects/p1").Code, g.do("GET", "/v1/projects/p2").Code; ok != 200 || not != 403 {
		t.Errorf("own project %d, another %d", ok, not)
	}
	g.rights = other.Rights(authz.Active, []authz.Grant{grant(authz.Of("admin"), authz.Of("p1"), authz.All(), authz.All())})
	if w := g.do("GET", "/v1/projects/p1"); w.Code != 403 {
		t.Errorf("admin reads: %d", w.Code)
	}
}

func TestRefuseOtherErrors(t *testing.T) {
	w := httptest.NewRecorder()
	problem.Write(w, httptest.NewRequest("GET", "/", nil), authz.Problem(errors.New("the cause")))
	if w.Code != 500 || slices.Contains([]string{"", "the cause"}, w.Body.String()) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

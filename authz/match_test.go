package authz_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/authz"
)

func matchRig(t *testing.T) *rig {
	g := newRig(t)
	g.Handle("GET /v1/projects", authz.Need{ID: "projects.list", Permission: "read", CheckedByHandler: []string{"projects"}}, g.handler(""))
	g.Handle("POST /v1/projects", authz.Need{ID: "projects.create", Permission: "write", AllOf: []string{"projects"}}, g.handler(""))
	g.Handle("GET /v1/projects/{project}", getProject, g.handler("project"))
	g.Handle("DELETE /v1/projects/{project}",
		authz.Need{ID: "projects.delete", Permission: "delete", From: getProject.From}, g.handler("project"))
	g.Handle("GET /v1/projects/{project}/artifacts/{type}", authz.Need{
		ID: "artifacts.get", Permission: "read", From: map[string]string{"projects": "project", "artifact_types": "type"},
	}, g.handler("type"))
	g.Handle("POST /v1/search", authz.Need{ID: "search", Permission: "read", ReadOnly: true, Suspended: true}, g.handler(""))
	g.Handle("GET /v1/notes/{note}", authz.Need{ID: "notes.get", Permission: "read"}, g.handler("note"))
	g.Handle("GET /v1/fresh", authz.Need{ID: "fresh", Permission: "read", Recent: time.Minute}, g.handler(""))
	g.Public("GET /health", "liveness", g.handler(""))
	g.Public("GET /docs/", "documentation", g.handler(""))
	return g
}

// Unusual spellings of a request never open more than the plain one does.
// case A13
func TestRoutesSpellings(t *testing.T) {
	g := matchRig(t)
	g.holds(authz.Of("read"), authz.Of("p1"))
	long := strings.Repeat("a", 129)
	for _, c := range []struct {
		method, path string
		status       int
		handled      string // "": no handler ran
	}{
		{"GET", "/v1/projects/p1", 200, "handle p1"},
		{"HEAD", "/v1/projects/p1", 200, "handle p1"},
		{"HEAD", "/v1/projects/p2", 403, ""},
		{"GET", "/v1/projects/p%31", 200, "handle p1"},
		{"GET", "/v1/pro%6Aects/p2", 403, ""},
		{"GET", "/v1/projects/..%2Fp1", 404, ""},
		{"GET", "/v1/projects/p1%2F..%2Fp2", 404, ""},
		{"GET", "/v1/projects/%2e%2e", 404, ""},
		{"GET", "/v1/projects/%2E", 404, ""},
		{"GET", "/v1/projects/%2e%2e/artifacts/x", 404, ""},
		{"GET", "/v1/projects/p1/../p2", 307, ""},
		{"GET", "/v1/projects/p1%00", 404, ""},
		{"GET", "/v1/projects/%00", 404, ""},
		{"GET", "/v1/projects/p1%0A", 404, ""},
		{"GET", "/v1/projects/p1%20", 404, ""},
		{"GET", "/v1/projects/p1%25", 404, ""},
		{"GET", "/v1/projects/p1;x", 404, ""},
		{"GET", "/v1/projects/*", 404, ""},
		{"GET", "/v1/projects/%EF%BC%91", 404, ""}, // a full-width digit
		{"GET", "/v1/projects/%FF", 404, ""},
		{"GET", "/v1/projects/P1", 403, ""},
		{"GET", "/v1/projects/p1/", 404, ""},
		{"GET", "/V1/projects/p1", 404, ""},
		{"GET", "/v1/projects//p1", 307, ""},
		{"GET", "//v1/projects/p1", 307, ""},
		{"GET", "/v1/projects/%2Fp1", 404, ""},
		{"GET", "/v1/notes/..%2F..%2Fprojects%2Fp2", 404, ""}, // also where it is no resource
		{"GET", "/v1/notes/n1", 200, "handle n1"},
		{"GET", "/v1/notes/a.b_c~d-e", 200, "handle a.b_c~d-e"},
		{"GET", "/v1/notes/" + long, 404, ""},
		{"GET", "/v1/notes/" + long[1:], 200, "handle " + long[1:]},
		{"GET", "/docs", 307, ""},
		{"get", "/v1/projects/p1", 405, ""},
		{"DELETE", "/v1/projects/p1", 403, ""},
	} {
		w := g.do(c.method, c.path)
		handled := ""
		if n := len(g.trace); n > 0 && strings.HasPrefix(g.trace[n-1], "handle") {
			handled = g.trace[n-1]
		}
		if w.Code != c.status || handled != c.handled {
			t.Errorf("%s %s: %d, %q", c.method, c.path, w.Code, handled)
		}
	}
}

// A header that claims another method neither raises nor lowers what is asked.
// case A13
func TestRoutesIgnoreMethodOverride(t *testing.T) {
	g := matchRig(t)
	g.holds(authz.Of("read"), authz.Of("p1"))
	for _, name := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
		if w := g.do("DELETE", "/v1/projects/p1", name, "GET"); w.Code != 403 {
			t.Errorf("%s: GET on DELETE: %d", name, w.Code)
		}
		if w := g.do("GET", "/v1/projects/p1", name, "DELETE"); w.Code != 200 {
			t.Errorf("%s: DELETE on GET: %d", name, w.Code)
		}
	}
}

func TestRoutesMiss(t *testing.T) {
	g := matchRig(t)
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/nothing", 404, ""},
		{"GET", "/", 404, ""},
		{"POST", "/v1/projects/p1", 405, "DELETE, GET, HEAD"},
		{"PUT", "/v1/projects", 405, "GET, HEAD, POST"},
		{"OPTIONS", "/v1/search", 405, "POST"},
		{"HEAD", "/v1/search", 405, "POST"},
		{"POST", "/health", 405, "GET, HEAD"},
	} {
		w := g.do(c.method, c.path)
		if w.Code != c.status || w.Header().Get("Allow") != c.allow || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %d %v", c.method, c.path, w.Code, w.Header())
		}
		if len(g.trace) > 0 {
			t.Errorf("%s %s ran %v", c.method, c.path, g.trace)
		}
	}
	// The answer to misses gives way to a root of the user's own.
	g.Public("GET /", "the start page", g.handler(""))
	if w := g.do("GET", "/nothing"); w.Code != 200 {
		t.Errorf("own root: %d", w.Code)
	}
	if w := g.do("POST", "/nothing"); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("own root: %d %v", w.Code, w.Header())
	}
}

func TestMatch(t *testing.T) {
	g := matchRig(t)
	res := func(all ...authz.Resource) (four [4]authz.Resource) { copy(four[:], all); return four }
	for _, c := range []struct {
		method, path string
		id           string // "": no match
		want         authz.Request
	}{
		{"GET", "/v1/projects/p1", "projects.get", authz.Request{Permission: "read", Endpoint: "projects.get", Resources: project("p1")}},
		{"HEAD", "/v1/projects/p1", "projects.get", authz.Request{Permission: "read", Endpoint: "projects.get", Resources: project("p1")}},
		{"DELETE", "/v1/projects/p1", "projects.delete", authz.Request{
			Permission: "delete", Endpoint: "projects.delete", Writes: true, Resources: project("p1")}},
		{"POST", "/v1/projects", "projects.create", authz.Request{
			Permission: "write", Endpoint: "projects.create", Writes: true, Resources: project("*")}},
		{"GET", "/v1/projects", "projects.list", authz.Request{Permission: "read", Endpoint: "projects.list"}},
		{"GET", "/v1/projects/p1/artifacts/csv", "artifacts.get", authz.Request{Permission: "read", Endpoint: "artifacts.get",
			Resources: res(authz.Resource{Kind: "artifact_types", ID: "csv"}, authz.Resource{Kind: "projects", ID: "p1"})}},
		{"POST", "/v1/search", "search", authz.Request{Permission: "read", Endpoint: "search", Suspended: true}},
		{"GET", "/v1/fresh", "fresh", authz.Request{Permission: "read", Endpoint: "fresh", Recent: time.Minute}},
		{"GET", "/v1/projects/%2e%2e", "", authz.Request{}},
		{"GET", "/docs", "", authz.Request{}}, // redirected
		{"PUT", "/v1/projects", "", authz.Request{}},
		{"GET", "/nothing", "", authz.Request{}},
	} {
		r := httptest.NewRequest(c.method, c.path, nil)
		route, q, ok := g.Match(r)
		if diff := cmp.Diff(c.want, q); diff != "" || route.Need.ID != c.id || ok != (c.id != "") {
			t.Errorf("%s %s: %q, %v: %s", c.method, c.path, route.Need.ID, ok, diff)
		}
		if r.Pattern != "" || r.PathValue("project") != "" {
			t.Errorf("%s %s: matching changed the request", c.method, c.path)
		}
	}
	route, q, ok := g.Match(httptest.NewRequest("GET", "/health", nil))
	if !ok || route.Public != "liveness" || q != (authz.Request{}) {
		t.Errorf("public: %+v %+v %v", route, q, ok)
	}
	if len(g.trace) > 0 {
		t.Errorf("matching ran %v", g.trace)
	}
}

// Explaining agrees with serving.
func TestMatchIsWhatServes(t *testing.T) {
	g := matchRig(t)
	for _, permissions := range []authz.Set{authz.Of("read"), authz.Of("write"), authz.All()} {
		for _, projects := range []authz.Set{authz.Of("p1"), authz.All()} {
			g.holds(permissions, projects)
			for _, method := range []string{"GET", "HEAD", "POST", "DELETE"} {
				for _, path := range []string{"/v1/projects", "/v1/projects/p1", "/v1/projects/p2", "/v1/search", "/v1/notes/n", "/nothing"} {
					served := g.do(method, path).Code
					_, q, ok := g.Match(httptest.NewRequest(method, path, nil))
					q.Environment = "live"
					want := map[bool]int{true: 200, false: 403}[g.rights.Decide(q).Allowed]
					if ok && served != want || !ok && served != 404 && served != 405 {
						t.Errorf("{%v} on {%v}: %s %s: served %d, explained as %v %+v", permissions, projects, method, path, served, ok, q)
					}
				}
			}
		}
	}
}

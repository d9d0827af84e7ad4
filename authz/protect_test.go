package authz_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/authz"
)

func TestProtect(t *testing.T) {
	g := newRig(t)
	mux := http.NewServeMux()
	guard := func(n authz.Need, h http.Handler) http.Handler {
		return g.authenticate(authz.Protect(g.model, n, g.limit(h)))
	}
	mux.Handle("/v1/projects/{project}", guard(getProject, g.handler("project")))
	mux.Handle("/v1/misspelt/{id}", guard(getProject, g.handler("id")))
	writer := authz.Need{ID: "projects.update", Permission: "write", Cost: 3, From: getProject.From}
	mux.Handle("/v1/update/{project}", guard(writer, g.handler("project")))
	search := authz.Need{ID: "search", Permission: "read", ReadOnly: true}
	mux.Handle("/v1/search", guard(search, g.handler("")))

	g.rights = g.model.Rights(authz.ReadOnly, []authz.Grant{grant(authz.Of("read", "write"), authz.Of("p1"), authz.All(), authz.All())})
	for _, c := range []struct {
		method, path string
		status       int
		reason       string
		trace        []string // after authentication
	}{
		{"GET", "/v1/projects/p1", 200, "", []string{"limit cost=0 denied=false", "handle p1"}},
		{"HEAD", "/v1/projects/p1", 200, "", []string{"limit cost=0 denied=false", "handle p1"}},
		{"GET", "/v1/projects/p2", 403, "out_of_scope", nil},
		{"GET", "/v1/projects/..%2Fp1", 404, "", nil}, // case A13
		{"POST", "/v1/projects/p1", 405, "", nil},     // its permission only looks: case A11
		{"PURGE", "/v1/projects/p1", 405, "", nil},
		{"GET", "/v1/misspelt/p1", 500, "", nil},
		{"GET", "/v1/update/p1", 200, "", []string{"limit cost=3 denied=false", "handle p1"}},
		{"POST", "/v1/update/p1", 403, "account_read_only", nil},
		{"POST", "/v1/search", 200, "", []string{"limit cost=0 denied=false", "handle "}},
	} {
		g.trace = nil
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
		if w.Code != c.status || w.Header().Get("X-Denied-Reason") != c.reason {
			t.Errorf("%s %s: %d %v", c.method, c.path, w.Code, w.Header())
		}
		if diff := cmp.Diff(append([]string{"authenticate"}, c.trace...), g.trace); diff != "" {
			t.Errorf("%s %s: %s", c.method, c.path, diff)
		}
		if c.status == 405 && w.Header().Get("Allow") == "" {
			t.Errorf("%s %s: no Allow", c.method, c.path)
		}
	}
	g.rights = nil
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/v1/projects/p1", nil))
	if w.Code != 401 || w.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("nobody: %d %v", w.Code, w.Header())
	}
}

// case A11
func TestProtectRefuses(t *testing.T) {
	m := newModel(t)
	for want, f := range map[string]func(){
		"model is nil":      func() { authz.Protect(nil, getProject, http.NotFoundHandler()) },
		"handler is nil":    func() { authz.Protect(m, getProject, nil) },
		`permission ""`:     func() { authz.Protect(m, authz.Need{ID: "a"}, http.NotFoundHandler()) },
		`ID ""`:             func() { authz.Protect(m, authz.Need{Permission: "read"}, http.NotFoundHandler()) },
		"not in the model:": func() { authz.Protect(m, authz.Need{ID: "a", Permission: "fly"}, http.NotFoundHandler()) },
	} {
		if got := panics(f); !strings.Contains(got, want) {
			t.Errorf("panic %q, want %q", got, want)
		}
	}
}

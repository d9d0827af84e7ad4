package authz_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/ratelimit"
)

func TestProtect(t *testing.T) {
	g := newRig(t)
	plan, err := ratelimit.ParsePlan("plan", "1000-M")
	if err != nil {
		t.Fatal(err)
	}
	limiter, err := ratelimit.New(ratelimit.Config{
		Store: traced{g, ratelimit.NewMemory(0)}, Charge: func(*http.Request) (string, *ratelimit.Plan) { return "s", plan },
	})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	guard := authz.Guard{Model: g.model, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	mux := http.NewServeMux()
	protect := func(n authz.Need, h http.Handler) http.Handler {
		return g.authenticated(t, guard.Protect(n, limiter.Wrap(h)))
	}
	mux.Handle("/v1/projects/{project}", protect(getProject, g.handler("project")))
	mux.Handle("/v1/misspelt/{id}", protect(getProject, g.handler("id")))
	writer := authz.Need{ID: "projects.update", Permission: "write", Cost: 3, From: getProject.From}
	mux.Handle("/v1/update/{project}", protect(writer, g.handler("project")))
	search := authz.Need{ID: "search", Permission: "read", ReadOnly: true}
	mux.Handle("/v1/search", protect(search, g.handler("")))
	mux.Handle("/v1/open", guard.Protect(search, g.handler("")))

	g.rights = g.model.Rights(authz.ReadOnly, []authz.Grant{grant(authz.Of("read", "write"), authz.Of("p1"), authz.All(), authz.All())})
	for _, c := range []struct {
		method, path string
		status       int
		reason       string
		trace        []string // after authentication
		log          string   // "": nothing
	}{
		{"GET", "/v1/projects/p1", 200, "", []string{"take 1 of plan", "handle p1"}, ""},
		{"HEAD", "/v1/projects/p1", 200, "", []string{"take 1 of plan", "handle p1"}, ""},
		{"GET", "/v1/projects/p2", 403, "out_of_scope", nil, ""},
		{"GET", "/v1/projects/..%2Fp1", 404, "", nil, ""}, // case A13
		{"POST", "/v1/projects/p1", 405, "", nil, ""},     // its permission is read-only: case A11
		{"PURGE", "/v1/projects/p1", 405, "", nil, ""},
		{"GET", "/v1/misspelt/p1", 500, "", nil, `the router sets no path value \"project\"`},
		{"GET", "/v1/update/p1", 200, "", []string{"take 3 of plan", "handle p1"}, ""},
		{"POST", "/v1/update/p1", 403, "account_read_only", nil, ""},
		{"POST", "/v1/search", 200, "", []string{"take 1 of plan", "handle "}, ""},
	} {
		g.trace = nil
		log.Reset()
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, request(c.method, c.path))
		if w.Code != c.status || w.Header().Get("X-Denied-Reason") != c.reason {
			t.Errorf("%s %s: %d %v", c.method, c.path, w.Code, w.Header())
		}
		if diff := cmp.Diff(append([]string{"authenticate"}, c.trace...), g.trace); diff != "" {
			t.Errorf("%s %s: %s", c.method, c.path, diff)
		}
		if c.status == 405 && w.Header().Get("Allow") == "" {
			t.Errorf("%s %s: no Allow", c.method, c.path)
		}
		if got := log.String(); c.log == "" && got != "" || !strings.Contains(got, c.log) {
			t.Errorf("%s %s: the log has %q, want %q", c.method, c.path, got, c.log)
		}
	}
	g.rights = nil
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, request("GET", "/v1/projects/p1"))
	if w.Code != 401 || w.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("nobody: %d %v", w.Code, w.Header())
	}
	log.Reset()
	w = httptest.NewRecorder()
	mux.ServeHTTP(w, request("POST", "/v1/open"))
	if want := "put authentication around Protect, as in auth.Wrap(authz.Protect(model, need, h))"; w.Code != 500 || !strings.Contains(log.String(), want) {
		t.Errorf("without authentication: got %d and %q in the log, want 500 and %q", w.Code, &log, want)
	}
}

// case A11
func TestProtectRefuses(t *testing.T) {
	m := newModel(t)
	for _, tt := range []struct {
		want string
		f    func()
	}{
		{"model is nil", func() { authz.Protect(nil, getProject, http.NotFoundHandler()) }},
		{"handler is nil", func() { authz.Protect(m, getProject, nil) }},
		{`permission ""`, func() { authz.Protect(m, authz.Need{ID: "a"}, http.NotFoundHandler()) }},
		{`ID ""`, func() { authz.Protect(m, authz.Need{Permission: "read"}, http.NotFoundHandler()) }},
		{"not in the model:", func() { authz.Protect(m, authz.Need{ID: "a", Permission: "fly"}, http.NotFoundHandler()) }},
	} {
		if got := panics(tt.f); !strings.Contains(got, tt.want) {
			t.Errorf("panic %q, want %q", got, tt.want)
		}
	}
}

package authz_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/internal/request"
	"medtwin.ai/tollgate/problem"
)

var noon = time.Date(2026, 1, 30, 12, 0, 0, 0, time.UTC)

// A rig is Routes with parts that write down when they run.
type rig struct {
	*authz.Routes
	model  *authz.Model
	rights *authz.Rights // of everybody; nil: nobody authenticates
	trace  []string
}

func newRig(t testing.TB) *rig {
	t.Helper()
	g := &rig{model: newModel(t)}
	routes, err := authz.NewRoutes(authz.RoutesConfig{
		Model:        g.model,
		Authenticate: g.authenticate,
		Limit:        g.limit,
		Now:          func() time.Time { return noon },
	})
	if err != nil {
		t.Fatal(err)
	}
	g.Routes = routes
	return g
}

func (g *rig) note(format string, args ...any) {
	g.trace = append(g.trace, fmt.Sprintf(format, args...))
}

// authenticate stands for package authn.
func (g *rig) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.note("authenticate")
		r, s := request.Ensure(r, nil)
		if g.rights != nil {
			s.Rights, s.Environment = g.rights, "live"
		}
		next.ServeHTTP(w, r)
	})
}

// limit stands for package ratelimit.
func (g *rig) limit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := request.From(r.Context())
		g.note("limit cost=%d denied=%v", s.Cost, s.Denied != nil)
		w.Header().Set("X-Limited", "yes")
		next.ServeHTTP(w, r)
	})
}

// handler notes that it ran and with which path value.
func (g *rig) handler(wildcard string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.note("handle %s", r.PathValue(wildcard))
		io.WriteString(w, "done")
	})
}

func (g *rig) do(method, target string, header ...string) *httptest.ResponseRecorder {
	g.trace = nil
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w
}

func (g *rig) holds(permissions, projects authz.Set) {
	g.rights = g.model.Rights(authz.Active,
		[]authz.Grant{grant(permissions, projects, authz.All(), authz.All())},
		[]authz.Grant{g.model.Everything()})
}

var getProject = authz.Need{ID: "projects.get", Permission: "read", From: map[string]string{"projects": "project"}}

func TestNewRoutesMistakes(t *testing.T) {
	_, err := authz.NewRoutes(authz.RoutesConfig{})
	for _, want := range []string{"Model", "Authenticate"} {
		if err == nil || !strings.Contains(err.Error(), want+" is required") {
			t.Errorf("%v does not ask for %s", err, want)
		}
	}
}

// The chain runs in a fixed order, and everything in it sees one state.
func TestRoutesOrder(t *testing.T) {
	g := newRig(t)
	need := getProject
	need.Cost = 5
	g.Handle("GET /v1/projects/{project}", need, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := request.From(r.Context())
		if !s.Now.Equal(noon) || s.Question == nil || s.Denied != nil || s.Cost != 5 {
			t.Errorf("state %+v", s)
		}
		g.handler("project").ServeHTTP(w, r)
	}))
	g.holds(authz.Of("read"), authz.Of("p1"))

	w := g.do("GET", "/v1/projects/p1")
	if diff := cmp.Diff([]string{"authenticate", "limit cost=5 denied=false", "handle p1"}, g.trace); diff != "" || w.Code != 200 {
		t.Error(w.Code, diff)
	}
	w = g.do("GET", "/v1/projects/p2")
	if diff := cmp.Diff([]string{"authenticate", "limit cost=5 denied=true"}, g.trace); diff != "" || w.Code != 403 {
		t.Error(w.Code, diff)
	}
	if w.Header().Get("X-Limited") != "yes" {
		t.Error("a denial has no limit headers")
	}
	g.rights = nil
	w = g.do("GET", "/v1/projects/p1")
	if diff := cmp.Diff([]string{"authenticate"}, g.trace); diff != "" || w.Code != 401 {
		t.Error(w.Code, diff)
	}
	if !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Bearer") {
		t.Errorf("WWW-Authenticate: %q", w.Header().Get("WWW-Authenticate"))
	}
}

func TestRoutesWithoutLimit(t *testing.T) {
	g := newRig(t)
	routes, err := authz.NewRoutes(authz.RoutesConfig{Model: g.model, Authenticate: g.authenticate})
	if err != nil {
		t.Fatal(err)
	}
	g.Routes = routes
	g.Handle("GET /v1/projects/{project}", getProject, g.handler("project"))
	g.holds(authz.Of("read"), authz.Of("p1"))
	if w := g.do("GET", "/v1/projects/p1"); w.Code != 200 {
		t.Error(w.Code)
	}
	if w := g.do("GET", "/v1/projects/p2"); w.Code != 403 {
		t.Error(w.Code)
	}
}

// Parts that drop the state of the request make denials, never a pass.
func TestRoutesLostState(t *testing.T) {
	g := newRig(t)
	drop := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(t.Context()))
		})
	}
	for name, c := range map[string]struct {
		authenticate, limit func(http.Handler) http.Handler
		want                int
	}{
		"after authentication": {func(h http.Handler) http.Handler { return g.authenticate(drop(h)) }, nil, 401},
		"before the refusal":   {g.authenticate, drop, 500},
	} {
		routes, err := authz.NewRoutes(authz.RoutesConfig{Model: g.model, Authenticate: c.authenticate, Limit: c.limit})
		if err != nil {
			t.Fatal(err)
		}
		g.Routes = routes
		g.Handle("GET /v1/projects/{project}", getProject, g.handler("project"))
		g.holds(authz.Of("read"), authz.Of("p1"))
		if w := g.do("GET", "/v1/projects/p2"); w.Code != c.want {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
}

func TestRoutesPublic(t *testing.T) {
	g := newRig(t)
	g.Public("GET /health", "liveness", g.handler(""))
	if w := g.do("GET", "/health"); w.Code != 200 {
		t.Error(w.Code)
	}
	if diff := cmp.Diff([]string{"handle "}, g.trace); diff != "" {
		t.Error(diff)
	}
}

func TestRoutesDenialNamesWhatWasMissing(t *testing.T) {
	g := newRig(t)
	g.Handle("GET /v1/projects/{project}", getProject, g.handler("project"))
	g.Handle("DELETE /v1/projects/{project}",
		authz.Need{ID: "projects.delete", Permission: "delete", From: getProject.From}, g.handler("project"))
	hidden := getProject
	hidden.ID, hidden.Hide = "hidden.get", true
	g.Handle("GET /v1/hidden/{project}", hidden, g.handler("project"))
	g.holds(authz.Of("read"), authz.Of("p1"))

	for _, c := range []struct {
		method, path       string
		status             int
		reason, permission string
	}{
		{"GET", "/v1/projects/p2", 403, "out_of_scope", ""},
		{"DELETE", "/v1/projects/p1", 403, "missing_permission", "delete"},
		{"GET", "/v1/hidden/p2", 404, "", ""},
		{"GET", "/v1/hidden/p1", 200, "", ""},
	} {
		w := g.do(c.method, c.path)
		if w.Code != c.status || w.Header().Get("X-Denied-Reason") != c.reason || w.Header().Get("X-Required-Permission") != c.permission {
			t.Errorf("%s %s: %d %v", c.method, c.path, w.Code, w.Header())
		}
	}
}

// What is hidden is 404 for callers without any rights too, by the same bytes
// as a path that is not there, and in every layer and status.
func TestRoutesHide(t *testing.T) {
	g := newRig(t)
	hidden := authz.Need{ID: "hidden.get", Permission: "read", From: getProject.From, Later: []string{"artifact_types"}, Hide: true}
	g.Handle("GET /v1/hidden/{project}", hidden, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := authz.CheckResource(r.Context(), "artifact_types", "csv"); err != nil {
			problem.Write(w, r, authz.Problem(err))
		}
	}))
	protected := authz.Protect(g.model, hidden, g.handler("project"))
	g.holds(authz.Of("read"), authz.Of("p1"))
	missing := g.do("GET", "/v1/nothing").Result()
	all, none := g.model.Everything(), grant(authz.Set{}, authz.Set{}, authz.Set{}, authz.Set{})
	unchecked := g.model.Everything()
	unchecked.Scope["artifact_types"] = authz.Of("fhir")
	for _, c := range []struct {
		name   string
		rights *authz.Rights
	}{
		{"no layers", g.model.Rights(authz.Active)},
		{"an empty layer", g.model.Rights(authz.Active, nil)},
		{"an empty layer below", g.model.Rights(authz.Active, []authz.Grant{all}, nil)},
		{"an empty grant", g.model.Rights(authz.Active, []authz.Grant{none})},
		{"rights of nobody", new(authz.Rights)},
		{"no status", g.model.Rights(0, []authz.Grant{all})},
		{"suspended", g.model.Rights(authz.Suspended, []authz.Grant{all})},
		{"what the handler checks", g.model.Rights(authz.Active, []authz.Grant{unchecked})},
	} {
		t.Run(c.name, func(t *testing.T) {
			g.rights = c.rights
			w := g.do("GET", "/v1/hidden/p1").Result()
			w.Header.Del("X-Limited")
			for _, h := range []http.Header{w.Header, missing.Header} {
				h.Del("X-Request-Id")
			}
			if diff := cmp.Diff(missing.Header, w.Header); diff != "" || w.StatusCode != 404 {
				t.Errorf("%d, -missing +hidden:\n%s", w.StatusCode, diff)
			}
			if c.name == "what the handler checks" {
				return
			}
			r := httptest.NewRequest("GET", "/v1/hidden/p1", nil)
			r.SetPathValue("project", "p1")
			rec := httptest.NewRecorder()
			g.authenticate(protected).ServeHTTP(rec, r)
			if rec.Code != 404 || rec.Header().Get("X-Denied-Reason") != "" {
				t.Errorf("Protect: %d %v", rec.Code, rec.Header())
			}
		})
	}
}

// case A10
func TestRoutesSuspendedAccount(t *testing.T) {
	g := newRig(t)
	g.Handle("GET /v1/projects/{project}", getProject, g.handler("project"))
	g.Handle("GET /v1/whoami", authz.Need{ID: "whoami", Permission: "read", Cost: -1, Suspended: true}, g.handler(""))
	all := []authz.Grant{g.model.Everything()}
	for _, c := range []struct {
		status          authz.Status
		project, whoami int
	}{{authz.Active, 200, 200}, {authz.Suspended, 403, 200}, {authz.Active, 200, 200}, {0, 403, 403}} {
		g.rights = g.model.Rights(c.status, all, all)
		w := g.do("GET", "/v1/projects/p1")
		if w.Code != c.project || w.Code == 403 && w.Header().Get("X-Denied-Reason") != "account_suspended" {
			t.Errorf("%v: project: %d %v", c.status, w.Code, w.Header())
		}
		if w := g.do("GET", "/v1/whoami"); w.Code != c.whoami {
			t.Errorf("%v: whoami: %d", c.status, w.Code)
		}
	}
}

// Out of scope is decided before any lookup and is the same for ids that
// exist and ids that do not; missing, foreign, unrouted and impossible ids
// are the same 404. case A15
func TestRoutesSameBytes(t *testing.T) {
	g := newRig(t)
	lookups := 0
	g.Handle("GET /v1/projects/{project}", getProject, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lookups++
		if r.PathValue("project") != "p1" {
			problem.Write(w, r, problem.Problem{Status: http.StatusNotFound}) // missing, or another account's
			return
		}
		io.WriteString(w, "p1")
	}))
	h := problem.RequestIDs(g)
	body := func(path string, status int) string {
		t.Helper()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != status {
			t.Fatalf("%s: %d, want %d", path, w.Code, status)
		}
		id := w.Header().Get("X-Request-Id")
		w.Header().Del("X-Limited")
		return strings.ReplaceAll(fmt.Sprint(w.Body, w.Header()), id, "the-id")
	}

	g.holds(authz.Of("read"), authz.Of("p9"))
	if exists, missing := body("/v1/projects/p1", 403), body("/v1/projects/p2", 403); exists != missing {
		t.Errorf("403 tells ids apart: %s and %s", exists, missing)
	}
	if lookups != 0 {
		t.Errorf("%d lookups before the denial", lookups)
	}
	g.holds(authz.Of("read"), authz.All())
	want := body("/v1/projects/p2", 404)
	for _, path := range []string{"/v1/projects/p3", "/v1/nothing", "/v1/projects/a%2Fb", "/v1/projects/%00"} {
		if got := body(path, 404); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	body("/v1/projects/p1", 200)
}

package authz_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/ratelimit"
	"medtwin.ai/tollgate/store/memory"
)

var noon = time.Date(2026, 1, 30, 12, 0, 0, 0, time.UTC)

// A rig is a gate with parts that write down when they run.
type rig struct {
	*tollgate.Gate
	model  *authz.Model
	rights *authz.Rights // of everybody; nil: nobody is let in
	acts   string        // the environment that everybody acts in
	proved time.Time     // when everybody proved their identity
	trace  []string
}

func newRig(t testing.TB) *rig {
	t.Helper()
	db, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := keyfmt.NewKeyring(keyfmt.GeneratePepper("p1"))
	if err != nil {
		t.Fatal(err)
	}
	g := &rig{acts: "live"}
	g.Gate, err = tollgate.New(tollgate.Config{
		Store: db, Secrets: secrets, Prefix: "acme",
		Permissions: []string{"read", "write", "delete", "admin"}, ReadOnly: []string{"read"}, Resources: []string{"projects", "artifact_types"},
		Plans: map[string]string{"plan": "1000-M"}, Limits: traced{g, ratelimit.NewMemory(0)},
		Authenticators: []authn.Authenticator{g}, Now: func() time.Time { return noon }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	g.model = g.Model()
	return g
}

func (g *rig) note(format string, args ...any) {
	g.trace = append(g.trace, fmt.Sprintf(format, args...))
}

// Remembers implements authn.Rememberer: nobody is held up by failures.
func (g *rig) Remembers(authn.Authenticator) bool { return true }

// Authenticate implements authn.Authenticator.
func (g *rig) Authenticate(_ context.Context, c authn.Credential, _ time.Time) (*authn.Principal, error) {
	if c.MemoryOnly {
		g.note("authenticate")
	}
	if g.rights == nil {
		return nil, authn.ErrRejected
	}
	return &authn.Principal{
		Kind: authn.KindKey, ID: "key_1", Account: "acct_1", Subject: "acct_1/live", Environment: g.acts, Proved: g.proved, Rights: g.rights,
	}, nil
}

// traced notes what is taken.
type traced struct {
	*rig
	ratelimit.Store
}

func (s traced) Take(ctx context.Context, t ratelimit.Take, now time.Time) (ratelimit.Decision, error) {
	s.note("take %d of %s", t.Cost, t.Scope)
	return s.Store.Take(ctx, t, now)
}

// authenticated is h behind the authentication of package authn.
func (g *rig) authenticated(t testing.TB, h http.Handler) http.Handler {
	t.Helper()
	mw, err := authn.New(authn.Config{Authenticators: []authn.Authenticator{g}, Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	return mw.Wrap(h)
}

// request is a request by everybody.
func request(method, target string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	r.Header.Set("Authorization", "Bearer x")
	return r
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
	r := request(method, target)
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

// A request is matched, authenticated, decided, charged and handled in this
// order, and what is denied is charged apart and shows where the plan stands.
func TestOrder(t *testing.T) {
	g := newRig(t)
	need := getProject
	need.Cost = 5
	g.Handle("GET /v1/projects/{project}", need, g.handler("project"))
	g.Handle("GET /v1/free", authz.Need{ID: "free", Permission: "read", Cost: -1}, g.handler(""))
	g.holds(authz.Of("read"), authz.Of("p1"))
	for _, c := range []struct {
		path      string
		status    int
		remaining string
		trace     []string
	}{
		{"/v1/projects/p1", 200, "995", []string{"authenticate", "take 5 of acme/plan", "handle p1"}},
		{"/v1/projects/p2", 403, "995", []string{"authenticate", "take 1 of acme/denied", "take 0 of acme/plan"}},
		{"/v1/free", 200, "59", []string{"authenticate", "take 1 of acme/free", "handle "}},
		{"/v1/projects/..", 307, "", nil},
		{"/v1/nothing", 404, "", nil},
	} {
		w := g.do("GET", c.path)
		if got := w.Header().Get("X-RateLimit-Remaining"); w.Code != c.status || got != c.remaining {
			t.Errorf("%s: got %d, %q remaining, want %d, %q", c.path, w.Code, got, c.status, c.remaining)
		}
		if diff := cmp.Diff(c.trace, g.trace); diff != "" {
			t.Errorf("%s: -want +got:\n%s", c.path, diff)
		}
	}
	g.rights = nil
	w := g.do("GET", "/v1/projects/p1")
	if diff := cmp.Diff([]string{"authenticate"}, g.trace); diff != "" || w.Code != 401 {
		t.Error(w.Code, diff)
	}
	if !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Bearer") {
		t.Errorf("WWW-Authenticate: %q", w.Header().Get("WWW-Authenticate"))
	}
}

// A handler that is given another context has lost what was decided: denials,
// never a pass.
func TestLostContext(t *testing.T) {
	g := newRig(t)
	g.Handle("GET /v1/projects", authz.Need{ID: "projects.list", Permission: "read", CheckedByHandler: []string{"projects"}},
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if authz.CheckResource(t.Context(), "projects", "p1") == nil {
				t.Error("allowed by nobody's decision")
			}
		}))
	g.holds(authz.Of("read"), authz.Of("p1"))
	if w := g.do("GET", "/v1/projects"); w.Code != 200 {
		t.Error(w.Code)
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
	hidden.ID, hidden.HideDenial = "hidden.get", true
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
	hidden := authz.Need{ID: "hidden.get", Permission: "read", From: getProject.From, CheckedByHandler: []string{"artifact_types"}, HideDenial: true}
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
			for _, h := range []http.Header{w.Header, missing.Header} {
				unlimited(h)
				h.Del("X-Request-Id")
			}
			if diff := cmp.Diff(missing.Header, w.Header); diff != "" || w.StatusCode != 404 {
				t.Errorf("%d, -missing +hidden:\n%s", w.StatusCode, diff)
			}
			if c.name == "what the handler checks" {
				return
			}
			r := request("GET", "/v1/hidden/p1")
			r.SetPathValue("project", "p1")
			rec := httptest.NewRecorder()
			g.authenticated(t, protected).ServeHTTP(rec, r)
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
			problem.Write(w, r, problem.Problem{Status: 404}) // missing, or another account's
			return
		}
		io.WriteString(w, "p1")
	}))
	body := func(path string, status int) string {
		t.Helper()
		r := request("GET", path)
		r = r.WithContext(problem.WithRequestID(r.Context(), "the-id"))
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		if w.Code != status {
			t.Fatalf("%s: %d, want %d", path, w.Code, status)
		}
		w.Header().Del("X-Request-Id")
		unlimited(w.Header())
		return fmt.Sprint(w.Body, w.Header())
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

// unlimited removes what tells where the caller's plan stands, which is nothing
// about the route.
func unlimited(h http.Header) {
	for _, name := range []string{"X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset", "Ratelimit", "Ratelimit-Policy"} {
		h.Del(name)
	}
}

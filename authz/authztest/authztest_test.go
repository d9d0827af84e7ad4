package authztest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/authz/authztest"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/store/memory"
)

// A spy is a test that notes how it fails.
type spy struct {
	testing.TB
	errors []string
}

func (s *spy) Helper() {}

func (s *spy) Errorf(format string, args ...any) {
	s.errors = append(s.errors, fmt.Sprintf(format, args...))
}

// An open gate is one on which everybody may do everything, with no proof of
// identity.
type open struct{ *tollgate.Gate }

func newRoutes(t *testing.T) open {
	t.Helper()
	db, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	who := new(everybody)
	g, err := tollgate.New(tollgate.Config{
		Store: db, Secrets: keyfmt.InsecureUnpeppered(), Prefix: "acme",
		Permissions: []string{"read", "write"}, ReadOnly: []string{"read"}, Resources: []string{"projects", "types"},
		Authenticators: []authn.Authenticator{who},
	})
	if err != nil {
		t.Fatal(err)
	}
	who.model = g.Model()
	return open{g}
}

func (o open) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Header.Set("Authorization", "Bearer x")
	o.Gate.ServeHTTP(w, r)
}

// everybody is an authenticator.
type everybody struct{ model *authz.Model }

func (e *everybody) Authenticate(context.Context, authn.Credential, time.Time) (*authn.Principal, error) {
	return &authn.Principal{
		Kind: authn.KindKey, ID: "key_1", Subject: "s", Environment: "live",
		Rights: e.model.Rights(authz.Active, []authz.Grant{e.model.Everything()}),
	}, nil
}

func TestGolden(t *testing.T) {
	routes := newRoutes(t)
	h := http.NotFoundHandler()
	routes.Public("GET /health", "liveness, \"open\"\nto all", h)
	routes.Handle("POST /v1/projects", authz.Need{ID: "projects.create", Permission: "write", AllOf: []string{"projects"}, Cost: 3}, h)
	routes.Handle("GET /v1/projects", authz.Need{ID: "projects.list", Permission: "read", CheckedByHandler: []string{"projects"}}, h)
	routes.Handle("POST /v1/projects/{project}/{type}", authz.Need{
		ID: "search", Permission: "read", ReadOnly: true, HideDenial: true, Suspended: true, Recent: 5 * time.Minute,
		From: map[string]string{"types": "type", "projects": "project"},
	}, h)
	routes.Handle("GET /v1/whoami", authz.Need{ID: "whoami", Anyone: true, Cost: -1}, h)
	authztest.Golden(t, routes.Table(), "testdata/routes.golden")
}

func TestGoldenFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "routes.golden")
	golden := func(set string, declare func(open)) []string {
		t.Helper()
		t.Setenv("AUTHZTEST_UPDATE", set)
		routes := newRoutes(t)
		declare(routes)
		s := &spy{TB: t}
		authztest.Golden(s, routes.Table(), path)
		return s.errors
	}
	h := http.NotFoundHandler()
	a := func(rs open) { rs.Handle("GET /a", authz.Need{ID: "a", Permission: "read"}, h) }
	b := func(rs open) { rs.Handle("GET /b", authz.Need{ID: "b", Permission: "read"}, h) }
	both := func(rs open) { a(rs); b(rs) }
	wider := func(rs open) { b(rs); rs.Public("GET /a", "why not", h) }

	if errs := golden("", both); len(errs) != 1 || !strings.Contains(errs[0], "AUTHZTEST_UPDATE=1") {
		t.Errorf("no file: %q", errs)
	}
	if errs := golden("1", both); errs != nil {
		t.Errorf("update: %q", errs)
	}
	if errs := golden("", func(rs open) { b(rs); a(rs) }); errs != nil {
		t.Errorf("in another order: %q", errs)
	}
	for _, c := range []struct {
		name    string
		declare func(open)
		want    string
	}{
		{"wider", wider, "- GET /a: a needs read\n+ GET /a: public: \"why not\"\n"},
		{"less", a, "- GET /b: b needs read\n"},
		{"none", func(open) {}, "- GET /a: a needs read\n- GET /b: b needs read\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			errs := golden("", c.declare)
			if len(errs) != 1 || !strings.Contains(errs[0], ":\n"+c.want+"If") {
				t.Errorf("%q", errs)
			}
		})
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), "\n", "\r\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	if errs := golden("", both); errs != nil {
		t.Errorf("checked out with carriage returns: %q", errs)
	}
	path = filepath.Join(path, "under a file")
	if errs := golden("1", both); len(errs) != 1 || !strings.Contains(errs[0], "cannot be written") {
		t.Errorf("not writable: %q", errs)
	}
}

// Whatever a need says is in its line.
func TestGoldenSaysAll(t *testing.T) {
	line := func(n authz.Need) string {
		t.Helper()
		path := filepath.Join(t.TempDir(), "x")
		routes := newRoutes(t)
		routes.Handle("GET /x/{name}", n, http.NotFoundHandler())
		t.Setenv("AUTHZTEST_UPDATE", "1")
		authztest.Golden(t, routes.Table(), path)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	base := authz.Need{ID: "x", Permission: "read"}
	changed := map[string]authz.Need{ // by field
		"ID":               {ID: "y", Permission: "read"},
		"Environment":      {ID: "x", Permission: "read", Environment: "live"},
		"Permission":       {ID: "x", Permission: "write"},
		"Anyone":           {ID: "x", Anyone: true},
		"Person":           {ID: "x", Permission: "read", Person: true},
		"From":             {ID: "x", Permission: "read", From: map[string]string{"projects": "name"}},
		"CheckedByHandler": {ID: "x", Permission: "read", CheckedByHandler: []string{"projects"}},
		"AllOf":            {ID: "x", Permission: "read", AllOf: []string{"projects"}},
		"Cost":             {ID: "x", Permission: "read", Cost: 2},
		"Recent":           {ID: "x", Permission: "read", Recent: time.Minute},
		"Suspended":        {ID: "x", Permission: "read", Suspended: true},
		"HideDenial":       {ID: "x", Permission: "read", HideDenial: true},
		"ReadOnly":         {ID: "x", Permission: "read", ReadOnly: true},
	}
	seen := map[string]string{line(base): "none"}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[authz.Need]()) {
		n, ok := changed[f.Name]
		if !ok {
			t.Errorf("no need here differs in %s", f.Name)
			continue
		}
		text := line(n)
		if of, ok := seen[text]; ok {
			t.Errorf("%s reads as %s: %s", f.Name, of, text)
		}
		seen[text] = f.Name
	}
}

// case A12
func TestTripwire(t *testing.T) {
	later := authz.Need{ID: "x", Permission: "read", CheckedByHandler: []string{"projects", "types"}}
	check := func(kind, id string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { authz.CheckResource(r.Context(), kind, id) }
	}
	list := func(kind string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { authz.Visible(r.Context(), kind) }
	}
	problems := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { problem.Write(w, r, problem.Problem{Status: status}) }
	}
	status := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) }
	}
	for _, c := range []struct {
		name     string
		need     authz.Need
		handlers []http.HandlerFunc // one after the other
		want     []string           // kinds that were forgotten
	}{
		{"forgets all", later, nil, []string{"projects", "types"}},
		{"forgets one", later, []http.HandlerFunc{check("projects", "p1")}, []string{"types"}},
		{"forgets the other", later, []http.HandlerFunc{list("types")}, []string{"projects"}},
		{"checks both", later, []http.HandlerFunc{check("projects", "p1"), list("types")}, nil},
		{"checks another", later, []http.HandlerFunc{check("project", "p1"), check("", "types")}, []string{"projects", "types"}},
		{"says created", later, []http.HandlerFunc{status(201)}, []string{"projects", "types"}},
		{"redirects", later, []http.HandlerFunc{status(303)}, []string{"projects", "types"}},
		{"refuses before", later, []http.HandlerFunc{problems(400)}, nil},
		{"fails before", later, []http.HandlerFunc{status(503)}, nil},
		{"needs no check", authz.Need{ID: "x", Permission: "read"}, nil, nil},
		{"checks all the same", authz.Need{ID: "x", Permission: "read"}, []http.HandlerFunc{check("types", "a")}, nil},
		{"not recent, so 401", authz.Need{ID: "x", Permission: "read", Recent: time.Hour, CheckedByHandler: []string{"types"}}, nil, nil},
		{"checks nothing whole", authz.Need{ID: "x", Permission: "read", AllOf: []string{"types"}}, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			routes := newRoutes(t)
			s := &spy{TB: t}
			routes.Handle("GET /x", c.need, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, ok := w.(*httptest.ResponseRecorder); !ok {
					t.Errorf("the writer is a %T", w)
				}
				for _, h := range c.handlers {
					h(w, r)
				}
			}))
			authztest.Tripwire(s, routes).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/x", nil))
			var want []string
			for _, kind := range c.want {
				want = append(want, fmt.Sprintf(
					"authztest: GET /x (x): answered without CheckResource or Visible for %q, which its need names in CheckedByHandler", kind))
			}
			if diff := cmp.Diff(want, s.errors); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Handlers check from several goroutines, and call other routes. case A12
func TestTripwireBatch(t *testing.T) {
	routes := newRoutes(t)
	one := authz.Need{ID: "one", Permission: "read", CheckedByHandler: []string{"projects"}}
	routes.Handle("GET /one", one, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("check") == "" {
			return
		}
		done := make(chan struct{})
		for range 2 {
			go func() {
				authz.CheckResource(r.Context(), "projects", "p1")
				done <- struct{}{}
			}()
		}
		<-done
		<-done
	}))
	routes.Handle("GET /batch", authz.Need{ID: "batch", Permission: "read", CheckedByHandler: []string{"types"}},
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			authz.Visible(r.Context(), "types")
			for _, target := range r.URL.Query()["get"] {
				routes.ServeHTTP(w, httptest.NewRequest("GET", target, nil).WithContext(r.Context()))
			}
		}))
	for _, tt := range []struct {
		target string
		want   int
	}{
		{"/batch", 0},
		{"/batch?get=/one%3Fcheck=1", 0},
		{"/batch?get=/one", 1},
		{"/batch?get=/one&get=/one%3Fcheck=1", 1},
		{"/batch?get=/one%3Fcheck=1&get=/one", 1},
		{"/batch?get=/one%3Fcheck=1&get=/one%3Fcheck=1", 0},
		{"/batch?get=/one&get=/one&get=/one%3Fcheck=1&get=/", 0}, // an error by package problem
	} {
		s := &spy{TB: t}
		authztest.Tripwire(s, routes).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", tt.target, nil))
		if len(s.errors) != tt.want {
			t.Errorf("%s: %q, want %d", tt.target, s.errors, tt.want)
		}
	}
}

// A refusal of a request that the handler makes is no answer of the handler. case A12
func TestTripwireRefusedPart(t *testing.T) {
	routes := newRoutes(t)
	routes.Handle("GET /x", authz.Need{ID: "x", Permission: "read", CheckedByHandler: []string{"types"}},
		http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			part := httptest.NewRequest("GET", "/nothing", nil).WithContext(r.Context())
			routes.ServeHTTP(httptest.NewRecorder(), part)
		}))
	s := &spy{TB: t}
	authztest.Tripwire(s, routes).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/x", nil))
	if len(s.errors) != 1 {
		t.Errorf("got %q, want one broken promise", s.errors)
	}
}

// Behind a server, and with Protect. case A12
func TestTripwireServed(t *testing.T) {
	m, err := authz.NewModel(authz.ModelConfig{Permissions: []string{"read"}, Kinds: []string{"projects"}})
	if err != nil {
		t.Fatal(err)
	}
	forgets := authz.Protect(m, authz.Need{ID: "x", Permission: "read", CheckedByHandler: []string{"projects"}},
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
		}))
	s := &spy{TB: t}
	server := httptest.NewServer(authztest.Tripwire(s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := authn.Principal{Environment: "live", Rights: m.Rights(authz.Active, []authz.Grant{m.Everything()})}
		forgets.ServeHTTP(w, r.WithContext(authn.NewContext(r.Context(), p)))
	})))
	res, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	server.Close()
	if len(s.errors) != 1 || res.StatusCode != 200 {
		t.Errorf("%d, %q", res.StatusCode, s.errors)
	}
}

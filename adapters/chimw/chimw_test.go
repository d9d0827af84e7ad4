package chimw_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/adapters/chimw"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/routertest"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/memory"
)

// router is a chi router for the suite.
type router struct {
	*chimw.Router
	gate   *tollgate.Gate
	routes *chi.Mux
}

func newRouter(gate *tollgate.Gate) routertest.Router {
	routes := chi.NewRouter()
	routes.Use(middleware.Recoverer)
	return router{chimw.New(gate, routes), gate, routes}
}

func (r router) Handle(method, pattern string, need authz.Need, h routertest.Handler) {
	r.routes.With(r.gate.Require(need)).Method(method, pattern, handler(h))
}

func (r router) Add(method, pattern string, h routertest.Handler) {
	r.routes.Method(method, pattern, handler(h))
}

func handler(h routertest.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h(w, r, func(name string) string { return chi.URLParam(r, name) })
	})
}

// Cases A11, A12, A13, A16, S18, T1.
func TestBehaviour(t *testing.T) { routertest.Run(t, newRouter) }

func newGate(t *testing.T) *tollgate.Gate {
	t.Helper()
	return tollgate.Must(tollgate.New(tollgate.Config{
		Store: tollgate.Must(memory.New(memory.Config{})), Secrets: tollgate.Must(keyfmt.NewKeyring(keyfmt.GeneratePepper("p1"))),
		Prefix: "acme", Permissions: []string{"read", "write"}, ReadOnly: []string{"read"}, Resources: []string{"projects"},
	}))
}

func ok(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }

// Start sees every route of a router, however it was added.
func TestWalk(t *testing.T) {
	need := func(id string) authz.Need { return authz.Need{ID: id, Permission: "read"} }
	whole := func(gate *tollgate.Gate, without string) (*chi.Mux, *chimw.Router) {
		require := func(id string) func(http.Handler) http.Handler {
			if id == without {
				return func(h http.Handler) http.Handler { return h }
			}
			return gate.Require(need(id))
		}
		routes := chi.NewRouter()
		guard := chimw.New(gate, routes)
		routes.With(require("with")).Get("/with", ok)
		routes.Group(func(r chi.Router) {
			r.Use(require("group"))
			r.Get("/group", ok)
		})
		routes.Route("/route/{id}", func(r chi.Router) {
			r.With(require("nested")).Get("/nested/{n:[0-9]{1,3}}", ok)
			r.Route("/deep", func(r chi.Router) { r.With(require("deep")).Get("/", ok) })
		})
		sub := chi.NewRouter()
		sub.Use(require("use"))
		sub.Get("/used", ok)
		routes.Mount("/mount", sub)
		other := chi.NewRouter()
		other.Get("/mounted", ok)
		routes.With(require("around")).Mount("/around", other)
		routes.Method("GET", "/wrapped", require("wrapped")(http.HandlerFunc(ok)))
		routes.Mount("/opaque", http.HandlerFunc(ok))
		if without != "opaque" {
			guard.Public("", "/opaque/*", "a file server")
		}
		return routes, guard
	}
	routes := []struct{ name, pattern string }{
		{"with", "GET /with"}, {"group", "GET /group"}, {"nested", "GET /route/{id}/nested/{n:[0-9]{1,3}}"}, {"deep", "GET /route/{id}/deep/"},
		{"use", "GET /mount/used"}, {"around", "GET /around/mounted"}, {"wrapped", "GET /wrapped"}, {"opaque", "GET /opaque/*"},
	}
	for _, tt := range routes {
		t.Run("without "+tt.name, func(t *testing.T) {
			_, guard := whole(newGate(t), tt.name)
			if _, err := guard.Start(); err == nil || !strings.Contains(err.Error(), tt.pattern+": it requires nothing of its caller") {
				t.Errorf("got the error %v, want one that names %s", err, tt.pattern)
			}
		})
	}
	t.Run("whole", func(t *testing.T) {
		gate := newGate(t)
		_, guard := whole(gate, "")
		h, err := guard.Start()
		if err != nil {
			t.Fatal(err)
		}
		var table []string
		for _, r := range gate.Table() {
			table = append(table, r.Pattern)
		}
		for _, path := range []string{"/with", "/group", "/route/1/nested/22", "/route/1/deep/", "/mount/used", "/around/mounted", "/wrapped"} {
			if got := status(h, "GET", path); got != 401 {
				t.Errorf("%s: got %d, want 401", path, got)
			}
		}
		for _, tt := range routes {
			if !strings.Contains(strings.Join(table, "\n"), tt.pattern) {
				t.Errorf("the table is %q, want %s in it", table, tt.pattern)
			}
		}
		if got := status(h, "GET", "/opaque/file"); got != 200 {
			t.Errorf("a mounted handler: got %d", got)
		}
	})
}

// GetHead serves a HEAD request by the GET route, and so behind its need.
func TestGetHead(t *testing.T) {
	gate := newGate(t)
	routes := chi.NewRouter()
	routes.Use(middleware.GetHead)
	guard := chimw.New(gate, routes)
	routes.With(gate.Require(authz.Need{ID: "x", Permission: "read"})).Get("/x", ok)
	routes.Get("/open", ok)
	guard.Public("GET", "/open", "a test")
	h, err := guard.Start()
	if err != nil {
		t.Fatal(err)
	}
	if got := status(h, "HEAD", "/x"); got != 401 {
		t.Errorf("without a credential: got %d, want 401", got)
	}
	if got := status(h, "HEAD", "/open"); got != 200 {
		t.Errorf("public: got %d, want 200", got)
	}
}

// Requests that match no route are the gate's, unless the router is said to have them.
func TestUnmatched(t *testing.T) {
	for _, tt := range []struct {
		name   string
		router bool
		want   int
	}{{"gate", false, 404}, {"router", true, 418}} {
		t.Run(tt.name, func(t *testing.T) {
			routes := chi.NewRouter()
			routes.NotFound(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
			guard := chimw.New(newGate(t), routes)
			routes.Get("/open", ok)
			guard.Public("GET", "/open", "a test")
			if tt.router {
				guard.Unmatched("a page that says so")
			}
			h, err := guard.Start()
			if err != nil {
				t.Fatal(err)
			}
			if got := status(h, "GET", "/nowhere"); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

// The middlewares of the router run before the gate: a preflight is answered by CORS, and
// refusals have its headers.
func TestOrder(t *testing.T) {
	gate := newGate(t)
	routes := chi.NewRouter()
	routes.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Access-Control-Allow-Origin", "https://app.example")
			if r.Method == "OPTIONS" && r.Header.Get("Access-Control-Request-Method") != "" {
				w.WriteHeader(http.StatusNoContent)
				return
			}
			next.ServeHTTP(w, r)
		})
	}, middleware.StripSlashes)
	guard := chimw.New(gate, routes)
	routes.With(gate.Require(authz.Need{ID: "x", Permission: "write"})).Post("/x", ok)
	h, err := guard.Start()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, method, path string
		want               int
	}{
		{"preflight", "OPTIONS", "/x", 204}, {"no credential", "POST", "/x", 401}, {"another spelling", "POST", "/x/", 401},
		{"no route", "GET", "/nowhere", 404}, {"another method", "GET", "/x", 405},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, tt.path, nil)
			r.Header.Set("Origin", "https://app.example")
			if tt.method == "OPTIONS" {
				r.Header.Set("Access-Control-Request-Method", "POST")
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.want || w.Header().Get("Access-Control-Allow-Origin") == "" {
				t.Errorf("got %d %v, want %d with the header of CORS", w.Code, w.Header(), tt.want)
			}
		})
	}
}

// New refuses a router with routes that its middleware would miss.
func TestNewAfterRoutes(t *testing.T) {
	routes := chi.NewRouter()
	routes.Get("/early", ok)
	defer func() {
		if v, _ := recover().(string); !strings.Contains(v, "call New before the first route") {
			t.Errorf("got %q", v)
		}
	}()
	chimw.New(newGate(t), routes)
}

func status(h http.Handler, method, path string) int {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w.Code
}

// The root of a mount is served by its route "/", with and without a slash at its end, and
// a route of the same pattern outside does not open it.
func TestMountRoots(t *testing.T) {
	for _, tt := range []struct {
		name     string
		override bool
	}{{"as usual", false}, {"with a route of the same pattern", true}} {
		t.Run(tt.name, func(t *testing.T) {
			gate := newGate(t)
			routes := chi.NewRouter()
			guard := chimw.New(gate, routes)
			reached := 0
			h := func(w http.ResponseWriter, r *http.Request) { reached++ }
			routes.Route("/projects", func(r chi.Router) {
				r.With(gate.Require(authz.Need{ID: "list", Permission: "read", AllOf: []string{"projects"}})).Get("/", h)
				r.Route("/{project}", func(r chi.Router) {
					r.With(gate.Require(authz.Need{ID: "get", Permission: "read", From: map[string]string{"projects": "project"}})).Get("/", h)
				})
			})
			if tt.override {
				routes.Get("/projects/", h)
				routes.Get("/projects", h)
			}
			routes.Mount("/files", http.HandlerFunc(ok))
			guard.Public("", "/files/*", "a file server")
			handler, err := guard.Start()
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{"/projects", "/projects/", "/projects/p1", "/projects/p1/"} {
				if got := status(handler, "GET", path); got != 401 || reached > 0 {
					t.Errorf("%s: got %d, and %d requests reached a handler; want 401 and none", path, got, reached)
				}
				if got := status(handler, "POST", path); got != 405 && got != 404 && got != 401 || reached > 0 {
					t.Errorf("POST %s: got %d", path, got)
				}
			}
			for _, path := range []string{"/files", "/files/", "/files/a"} {
				if got := status(handler, "GET", path); got != 200 {
					t.Errorf("%s: got %d, want 200", path, got)
				}
			}
			token := key(t, gate)
			for _, path := range []string{"/projects", "/projects/p1", "/projects/p1/"} {
				r := httptest.NewRequest("GET", path, nil)
				r.Header.Set("Authorization", "Bearer "+token)
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				if w.Code != 200 {
					t.Errorf("%s with a key: got %d %s", path, w.Code, w.Body)
				}
			}
		})
	}
}

// A router that is mounted at "/" has no root that stands for what matches nothing.
func TestMountAtRoot(t *testing.T) {
	sub := chi.NewRouter()
	sub.NotFound(ok)
	sub.Get("/", ok)
	routes := chi.NewRouter()
	guard := chimw.New(newGate(t), routes)
	routes.Mount("/", sub)
	guard.Public("GET", "/", "the landing page")
	h, err := guard.Start()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path string
		want int
	}{{"/", 200}, {"/admin/secret", 404}} {
		if got := status(h, "GET", tt.path); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.path, got, tt.want)
		}
	}
}

// key makes a key that may do everything.
func key(t *testing.T, gate *tollgate.Gate) string {
	t.Helper()
	now := time.Now()
	if err := gate.Config().Store.Accounts().Create(t.Context(), store.Account{ID: "acct_1", Status: authz.Active, Created: now}); err != nil {
		t.Fatal(err)
	}
	_, token, err := gate.Keys().Issue(t.Context(), authn.Operator("acct_1"), apikey.Spec{Name: "k", Environment: "live", Grant: gate.Model().Everything()}, now)
	if err != nil {
		t.Fatal(err)
	}
	return token.Reveal()
}

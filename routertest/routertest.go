// Package routertest is the behaviour that every adapter for a router must have. The
// adapters of Tollgate pass it, and so does the gate's own mux. To test an adapter of your
// own, describe its router with [Router] and call [Run].
package routertest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/store/memory"
)

// A Handler answers a request. Its param returns a parameter of the path as the router's
// own handlers get it.
type Handler func(w http.ResponseWriter, r *http.Request, param func(name string) string)

// A Router is an empty router behind an adapter, with the framework's own recovery in
// front. Patterns are in the notation "/v1/projects/{project}".
type Router interface {
	// Handle adds a route with a need. It panics, as the gate does, on a need that cannot
	// be, or leaves it to Start to say so.
	Handle(method, pattern string, need authz.Need, h Handler)
	// Add adds a route without a need.
	Add(method, pattern string, h Handler)
	// Public declares a route that anyone may call.
	Public(method, pattern, reason string)
	// Start returns the handler of all routes, or an error if one has no need.
	Start() (http.Handler, error)
}

// Run tests an adapter. New returns a new Router of gate.
func Run(t *testing.T, newRouter func(gate *tollgate.Gate) Router) {
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) { c.run(t, newRouter) })
	}
}

// tb is what a check needs of a [testing.T], so that this package's own tests can run it
// over adapters that are wrong.
type tb interface {
	Helper()
	Context() context.Context
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

var checks = []struct {
	name string
	run  func(tb, func(*tollgate.Gate) Router)
}{
	{"answers are those of the gate", answers},
	{"ids are compared as the handler receives them", spellings}, // case A13
	{"no start without a need", undeclared},                      // case A11
	{"a need must fit its route", misfits},                       // case A11
	{"a route that is added later is not served", late},
	{"a method is never taken from a header", methods}, // case A13
	{"a preflight passes no need, and costs nothing", preflights},
	{"the client's address is never the framework's", addresses},
	{"a panic leaves nothing behind", panics},
	{"flush, hijack and HTTP/2 work", streams}, // case S18
	{"contexts are not shared between requests", pooled},
	{"a request on another's context is one of its own", subrequests}, // case A16
	{"a handler that forgets its check is found", tripwire},           // case A12
	{"no credential is logged", silence},                              // case T1
}

// A desk is a router under test: a route that reads a project, one that changes it, and
// one that is public.
type desk struct {
	tb
	gate    *tollgate.Gate
	log     syncBuffer
	routes  Router
	handler http.Handler
	served  atomic.Int64 // requests that have reached a handler
}

var (
	reading  = authz.Need{ID: "projects.get", Permission: "read", From: map[string]string{"projects": "project"}}
	changing = authz.Need{ID: "projects.update", Permission: "write", From: map[string]string{"projects": "project"}}
)

const project = "/v1/projects/{project}"

// open returns a desk whose router has no routes yet.
func open(t tb, newRouter func(*tollgate.Gate) Router) *desk {
	t.Helper()
	d := &desk{tb: t}
	db, err := memory.New(memory.Config{})
	d.must(err)
	secrets, err := keyfmt.NewKeyring(keyfmt.GeneratePepper("p1"))
	d.must(err)
	who := new(callers)
	// Stands still, and is that of every desk, so that limit headers can be compared.
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	d.gate, err = tollgate.New(tollgate.Config{
		Store: db, Secrets: secrets, Prefix: "acme", Permissions: []string{"read", "write"}, ReadOnly: []string{"read"},
		Resources: []string{"projects"}, Plans: map[string]string{"test": "20-M"}, DefaultPlan: "test",
		Authenticators: []authn.Authenticator{who}, Now: func() time.Time { return now },
		Logger: slog.New(slog.NewJSONHandler(&d.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	d.must(err)
	who.model = d.gate.Model()
	d.routes = newRouter(d.gate)
	return d
}

// start adds the usual routes to those that the check has added, and starts.
func start(t tb, newRouter func(*tollgate.Gate) Router, more ...func(*desk)) *desk {
	t.Helper()
	d := open(t, newRouter)
	d.routes.Handle("GET", project, reading, d.show)
	d.routes.Handle("POST", project, changing, d.show)
	d.routes.Add("GET", "/open", d.show)
	d.routes.Public("GET", "/open", "a test")
	for _, add := range more {
		add(d)
	}
	var err error
	d.handler, err = d.routes.Start()
	d.must(err)
	return d
}

func (d *desk) must(err error) {
	d.Helper()
	if err != nil {
		d.Fatalf("%v", err)
	}
}

// show answers with what the handler knows.
func (d *desk) show(w http.ResponseWriter, r *http.Request, param func(string) string) {
	d.served.Add(1)
	p, _ := authn.FromContext(r.Context())
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]string{"caller": p.ID, "project": param("project")})
}

// An answer is a response with the parts that callers rely on.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request whose path is taken as it is.
func (d *desk) do(method, path, token string, header ...string) answer {
	r := httptest.NewRequest(method, path, nil).WithContext(d.Context())
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body.String()}
}

// callers is an authenticator of callers with fixed tokens: "writer" may read p1 and p2
// and write p1; "reader" may read p1.
type callers struct{ model *authz.Model }

func (c *callers) Authenticate(_ context.Context, cred authn.Credential, _ time.Time) (*authn.Principal, error) {
	grant := func(permission string, projects ...string) authz.Grant {
		g := c.model.Everything()
		g.Permissions, g.Scope["projects"] = authz.Of(permission), authz.Of(projects...)
		return g
	}
	var grants []authz.Grant
	token := cred.Reveal()
	switch token {
	case "writer":
		grants = []authz.Grant{grant("read", "p1", "p2"), grant("write", "p1")}
	case "reader":
		grants = []authz.Grant{grant("read", "p1")}
	default:
		return nil, authn.ErrRejected
	}
	return &authn.Principal{
		Kind: authn.KindKey, ID: "id-of-" + token, Account: token, Subject: token, Environment: "live",
		Rights: c.model.Rights(authz.Active, grants),
	}, nil
}

// mux is the gate's own mux, which all routers are compared with.
type mux struct {
	gate   *tollgate.Gate
	public map[string]string
	routes map[string]Handler
}

func ownMux(gate *tollgate.Gate) Router {
	return &mux{gate, map[string]string{}, map[string]Handler{}}
}

func (m *mux) Handle(method, pattern string, need authz.Need, h Handler) {
	m.gate.Handle(method+" "+pattern, need, plain(h))
}

func (m *mux) Add(method, pattern string, h Handler) { m.routes[method+" "+pattern] = h }

func (m *mux) Public(method, pattern, reason string) { m.public[method+" "+pattern] = reason }

func (m *mux) Start() (http.Handler, error) {
	for pattern, h := range m.routes {
		m.gate.Public(pattern, m.public[pattern], plain(h))
	}
	return m.gate, nil
}

// plain returns h for a router that sets path values.
func plain(h Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h(w, r, r.PathValue) })
}

// A syncBuffer is a buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// serve serves the routes over the network, with HTTP/2.
func (d *desk) serve() *httptest.Server {
	s := httptest.NewUnstartedServer(problem.RequestIDs(d.handler))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(io.Discard, nil), slog.LevelError)
	s.StartTLS()
	d.Cleanup(s.Close)
	return s
}

package tollgate_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/ratelimit"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/memory"
)

// A chain is all packages together, around a handler that counts.
type chain struct {
	t       testing.TB
	db      *memory.Store
	model   *authz.Model
	keys    *apikey.Manager
	auth    *authn.Middleware
	rate    *ratelimit.Limiter
	routes  *authz.Routes
	now     time.Time
	handled int
}

var operator = authn.Operator("acct_1")

func newChain(t testing.TB, plan string) *chain {
	t.Helper()
	return newRefusingChain(t, plan, nil, nil)
}

// newRefusingChain is newChain with a log and a form of errors.
func newRefusingChain(t testing.TB, plan string, log *slog.Logger, errors problem.Writer) *chain {
	t.Helper()
	lease := time.Duration(0)
	if _, ok := t.(*testing.B); ok { // whose clock moves by years
		lease = 100 * 365 * 24 * time.Hour
	}
	c := &chain{t: t, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return c.now }
	c.db = must(memory.New(memory.Config{}))
	c.model = must(authz.NewModel(authz.ModelConfig{Permissions: []string{"read", "write"}, ReadOnly: []string{"read"}, Kinds: []string{"projects"}}))
	c.keys = must(apikey.New(apikey.Config{
		Store: c.db.Keys(), Admin: c.db.KeyAdmin(), Model: c.model, Lease: lease,
		Formats: map[string]keyfmt.Format{"live": must(keyfmt.New("mt_live_"))},
		Peppers: must(keyfmt.NewKeyring(keyfmt.GeneratePepper("p1"))),
	}))
	p := must(ratelimit.ParsePlan("test", plan))
	denied := must(ratelimit.ParsePlan("denied", "3-M"))
	subject := func(plan *ratelimit.Plan) ratelimit.Charge {
		return func(r *http.Request) (string, *ratelimit.Plan) {
			caller, _ := authn.FromContext(r.Context())
			return caller.Subject, plan
		}
	}
	failures := must(ratelimit.NewFailures(nil, must(ratelimit.ParsePlan("failures", "3-M"))))
	c.auth = must(authn.New(authn.Config{Authenticators: []authn.Authenticator{c.keys}, Failures: failures, Errors: errors, Logger: log, Now: clock}))
	c.rate = must(ratelimit.New(ratelimit.Config{Plan: subject(p), Denied: subject(denied), Errors: errors, Logger: log, Now: clock}))
	c.routes = must(authz.NewRoutes(authz.RoutesConfig{Model: c.model, Authenticate: c.auth.Wrap, Limit: c.rate.Wrap, Errors: errors, Logger: log, Now: clock}))
	c.handle("GET /projects/{id}", authz.Need{ID: "projects.get", Permission: "read", From: map[string]string{"projects": "id"}})
	c.handle("DELETE /projects/{id}", authz.Need{ID: "projects.delete", Permission: "write", From: map[string]string{"projects": "id"}})
	c.handle("GET /whoami", authz.Need{ID: "whoami", Permission: "read", Cost: -1})
	c.handle("POST /bulk", authz.Need{ID: "bulk", Permission: "write", Cost: 5})
	if err := c.db.Accounts().Create(t.Context(), store.Account{ID: "acct_1", Status: authz.Active, Created: c.now}); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *chain) handle(pattern string, need authz.Need) {
	c.routes.Handle(pattern, need, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { c.handled++ }))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// issue makes a key for project p1 with the permissions given.
func (c *chain) issue(permissions ...string) (store.Key, string) {
	c.t.Helper()
	g := c.model.Everything()
	g.Permissions = authz.Of(permissions...)
	g.Scope["projects"] = authz.Of("p1")
	key, token, err := c.keys.Issue(c.t.Context(), operator, apikey.Spec{Name: "k", Environment: "live", Grant: g}, c.now)
	if err != nil {
		c.t.Fatal(err)
	}
	return key, token.Reveal()
}

func (c *chain) do(h http.Handler, method, path, key string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

func remaining(rec *httptest.ResponseRecorder) string {
	return rec.Header().Get("X-RateLimit-Remaining")
}

// A 403 spends nothing of the plan, shows where the plan stands all the same,
// and is charged to a window of its own.
func TestDenialSpendsNothing(t *testing.T) {
	c := newChain(t, "10-M")
	_, key := c.issue("read")
	if rec := c.do(c.routes, "GET", "/projects/p1", key); rec.Code != 200 || remaining(rec) != "9" {
		t.Fatalf("%d, %s remaining", rec.Code, remaining(rec))
	}
	for range 3 {
		rec := c.do(c.routes, "DELETE", "/projects/p1", key)
		if rec.Code != 403 || remaining(rec) != "9" || rec.Header().Get("X-Required-Permission") != "write" {
			t.Errorf("%d, %s remaining, %v", rec.Code, remaining(rec), rec.Header())
		}
	}
	if rec := c.do(c.routes, "DELETE", "/projects/p1", key); rec.Code != 429 {
		t.Errorf("the fourth denial in a minute: %d", rec.Code)
	}
	if rec := c.do(c.routes, "GET", "/projects/p1", key); rec.Code != 200 || remaining(rec) != "8" {
		t.Errorf("after the denials: %d, %s remaining", rec.Code, remaining(rec))
	}
	if c.handled != 2 {
		t.Errorf("%d requests handled, want 2", c.handled)
	}
}

// Nobody who fails to authenticate reaches the plan, and he is held up by his
// own failures only where he is not known.
func TestFailuresSpendNothing(t *testing.T) {
	c := newChain(t, "10-M")
	_, key := c.issue("read")
	c.do(c.routes, "GET", "/projects/p1", key)
	for i, want := range []int{401, 401, 401, 429, 429} {
		if rec := c.do(c.routes, "GET", "/projects/p1", "mt_live_wrong"); rec.Code != want || remaining(rec) != "" {
			t.Errorf("failure %d: %d, want %d; %q remaining", i+1, rec.Code, want, remaining(rec))
		}
	}
	if rec := c.do(c.routes, "GET", "/projects/p1", key); rec.Code != 200 || remaining(rec) != "8" {
		t.Errorf("the known key: %d, %s remaining", rec.Code, remaining(rec))
	}
}

// case L5: a request counts once however often the middleware runs, and each
// header is there once.
func TestCountsOnce(t *testing.T) {
	c := newChain(t, "10-M")
	_, key := c.issue("read")
	h := c.auth.Wrap(c.rate.Wrap(c.auth.Wrap(c.rate.Wrap(c.routes))))
	for _, want := range []string{"9", "8"} {
		rec := c.do(h, "GET", "/projects/p1", key)
		if got := rec.Header().Values("X-RateLimit-Remaining"); rec.Code != 200 || len(got) != 1 || got[0] != want {
			t.Errorf("%d, remaining %v, want %s once", rec.Code, got, want)
		}
	}
}

// case L4: a new key, a rotated key or another spelling brings no fresh budget.
func TestNoFreshBudget(t *testing.T) {
	c := newChain(t, "4-M")
	key, token := c.issue("read")
	c.do(c.routes, "GET", "/projects/p1", token)
	_, another := c.issue("read")
	c.do(c.routes, "GET", "/projects/p1", another)
	_, next, err := c.keys.Rotate(t.Context(), operator, key.ID, time.Hour, c.now)
	if err != nil {
		t.Fatal(err)
	}
	c.do(c.routes, "GET", "/projects/p1", next.Reveal())
	if rec := c.do(c.routes, "GET", "/projects/p1", token); rec.Code != 200 || remaining(rec) != "0" {
		t.Errorf("the fourth request: %d, %s remaining", rec.Code, remaining(rec))
	}
	for _, k := range []string{token, another, next.Reveal()} {
		if rec := c.do(c.routes, "GET", "/projects/p1", k); rec.Code != 429 {
			t.Errorf("a fifth request passed: %d", rec.Code)
		}
	}
	r := httptest.NewRequest("GET", "/projects/p1", nil)
	r.Header.Set("Authorization", "BEARER "+token)
	rec := httptest.NewRecorder()
	if c.routes.ServeHTTP(rec, r); rec.Code != 429 {
		t.Errorf("another spelling of the scheme passed: %d", rec.Code)
	}
}

func TestCost(t *testing.T) {
	c := newChain(t, "10-M")
	_, token := c.issue("read", "write")
	for _, step := range []struct {
		method, path, remaining string
		status                  int
	}{
		{"POST", "/bulk", "5", 200},
		{"GET", "/whoami", "", 200}, // costs nothing, and says nothing of the plan
		{"POST", "/bulk", "0", 200},
		{"GET", "/projects/p1", "0", 429},
		{"GET", "/whoami", "", 200},
	} {
		if rec := c.do(c.routes, step.method, step.path, token); rec.Code != step.status || remaining(rec) != step.remaining {
			t.Errorf("%s %s: %d, %q remaining; want %d, %q", step.method, step.path, rec.Code, remaining(rec), step.status, step.remaining)
		}
	}
}

// case A10: a suspended account is refused within the bound, and comes back.
func TestSuspension(t *testing.T) {
	c := newChain(t, "10-M")
	_, token := c.issue("read")
	c.do(c.routes, "GET", "/projects/p1", token)
	for _, step := range []struct {
		to   authz.Status
		want int
	}{{authz.Suspended, 403}, {authz.Active, 200}} {
		if err := c.db.Accounts().SetStatus(t.Context(), "acct_1", step.to); err != nil {
			t.Fatal(err)
		}
		c.now = c.now.Add(c.keys.MaxRevocationDelay())
		rec := c.do(c.routes, "GET", "/projects/p1", token)
		if rec.Code != step.want || step.want == 403 && rec.Header().Get("X-Denied-Reason") != "account_suspended" {
			t.Errorf("%v: %d %v", step.to, rec.Code, rec.Header())
		}
	}
}

// case L5, for more limiters than two: each counts once and the headers are
// those of one.
func TestManyLimiters(t *testing.T) {
	c := newChain(t, "10-M")
	_, token := c.issue("read")
	subject := func(r *http.Request) (string, *ratelimit.Plan) {
		return "everybody", must(ratelimit.ParsePlan("all", "100-M"))
	}
	var limiters []*ratelimit.Limiter
	for _, name := range []string{"a", "b", "c"} {
		limiters = append(limiters, must(ratelimit.New(ratelimit.Config{Name: name, Plan: subject, Now: func() time.Time { return c.now }})))
	}
	h := http.Handler(c.routes)
	for range 2 {
		for _, l := range limiters {
			h = l.Wrap(h)
		}
	}
	c.do(h, "GET", "/projects/p1", token)
	for _, l := range limiters {
		var d ratelimit.Decision
		if _, err := l.Check(httptest.NewRequest("GET", "/", nil), &d); err != nil || d.States[0].Remaining != 98 {
			t.Errorf("after one request and one check %d remain, want 98; %v", d.States[0].Remaining, err)
		}
	}
}

// What a handler does to the headers of its response reaches no other.
func TestHeadersAreTheResponsesOwn(t *testing.T) {
	c := newChain(t, "10-M")
	_, token := c.issue("read")
	c.routes.Handle("GET /spoil", authz.Need{ID: "spoil", Permission: "read"}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for _, values := range w.Header() {
			values[0] = "spoilt"
		}
	}))
	c.do(c.routes, "GET", "/spoil", token)
	for name, values := range c.do(c.routes, "GET", "/projects/p1", token).Header() {
		if values[0] == "spoilt" {
			t.Errorf("%s of another response", name)
		}
	}
}

// The question of a route is settled when it is asked: a mux behind it changes
// the path values, and not what a later check is about.
func TestNestedMux(t *testing.T) {
	c := newChain(t, "10-M")
	_, token := c.issue("read")
	inner := http.NewServeMux()
	inner.HandleFunc("GET /copy/{from}/{id}", func(_ http.ResponseWriter, r *http.Request) {
		if r.PathValue("id") != "p2" {
			t.Fatalf("the inner mux found %q", r.PathValue("id"))
		}
		if !authz.Visible(r.Context(), "projects").Equal(authz.Of("p1")) {
			t.Errorf("visible: %v", authz.Visible(r.Context(), "projects"))
		}
		if err := authz.CheckResource(r.Context(), "projects", "p2"); err == nil {
			t.Error("another project is allowed")
		}
		if err := authz.CheckResource(r.Context(), "projects", "p1"); err != nil {
			t.Errorf("the project that was admitted: %v", err)
		}
		c.handled++
	})
	c.routes.Handle("GET /copy/{id}/{rest...}", authz.Need{ID: "copy", Permission: "read", From: map[string]string{"projects": "id"}}, inner)
	if rec := c.do(c.routes, "GET", "/copy/p1/p2", token); rec.Code != 200 || c.handled != 1 {
		t.Errorf("%d, handled %d", rec.Code, c.handled)
	}
}

// The chain gives the handler the very ResponseWriter that the server made.
func TestResponseWriterIsNotWrapped(t *testing.T) {
	c := newChain(t, "10-M")
	_, token := c.issue("read")
	rec := httptest.NewRecorder()
	c.routes.Handle("GET /same", authz.Need{ID: "same", Permission: "read"}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if w != http.ResponseWriter(rec) {
			t.Errorf("the handler got a %T", w)
		}
	}))
	r := httptest.NewRequest("GET", "/same", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	c.routes.ServeHTTP(rec, r)
}

// Routes in a mux of one's own.
func TestProtect(t *testing.T) {
	c := newChain(t, "10-M")
	_, token := c.issue("read")
	need := authz.Need{ID: "projects.get", Permission: "read", From: map[string]string{"projects": "id"}}
	mux := http.NewServeMux()
	mux.Handle("GET /p/{id}", c.auth.Wrap(authz.Protect(c.model, need, c.rate.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.PathValue("id"))
	})))))
	for path, want := range map[string]int{"/p/p1": 200, "/p/p2": 403} {
		rec := c.do(mux, "GET", path, token)
		if rec.Code != want || want == 200 && !strings.HasSuffix(rec.Body.String(), "p1") {
			t.Errorf("%s: %d %s", path, rec.Code, rec.Body)
		}
	}
}

// idle is a ResponseWriter that costs nothing.
type idle struct{ h http.Header }

func (w idle) Header() http.Header         { return w.h }
func (w idle) Write(b []byte) (int, error) { return len(b), nil }
func (w idle) WriteHeader(int)             {}

// The whole chain for a caller it knows: match, authenticate, decide, the two
// windows of the standard plan with all headers, handler. Compare with
// BenchmarkBareMux. The clock moves on with every request, so that the plan
// always has room and both windows really turn over.
func BenchmarkChain(b *testing.B) {
	c := newChain(b, "60-M, 10000-D")
	_, token := c.issue("read")
	benchmark(b, c.routes, token, func() { c.now = c.now.Add(10 * time.Second) })
}

func BenchmarkBareMux(b *testing.B) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /projects/{id}", func(http.ResponseWriter, *http.Request) {})
	benchmark(b, mux, "x", func() {})
}

func benchmark(b *testing.B, h http.Handler, token string, tick func()) {
	r := httptest.NewRequest("GET", "/projects/p1", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := idle{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		tick()
		clear(w.h)
		h.ServeHTTP(w, r)
		if _, limited := w.h["Retry-After"]; limited {
			b.Fatal("the benchmark ran into its limit")
		}
	}
}

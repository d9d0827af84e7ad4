package tollgate_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/internal/testkit"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/ratelimit"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/memory"
)

// A chain is a gate around a handler that counts.
type chain struct {
	t       testing.TB
	db      *memory.Store
	secrets *keyfmt.Keyring
	gate    *tollgate.Gate
	now     time.Time
	handled int
}

var operator = authn.Operator("acct_1")

func newChain(t testing.TB, plan string, change ...func(*tollgate.Config)) *chain {
	t.Helper()
	c := &chain{t: t, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	c.db, c.secrets = must(memory.New(memory.Config{})), must(keyfmt.NewKeyring(keyfmt.GeneratePepper("p1")))
	config := tollgate.Config{
		Store: c.db, Secrets: c.secrets, Prefix: "mt",
		Permissions: []string{"read", "write"}, ReadOnly: []string{"read"}, Resources: []string{"projects"},
		Plans: map[string]string{"test": plan}, Logger: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return c.now },
	}
	for _, f := range change {
		f(&config)
	}
	c.gate = must(tollgate.New(config))
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
	c.gate.Handle(pattern, need, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { c.handled++ }))
}

func must[T any](v T, err error) T { return testkit.Must(v, err) }

// issue makes a key for project p1 with the permissions given.
func (c *chain) issue(permissions ...string) (store.Key, string) {
	c.t.Helper()
	g := c.gate.Model().Everything()
	g.Permissions = authz.Of(permissions...)
	g.Scope["projects"] = authz.Of("p1")
	key, token, err := c.gate.Keys().Issue(c.t.Context(), operator, apikey.Spec{Name: "k", Environment: "live", Grant: g}, c.now)
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
	if rec := c.do(c.gate, "GET", "/projects/p1", key); rec.Code != 200 || remaining(rec) != "9" {
		t.Fatalf("%d, %s remaining", rec.Code, remaining(rec))
	}
	for range 60 {
		rec := c.do(c.gate, "DELETE", "/projects/p1", key)
		if rec.Code != 403 || remaining(rec) != "9" || rec.Header().Get("X-Required-Permission") != "write" {
			t.Errorf("%d, %s remaining, %v", rec.Code, remaining(rec), rec.Header())
		}
	}
	_, fresh := c.issue("read")
	for _, k := range []string{key, fresh} { // case L30
		if rec := c.do(c.gate, "DELETE", "/projects/p1", k); rec.Code != 429 {
			t.Errorf("one more denial in a minute: %d", rec.Code)
		}
	}
	if rec := c.do(c.gate, "GET", "/projects/p1", key); rec.Code != 200 || remaining(rec) != "8" {
		t.Errorf("after the denials: %d, %s remaining", rec.Code, remaining(rec))
	}
	if c.handled != 2 {
		t.Errorf("%d requests handled, want 2", c.handled)
	}
}

// A caller who fails to authenticate does not reach the plan. Only callers who are
// not known are held up by the failures of their address.
func TestFailuresSpendNothing(t *testing.T) {
	c := newChain(t, "10-M")
	_, key := c.issue("read")
	c.do(c.gate, "GET", "/projects/p1", key)
	for i := range 25 {
		want := 401
		if i >= 20 {
			want = 429
		}
		if rec := c.do(c.gate, "GET", "/projects/p1", "mt_live_wrong"); rec.Code != want || remaining(rec) != "" {
			t.Errorf("failure %d: %d, want %d; %q remaining", i+1, rec.Code, want, remaining(rec))
		}
	}
	if rec := c.do(c.gate, "GET", "/projects/p1", key); rec.Code != 200 || remaining(rec) != "8" {
		t.Errorf("the known key: %d, %s remaining", rec.Code, remaining(rec))
	}
}

// case L4: a new key, a rotated key or another spelling brings no fresh budget.
func TestNoFreshBudget(t *testing.T) {
	c := newChain(t, "4-M")
	key, token := c.issue("read")
	c.do(c.gate, "GET", "/projects/p1", token)
	_, another := c.issue("read")
	c.do(c.gate, "GET", "/projects/p1", another)
	_, next, err := c.gate.Keys().Rotate(t.Context(), operator, key.ID, time.Hour, c.now)
	if err != nil {
		t.Fatal(err)
	}
	c.do(c.gate, "GET", "/projects/p1", next.Reveal())
	if rec := c.do(c.gate, "GET", "/projects/p1", token); rec.Code != 200 || remaining(rec) != "0" {
		t.Errorf("the fourth request: %d, %s remaining", rec.Code, remaining(rec))
	}
	for _, k := range []string{token, another, next.Reveal()} {
		if rec := c.do(c.gate, "GET", "/projects/p1", k); rec.Code != 429 {
			t.Errorf("a fifth request passed: %d", rec.Code)
		}
	}
	r := httptest.NewRequest("GET", "/projects/p1", nil)
	r.Header.Set("Authorization", "BEARER "+token)
	rec := httptest.NewRecorder()
	if c.gate.ServeHTTP(rec, r); rec.Code != 429 {
		t.Errorf("another spelling of the scheme passed: %d", rec.Code)
	}
}

// With LimitPerKey every key has the plan to itself, and rotation brings no fresh
// budget. case L4
func TestLimitPerKey(t *testing.T) {
	c := newChain(t, "2-M", func(c *tollgate.Config) { c.LimitPerKey = true })
	key, token := c.issue("read")
	_, other := c.issue("read")
	for range 2 {
		c.do(c.gate, "GET", "/projects/p1", token)
	}
	_, next, err := c.gate.Keys().Rotate(t.Context(), operator, key.ID, time.Hour, c.now)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name, token string
		want        int
	}{{"spent", token, 429}, {"its successor", next.Reveal(), 429}, {"another key", other, 200}} {
		if rec := c.do(c.gate, "GET", "/projects/p1", step.token); rec.Code != step.want {
			t.Errorf("%s: got %d, want %d", step.name, rec.Code, step.want)
		}
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
		{"GET", "/whoami", "59", 200}, // costs nothing of the plan, and has a limit of its own
		{"POST", "/bulk", "0", 200},
		{"GET", "/projects/p1", "0", 429},
		{"GET", "/whoami", "58", 200},
	} {
		if rec := c.do(c.gate, step.method, step.path, token); rec.Code != step.status || remaining(rec) != step.remaining {
			t.Errorf("%s %s: %d, %q remaining; want %d, %q", step.method, step.path, rec.Code, remaining(rec), step.status, step.remaining)
		}
	}
}

// case A10: a suspended account is refused within the bound, and comes back.
func TestSuspension(t *testing.T) {
	c := newChain(t, "10-M")
	_, token := c.issue("read")
	c.do(c.gate, "GET", "/projects/p1", token)
	for _, step := range []struct {
		to   authz.Status
		want int
	}{{authz.Suspended, 403}, {authz.Active, 200}} {
		if err := c.db.Accounts().SetStatus(t.Context(), "acct_1", step.to); err != nil {
			t.Fatal(err)
		}
		c.now = c.now.Add(c.gate.MaxRevocationDelay())
		rec := c.do(c.gate, "GET", "/projects/p1", token)
		if rec.Code != step.want || step.want == 403 && rec.Header().Get("X-Denied-Reason") != "account_suspended" {
			t.Errorf("%v: %d %v", step.to, rec.Code, rec.Header())
		}
	}
}

// case L5: a request counts once with every limiter, however many there are and
// however often each runs, and the headers are those of one.
func TestManyLimiters(t *testing.T) {
	c := newChain(t, "10-M")
	_, token := c.issue("read")
	plan := must(ratelimit.ParsePlan("all", "100-M"))
	subject := func(*http.Request) (string, *ratelimit.Plan) { return "everybody", plan }
	var limiters []*ratelimit.Limiter
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		limiters = append(limiters, must(ratelimit.New(ratelimit.Config{Name: name, Charge: subject, Now: func() time.Time { return c.now }})))
	}
	h := http.Handler(c.gate)
	for range 2 {
		for _, l := range limiters {
			h = l.Wrap(h)
		}
	}
	rec := c.do(h, "GET", "/projects/p1", token)
	if got := rec.Header().Values("X-RateLimit-Remaining"); len(got) != 1 || got[0] != "9" {
		t.Errorf("got %v remaining, want those of the gate, once", got)
	}
	for _, l := range limiters {
		if d, err := l.Take(t.Context(), "everybody", plan, 0, c.now); err != nil || d.States[0].Remaining != 99 {
			t.Errorf("after one request %d remain, want 99; %v", d.States[0].Remaining, err)
		}
	}
}

// A handler that changes the headers of its response changes no other response.
func TestHeadersAreTheResponsesOwn(t *testing.T) {
	c := newChain(t, "10-M")
	_, token := c.issue("read")
	c.gate.Handle("GET /spoil", authz.Need{ID: "spoil", Permission: "read"}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for _, values := range w.Header() {
			values[0] = "spoilt"
		}
	}))
	if got := remaining(c.do(c.gate, "GET", "/spoil", token)); got != "spoilt" {
		t.Fatalf("got %q remaining, want what the handler wrote", got)
	}
	rec := c.do(c.gate, "GET", "/projects/p1", token)
	if got := remaining(rec); got != "8" {
		t.Errorf("got %q remaining in another response, want 8", got)
	}
	for name, values := range rec.Header() {
		if values[0] == "spoilt" {
			t.Errorf("%s of another response", name)
		}
	}
}

// A request is compiled when the route checks it: a mux behind the check changes
// the path values, but not what a later check is about.
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
	c.gate.Handle("GET /copy/{id}/{rest...}", authz.Need{ID: "copy", Permission: "read", From: map[string]string{"projects": "id"}}, inner)
	if rec := c.do(c.gate, "GET", "/copy/p1/p2", token); rec.Code != 200 || c.handled != 1 {
		t.Errorf("%d, handled %d", rec.Code, c.handled)
	}
}

// The chain gives the handler the very ResponseWriter that the server made.
func TestResponseWriterIsNotWrapped(t *testing.T) {
	c := newChain(t, "10-M")
	_, token := c.issue("read")
	rec := httptest.NewRecorder()
	ran := false
	c.gate.Handle("GET /same", authz.Need{ID: "same", Permission: "read"}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		ran = true
		if w != http.ResponseWriter(rec) {
			t.Errorf("the handler got a %T", w)
		}
	}))
	r := httptest.NewRequest("GET", "/same", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	if c.gate.ServeHTTP(rec, r); !ran {
		t.Errorf("the handler did not run: %d", rec.Code)
	}
}

// Routes in a mux of one's own.
func TestRequire(t *testing.T) {
	c := newChain(t, "10-M")
	_, token := c.issue("read")
	need := authz.Need{ID: "p.get", Permission: "read", From: map[string]string{"projects": "id"}}
	mux := http.NewServeMux()
	mux.Handle("GET /p/{id}", c.gate.Require(need)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.PathValue("id"))
	})))
	for _, tt := range []struct {
		path string
		want int
	}{{"/p/p1", 200}, {"/p/p2", 403}} {
		rec := c.do(mux, "GET", tt.path, token)
		if rec.Code != tt.want || tt.want == 200 && !strings.HasSuffix(rec.Body.String(), "p1") {
			t.Errorf("%s: got %d %s, want %d", tt.path, rec.Code, rec.Body, tt.want)
		}
	}
}

package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/authz/authztest"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/store"
)

// clocked is the server's handler in process, on a clock of the test's.
type clocked struct {
	*server
	t       *testing.T
	handler http.Handler
	now     time.Time
	key     string // of the account acct_1
	config  config
}

func newClocked(t *testing.T, plan, limits string, set ...func(*config)) *clocked {
	t.Helper()
	return clockedOn(t, kept(t), plan, limits, set...)
}

func clockedOn(t *testing.T, database, plan, limits string, set ...func(*config)) *clocked {
	t.Helper()
	c := &clocked{t: t, now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	ctx := context.Background()
	c.config = config{database: database, pepperFile: filepath.Join(t.TempDir(), "pepper"), leakKeys: "http://127.0.0.1:1/"}
	for _, f := range set {
		f(&c.config)
	}
	c.open()
	if err := c.Accounts().Create(ctx, store.Account{ID: "acct_1", Status: authz.Active, Plan: plan, Limits: limits, Created: c.now}); err != nil {
		t.Fatal(err)
	}
	_, token, err := c.keys.Issue(ctx, authn.Operator("acct_1"), apikey.Spec{Name: "k", Environment: live, Grant: c.everything()}, c.now)
	if err != nil {
		t.Fatal(err)
	}
	c.key = token.Reveal()
	return c
}

// tokenOf is a token that nobody has, of the format with that prefix.
func tokenOf(prefix string) string {
	f, err := keyfmt.New(prefix)
	if err != nil {
		panic(err)
	}
	return f.Generate().Reveal()
}

// keyConfig is how the gate manages keys, for managers that differ from its own.
func (s *server) keyConfig() apikey.Config {
	formats := make(map[string]keyfmt.Format)
	for _, env := range []string{live, test} {
		formats[env], _ = keyfmt.New("mt_" + env + "_")
	}
	return apikey.Config{
		Store: s.stores, Roles: s.role, Manage: admin, Fresh: s.sessions.Fresh,
		Model: s.gate.Model(), Formats: formats, Peppers: s.secrets, Quota: keyQuota, Logger: s.log,
	}
}

// open makes the server of a configuration.
func (c *clocked) open() {
	c.t.Helper()
	var err error
	if c.server, err = newServer(c.t.Context(), c.config, slog.New(slog.DiscardHandler)); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(c.Close)
	c.server.now = func() time.Time { return c.now }
	handler, err := c.server.handler()
	if err != nil {
		c.t.Fatal(err)
	}
	c.handler = authztest.Tripwire(c.t, handler) // case A12: no handler forgets what it has promised to check
}

func (c *clocked) get() *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/v1/rubrics", nil)
	r.Header.Set("Authorization", "Bearer "+c.key)
	rec := httptest.NewRecorder()
	c.handler.ServeHTTP(rec, r)
	return rec
}

// A client that paces itself at exactly the plan's minute is never refused
// until its day is spent, and then exactly until midnight UTC.
func TestDay(t *testing.T) {
	for _, tt := range []struct {
		plan   string
		pace   time.Duration
		perDay int
	}{{"free", 6 * time.Second, 100}, {"standard", time.Second, 10_000}} {
		t.Run(tt.plan, func(t *testing.T) {
			c := newClocked(t, tt.plan, "")
			for i := range tt.perDay {
				if rec := c.get(); rec.Code != 200 {
					t.Fatalf("request %d at %v: %d, Retry-After %s", i+1, c.now, rec.Code, rec.Header().Get("Retry-After"))
				}
				c.now = c.now.Add(tt.pace)
			}
			rec := c.get()
			midnight := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
			wait := int(midnight.Sub(c.now) / time.Second)
			if rec.Code != 429 || rec.Header().Get("Retry-After") != strconv.Itoa(wait) {
				t.Errorf("the day is spent: %d, Retry-After %s, want 429 and %d", rec.Code, rec.Header().Get("Retry-After"), wait)
			}
			c.now = midnight.Add(-time.Second)
			if rec := c.get(); rec.Code != 429 {
				t.Errorf("a second before midnight: %d", rec.Code)
			}
			c.now = midnight
			if rec := c.get(); rec.Code != 200 {
				t.Errorf("at midnight: %d", rec.Code)
			}
		})
	}
}

// Enterprise is custom: what the operator wrote for the account.
func TestEnterprise(t *testing.T) {
	c := newClocked(t, "enterprise", "3-S, 7-D")
	for i := range 9 {
		rec := c.get()
		want := 200
		if i == 3 || i > 7 {
			want = 429 // the second is spent; the day is spent
		}
		if rec.Code != want {
			t.Errorf("request %d: %d, want %d", i+1, rec.Code, want)
		}
		if i >= 3 {
			c.now = c.now.Add(time.Second)
		}
	}
}

// case T1: a handler that panics is a 500, and neither the answer nor the log
// has the key.
func TestPanic(t *testing.T) {
	var log strings.Builder
	c := newClocked(t, "standard", "")
	s := &server{log: slog.New(slog.NewTextHandler(&log, nil)), gate: c.gate}
	h := problem.RequestIDs(s.logged(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") })))
	r := httptest.NewRequest("GET", "/v1/rubrics", nil)
	r.Header.Set("Authorization", "Bearer "+c.key)
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	if rec.Code != 500 || strings.Contains(rec.Body.String(), "boom") {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if !strings.Contains(log.String(), "boom") || strings.Contains(log.String(), c.key[8:]) {
		t.Errorf("the log: %s", &log)
	}
}

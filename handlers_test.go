package tollgate_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/password"
	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/store"
)

// Usage shows what requests spent of the plan, of that alone, and spends nothing.
// case L16
func TestUsage(t *testing.T) {
	c := newChain(t, "3-M, 10-D")
	_, key := c.issue("read")
	for _, path := range []string{"/projects/p1", "/projects/p1", "/whoami", "/projects/p2"} { // the last are free and denied
		c.do(c.gate, "GET", path, key)
	}
	p := &authn.Principal{Kind: authn.KindKey, Environment: "live", Subject: "acct_1/live"}
	for range 3 {
		d, err := c.gate.Usage(t.Context(), p, c.now)
		if err != nil || d.Plan.Name() != "test" || d.States[0].Remaining != 1 || d.States[1].Remaining != 8 {
			t.Fatalf("got %+v, %v, want 1 and 8 left of the plan test", d, err)
		}
	}
	for _, tt := range []struct {
		name         string
		p            authn.Principal
		plan, source string
	}{
		{"the default", authn.Principal{Environment: "live"}, "test", "default"},
		{"limits of the account's own", authn.Principal{Environment: "live", Limits: "7-M"}, "custom", "limits"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if plan, source := c.gate.PlanOf(&tt.p); plan.Name() != tt.plan || source != tt.source {
				t.Errorf("got %q from %q, want %q from %q", plan.Name(), source, tt.plan, tt.source)
			}
		})
	}
	t.Run("no plans", func(t *testing.T) {
		c := newChain(t, "", func(c *tollgate.Config) { c.Plans = nil })
		d, err := c.gate.Usage(t.Context(), p, c.now)
		if plan, source := c.gate.PlanOf(p); err != nil || d.Plan != nil || !d.Allowed || plan != nil || source != "" {
			t.Errorf("got %+v, %v, %v, %q, want nothing", d, err, plan, source)
		}
	})
}

// The writer of refusals learns who was refused, if that is known, and what it
// is given opens nothing.
func TestRefusalsTellOfWhom(t *testing.T) {
	var account string
	var resource error
	c := newChain(t, "1-M", func(c *tollgate.Config) {
		c.Errors = func(w http.ResponseWriter, r *http.Request, p problem.Problem) {
			who, _ := authn.FromContext(r.Context())
			account, resource = who.Account, authz.CheckResource(r.Context(), "projects", "p1")
			problem.Write(w, r, p)
		}
	})
	_, key := c.issue("read")
	c.do(c.gate, "GET", "/projects/p1", key)
	for _, tt := range []struct {
		name, path, key string
		status          int
		want            string
	}{
		{"denied", "/projects/p2", key, 403, "acct_1"},
		{"over the limit", "/projects/p1", key, 429, "acct_1"},
		{"not known", "/projects/p1", "mt_live_wrong", 401, ""},
		{"no route", "/nowhere", key, 404, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			account, resource = "unset", nil
			if rec := c.do(c.gate, "GET", tt.path, tt.key); rec.Code != tt.status || account != tt.want {
				t.Errorf("got %d of %q, want %d of %q", rec.Code, account, tt.status, tt.want)
			}
			if resource == nil {
				t.Error("the request that was refused may use a resource")
			}
		})
	}
}

// An answer to a session is private, and so is an error. case T13
func TestAnswersToPeopleArePrivate(t *testing.T) {
	c := newChain(t, "2-M")
	token := c.login("viewer")
	for _, tt := range []struct {
		method, path string
		status       int
	}{{"GET", "/projects/p1", 200}, {"DELETE", "/projects/p1", 403}, {"GET", "/projects/p1", 200}, {"GET", "/projects/p1", 429}} {
		rec := c.do(c.gate, tt.method, tt.path, token)
		if got := rec.Header().Get("Cache-Control"); rec.Code != tt.status || got != "private, no-store" {
			t.Errorf("%s: got %d with Cache-Control %q, want %d with private, no-store", tt.method, rec.Code, got, tt.status)
		}
	}
}

// A public route can ask who is calling. Failures count as everywhere.
func TestIdentify(t *testing.T) {
	c := newChain(t, "10-M")
	_, key := c.issue("read")
	var who *authn.Principal
	c.gate.Public("GET /hello", "greets", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var err error
		if who, err = c.gate.Identify(r); err != nil {
			c.gate.Refuse(w, r, err)
		}
	}))
	if rec := c.do(c.gate, "GET", "/hello", key); rec.Code != 200 || who == nil || who.Account != "acct_1" {
		t.Errorf("got %d of %+v, want 200 of acct_1", rec.Code, who)
	}
	for i := range 21 {
		want := 401
		if i == 20 {
			want = 429
		}
		if rec := c.do(c.gate, "GET", "/hello", "mt_live_wrong"); rec.Code != want || who != nil {
			t.Errorf("failure %d: got %d of %+v, want %d of nobody", i+1, rec.Code, who, want)
		}
	}
}

// The gate tells what logging in and out needs to know of a request.
func TestRequestsOfLogin(t *testing.T) {
	c := newChain(t, "10-M", func(c *tollgate.Config) { c.TrustedOrigins = []string{"https://app.example.com"} })
	r := httptest.NewRequest("POST", "/login", nil)
	r.RemoteAddr = "192.0.2.7:1234"
	if got := c.gate.ClientAddr(r).String(); got != "192.0.2.7" {
		t.Errorf("client: got %s, want 192.0.2.7", got)
	}
	for _, tt := range []struct {
		origin string
		want   error
	}{{"", nil}, {"https://app.example.com", nil}, {"https://evil.example", authn.ErrCrossOrigin}} {
		r.Header.Set("Origin", tt.origin)
		if got := c.gate.CheckOrigin(r); !errors.Is(got, tt.want) {
			t.Errorf("origin %q: got %v, want %v", tt.origin, got, tt.want)
		}
	}
	r.AddCookie(&http.Cookie{Name: tollgate.SessionCookie, Value: "x"})
	if _, err := c.gate.Credential(r); !errors.Is(err, authn.ErrCrossOrigin) {
		t.Errorf("cookie of another origin: got %v, want ErrCrossOrigin", err)
	}
	r.Header.Del("Origin")
	if got, err := c.gate.Credential(r); err != nil || !got.Cookie || got.Reveal() != "x" {
		t.Errorf("cookie: got %v, %v, want x", got, err)
	}
}

// A password that is made of the application's name is guessable.
func TestPasswordWords(t *testing.T) {
	choose := func(c *chain) error {
		logins := c.gate.Logins()
		_, token, err := logins.Invite(t.Context(), store.Invitation{Account: "acct_1", Email: "new@example.com", Role: "viewer"}, c.now)
		if err == nil {
			_, err = logins.Accept(t.Context(), token, "Northwind2026!!!", netip.Addr{}, c.now)
		}
		return err
	}
	if err := choose(newChain(t, "10-M")); err != nil {
		t.Errorf("without words: got %v, want it accepted", err)
	}
	if err := choose(newChain(t, "10-M", func(c *tollgate.Config) { c.PasswordWords = []string{"northwind"} })); !errors.Is(err, password.ErrInvalid) {
		t.Errorf("with the word: got %v, want ErrInvalid", err)
	}
}

// case T1: keys and session tokens in texts of people are not kept.
func TestRedact(t *testing.T) {
	c := newChain(t, "10-M")
	_, key := c.issue("read")
	session := c.login("viewer")
	got := c.gate.Redact("found " + key + " and " + session + ", cut " + key[:22] + "; the prefix is mt_live_")
	want := "found mt_live_… and sess_…, cut mt_live_…; the prefix is mt_live_"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if strings.Contains(got, key[8:20]) {
		t.Error("most of the key is left")
	}
}

// login returns the token of a member's session.
func (c *chain) login(role string) string {
	c.t.Helper()
	u := store.User{ID: "user_1", Email: "ann@example.com", Status: authz.Active, Created: c.now}
	err := c.db.Users().Create(c.t.Context(), u)
	if err == nil {
		err = c.db.Memberships().Put(c.t.Context(), store.Membership{User: u.ID, Account: "acct_1", Role: role, Created: c.now})
	}
	if err != nil {
		c.t.Fatal(err)
	}
	_, token, err := c.gate.Sessions().Start(c.t.Context(), session.Spec{User: u, Account: "acct_1"}, c.now)
	if err != nil {
		c.t.Fatal(err)
	}
	return token.Reveal()
}

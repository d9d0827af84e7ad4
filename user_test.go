package tollgate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// An application with a login of its own: its cookie holds who is logged in,
// "id/account/role".
func ownLogin(c *tollgate.Config) {
	c.User = func(r *http.Request) (*tollgate.User, error) {
		cookie, err := r.Cookie("sid")
		if err != nil {
			return nil, nil
		}
		if cookie.Value == "broken" {
			return nil, errors.New("the session store is down")
		}
		f := strings.Split(cookie.Value, "/")
		return &tollgate.User{ID: f[0], Account: f[1], Role: f[2]}, nil
	}
}

// newApp returns a gate for such an application, with a route that tells who is
// calling.
func newApp(t *testing.T, change ...func(*tollgate.Config)) *chain {
	t.Helper()
	c := newChain(t, "60-M", append([]func(*tollgate.Config){ownLogin}, change...)...)
	c.gate.Handle("GET /me", authz.Need{ID: "me", Permission: "read"}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := authn.FromContext(r.Context())
		fmt.Fprintf(w, "%s in %s, %s", p.User, p.Account, p.Environment)
	}))
	return c
}

// as sends a request with the application's cookie.
func (c *chain) as(who, method, path string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	if who != "" {
		r.AddCookie(&http.Cookie{Name: "sid", Value: who})
	}
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	c.gate.ServeHTTP(w, r)
	return w
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// A person that the application has logged in may do what their role allows.
func TestOwnLogin(t *testing.T) {
	c := newApp(t)
	_, key := c.issue("read")
	tests := []struct {
		name, who, method, path string
		change                  func(*http.Request)
		status                  int
		want                    string // in the body
	}{
		{"viewer looks", "ann/team/viewer", "GET", "/me", nil, 200, "ann in team, live"},
		{"viewer changes", "ann/team/viewer", "DELETE", "/projects/p1", nil, 403, "missing_permission"},
		{"editor changes", "bob/team/editor", "DELETE", "/projects/p1", nil, 200, ""},
		{"unknown role", "eve/team/boss", "GET", "/me", nil, 403, "missing_permission"},
		{"nobody", "", "GET", "/me", nil, 401, ""},
		{"application cannot tell", "broken", "GET", "/me", nil, 503, ""},
		{"another environment", "ann/team/viewer", "GET", "/me", header("X-Environment", "test"), 200, "ann in team, test"},
		{"unknown environment", "ann/team/viewer", "GET", "/me", header("X-Environment", "prod"), 403, "environment_not_allowed"},
		{"header beats cookie", "ann/team/viewer", "GET", "/projects/p1", header("Authorization", "Bearer "+key), 200, ""},
		{"header beats cookie where it may less", "bob/team/editor", "DELETE", "/projects/p1", header("Authorization", "Bearer "+key), 403, "missing_permission"},
		{"bad header does not fall back", "ann/team/viewer", "GET", "/me", header("Authorization", "Bearer mt_live_nothing"), 401, ""},
		{"malformed header does not fall back", "ann/team/viewer", "GET", "/me", header("Authorization", "Basic YTpi"), 401, ""},
		{"empty header does not fall back", "ann/team/viewer", "GET", "/me", header("Authorization", ""), 401, ""},
		{"page of another origin", "bob/team/editor", "DELETE", "/projects/p1", header("Sec-Fetch-Site", "cross-site"), 403, "cross_origin"},
		{"page of another origin, old browser", "bob/team/editor", "DELETE", "/projects/p1", header("Origin", "https://evil.example"), 403, "cross_origin"},
		{"page of another origin looks", "ann/team/viewer", "GET", "/me", header("Sec-Fetch-Site", "cross-site"), 200, "ann in team"},
		{"page of this origin", "bob/team/editor", "DELETE", "/projects/p1", header("Sec-Fetch-Site", "same-origin"), 200, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var change []func(*http.Request)
			if tt.change != nil {
				change = append(change, tt.change)
			}
			w := c.as(tt.who, tt.method, tt.path, change...)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("got %d %s, want %d with %q", w.Code, w.Body, tt.status, tt.want)
			}
			if got, want := w.Header().Get("Cache-Control"), "private, no-store"; w.Code == 200 && tt.change == nil && got != want {
				t.Errorf("got Cache-Control %q, want %q", got, want)
			}
		})
	}
}

// Accounts, users and memberships are recorded when they are first seen, and a
// new role holds from the next request on.
func TestOwnLoginRecords(t *testing.T) {
	c := newApp(t)
	ctx := t.Context()
	c.as("ann/team/viewer", "GET", "/me")
	account, err := c.db.Accounts().Get(ctx, "team")
	if err != nil || account.Status != authz.Active || !account.Created.Equal(c.now) {
		t.Errorf("account: got %+v, %v, want an active one", account, err)
	}
	user, err := c.db.Users().Get(ctx, "ann")
	if err != nil || user.Status != authz.Active || user.Password != "" {
		t.Errorf("user: got %+v, %v, want an active one without a password", user, err)
	}
	for _, role := range []string{"viewer", "editor", "viewer"} {
		status := c.as("ann/team/"+role, "DELETE", "/projects/p1").Code
		if got, want := status == 200, role == "editor"; got != want {
			t.Errorf("as %s: got %d", role, status)
		}
		if m, err := c.db.Memberships().Get(ctx, "team", "ann"); err != nil || m.Role != role {
			t.Errorf("membership: got %+v, %v, want the role %s", m, err, role)
		}
	}
}

// Several processes and requests meet the same people at once.
func TestOwnLoginAtOnce(t *testing.T) {
	c := newApp(t)
	other := newApp(t, func(config *tollgate.Config) { config.Store, config.Secrets = c.db, c.secrets })
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			app := []*chain{c, other}[i%2]
			who := fmt.Sprintf("user%d/team/viewer", i%4/2)
			if w := app.as(who, "GET", "/me"); w.Code != 200 {
				t.Errorf("got %d %s, want 200", w.Code, w.Body)
			}
		})
	}
	all.Wait()
	members, err := c.db.Memberships().OfAccount(t.Context(), "team", "", 10)
	if err != nil || len(members) != 2 {
		t.Errorf("got %d members, %v, want 2", len(members), err)
	}
}

// People and accounts that the operator has suspended are refused within the bound,
// with and without an outage lease; others are not.
func TestOwnLoginSuspended(t *testing.T) {
	suspend := []struct {
		name   string
		do     func(context.Context, *chain) error
		status int
	}{
		{"account", func(ctx context.Context, c *chain) error {
			return c.db.Accounts().SetStatus(ctx, "team", authz.Suspended)
		}, 403},
		{"user", func(ctx context.Context, c *chain) error { return c.db.Users().SetStatus(ctx, "ann", authz.Suspended) }, 403},
	}
	for _, tt := range suspend {
		for _, lease := range []time.Duration{0, time.Hour} {
			t.Run(fmt.Sprintf("%s, outage lease %v", tt.name, lease), func(t *testing.T) {
				c := newApp(t, func(c *tollgate.Config) { c.OutageLease = lease })
				for _, who := range []string{"ann/team/viewer", "zoe/others/viewer"} {
					if w := c.as(who, "GET", "/me"); w.Code != 200 {
						t.Fatalf("%s: got %d, want 200", who, w.Code)
					}
				}
				if err := tt.do(t.Context(), c); err != nil {
					t.Fatal(err)
				}
				c.now = c.now.Add(10 * time.Second) // no stream, so that the lease has ended
				if w := c.as("ann/team/viewer", "GET", "/me"); w.Code != tt.status {
					t.Errorf("suspended: got %d, want %d", w.Code, tt.status)
				}
				if w := c.as("zoe/others/viewer", "GET", "/me"); w.Code != 200 {
					t.Errorf("others: got %d, want 200", w.Code)
				}
				c.now = c.now.Add(c.gate.MaxRevocationDelay())
				if w := c.as("ann/team/viewer", "GET", "/me"); w.Code != tt.status {
					t.Errorf("suspended, later: got %d, want %d", w.Code, tt.status)
				}
			})
		}
	}
}

// The keys of such people open what their role allows at present, and people make
// no key that opens more.
func TestOwnLoginKeys(t *testing.T) {
	c := newApp(t)
	ctx := t.Context()
	person := func(who string) *authn.Principal {
		r := httptest.NewRequest("GET", "/me", nil)
		r.AddCookie(&http.Cookie{Name: "sid", Value: who})
		g := c.gate.Guard(authz.Need{ID: fmt.Sprintf("n%d", len(c.gate.Table())), Permission: "read"})
		allowed, err := g.Check(r, http.Header{})
		if err != nil {
			t.Fatal(err)
		}
		p, _ := authn.FromContext(allowed.Context())
		return &p
	}
	spec := func(permissions ...string) apikey.Spec {
		g := c.gate.Model().Everything()
		g.Permissions = authz.Of(permissions...)
		return apikey.Spec{Name: "k", Environment: "live", Grant: g}
	}
	ann := person("ann/team/editor")
	if ann.Kind != authn.KindUser || !ann.Person() {
		t.Fatalf("got kind %v, want KindUser", ann.Kind)
	}
	key, token, err := c.gate.Keys().Issue(ctx, ann, spec("read", "write"), c.now)
	if err != nil || key.Owner != "ann" {
		t.Fatalf("Issue: got owner %q, %v, want ann", key.Owner, err)
	}
	if w := c.do(c.gate, "DELETE", "/projects/p1", token.Reveal()); w.Code != 200 {
		t.Errorf("key of an editor: got %d %s, want 200", w.Code, w.Body)
	}

	bob := person("bob/team/editor")
	steps := []struct {
		name string
		do   func() error
		want error
	}{
		{"sees their own", func() error { _, err := c.gate.Keys().Get(ctx, ann, key.ID); return err }, nil},
		{"changes their own", func() error {
			name := "renamed"
			_, err := c.gate.Keys().Update(ctx, ann, key.ID, apikey.Change{Name: &name}, c.now)
			return err
		}, nil},
		{"does not see another person's", func() error { _, err := c.gate.Keys().Get(ctx, bob, key.ID); return err }, store.ErrNotFound},
		{"does not revoke another person's", func() error { return c.gate.Keys().Revoke(ctx, bob, key.ID, "", c.now) }, store.ErrNotFound},
		{"makes none for another person", func() error {
			s := spec("read")
			s.Owner = "ann"
			_, _, err := c.gate.Keys().Issue(ctx, bob, s, c.now)
			return err
		}, authn.ErrForbidden},
	}
	for _, s := range steps {
		if err := s.do(); !errors.Is(err, s.want) {
			t.Errorf("%s: got %v, want %v", s.name, err, s.want)
		}
	}

	if w := c.as("ann/team/viewer", "GET", "/me"); w.Code != 200 { // a viewer from now on
		t.Fatalf("as a viewer: got %d, want 200", w.Code)
	}
	_, _, err = c.gate.Keys().Issue(ctx, ann, spec("write"), c.now) // with a principal of before
	if denied, ok := errors.AsType[*authz.DeniedError](err); !ok || denied.Decision.Code != "scope_exceeds_caller" {
		t.Errorf("a viewer makes a key that writes: got %v, want scope_exceeds_caller", err)
	}
	_, _, err = c.gate.Keys().Rotate(ctx, ann, key.ID, 0, c.now)
	if denied, ok := errors.AsType[*authz.DeniedError](err); !ok || denied.Decision.Code != "scope_exceeds_caller" {
		t.Errorf("a viewer rotates a key that writes: got %v, want scope_exceeds_caller", err)
	}
	c.now = c.now.Add(10 * time.Second) // no stream, so that the lease has ended
	if w := c.do(c.gate, "DELETE", "/projects/p1", token.Reveal()); w.Code != 403 {
		t.Errorf("key of a viewer: got %d %s, want 403", w.Code, w.Body)
	}
	if err := c.gate.Keys().Revoke(ctx, ann, key.ID, "", c.now); err != nil {
		t.Errorf("Revoke: %v", err)
	}
}

// A login that is too old makes no keys, as everywhere.
func TestOwnLoginProof(t *testing.T) {
	var loggedIn time.Time
	c := newChain(t, "60-M", func(c *tollgate.Config) {
		c.User = func(*http.Request) (*tollgate.User, error) {
			return &tollgate.User{ID: "ann", Account: "team", Role: "editor", LoggedIn: loggedIn}, nil
		}
	})
	c.handle("GET /recent", authz.Need{ID: "recent", Permission: "read", Recent: time.Hour})
	tests := []struct {
		name string
		at   time.Time
		want int
	}{
		{"not told", time.Time{}, 200},
		{"of late", c.now.Add(-time.Minute), 200},
		{"long ago", c.now.Add(-2 * time.Hour), 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			loggedIn = tt.at
			if w := c.as("", "GET", "/recent"); w.Code != tt.want {
				t.Errorf("got %d %s, want %d", w.Code, w.Body, tt.want)
			}
		})
	}
}

// A role that may do nothing is a mistake of the application, and the log says what
// to do.
func TestOwnLoginPowerlessRole(t *testing.T) {
	var log bytes.Buffer
	c := newApp(t, func(c *tollgate.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	if w := c.as("ada/lovelace/member", "GET", "/me"); w.Code != 403 {
		t.Errorf("got %d, want 403", w.Code)
	}
	if want := `give it grants in Config.Roles, or return one of its roles from Config.User`; !strings.Contains(log.String(), want) || !strings.Contains(log.String(), "role=member") {
		t.Errorf("got %q in the log, want %q", &log, want)
	}
}

package api

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/ratelimit"
	"medtwin.ai/tollgate/store"
)

// A desk is where people manage the keys of acct_1, on a clock of the test's,
// and hears every line that is logged.
type desk struct {
	*clocked
	log      lockedLog
	projects []string // of acct_1, live
}

func newDesk(t *testing.T, set ...func(*config)) *desk {
	t.Helper()
	return deskOn(t, kept(t), set...)
}

func deskOn(t *testing.T, database string, set ...func(*config)) *desk {
	t.Helper()
	d := &desk{clocked: clockedOn(t, database, "standard", "", append([]func(*config){unhurried}, set...)...)}
	d.server.log = slog.New(slog.NewTextHandler(&d.log, nil))
	var err error
	if d.projects, err = seed(t.Context(), d.documents, tenant{"acct_1", live}, d.now); err != nil {
		t.Fatal(err)
	}
	d.now = d.now.Add(time.Millisecond) // ids sort by time
	return d
}

// unhurried lets everybody do what is free as often as they like.
func unhurried(c *config) { c.limits = freely{ratelimit.NewMemory(0)} }

type freely struct{ ratelimit.Store }

func (f freely) Take(ctx context.Context, t ratelimit.Take, now time.Time) (ratelimit.Decision, error) {
	if strings.HasSuffix(t.Scope, "/free") {
		t.Cost = 0
	}
	return f.Store.Take(ctx, t, now)
}

// joins makes a member of an account, and returns their id and what they send as
// Authorization. ids are the projects that they are limited to.
func (d *desk) joins(account, role string, ids ...string) (user, auth string) {
	d.t.Helper()
	u := store.User{ID: keyfmt.NewID("user_", d.now), Status: authz.Active, Created: d.now}
	u.Email = u.ID + "@example.com"
	m := store.Membership{User: u.ID, Account: account, Role: role, Created: d.now}
	if len(ids) > 0 {
		m.Scope = map[string]authz.Set{projects: authz.Of(ids...)}
	}
	err := d.Users().Create(d.t.Context(), u)
	if err == nil {
		err = d.Memberships().Put(d.t.Context(), m)
	}
	if err != nil {
		d.t.Fatal(err)
	}
	_, token, err := d.sessions.Start(d.t.Context(), session.Spec{User: u, Account: account}, d.now)
	if err != nil {
		d.t.Fatal(err)
	}
	return u.ID, "Session " + token.Reveal()
}

func (d *desk) do(method, path, auth, body string, header ...string) answer {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if auth != "" {
		r.Header.Set("Authorization", auth)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	return answer{w.Code, w.Header(), string(bytes.TrimSpace(w.Body.Bytes()))}
}

// must is do, for what goes well.
func (d *desk) must(status int, method, path, auth, body string, header ...string) answer {
	d.t.Helper()
	a := d.do(method, path, auth, body, header...)
	if a.status != status {
		d.t.Fatalf("%s %s %s: %d %s, want %d", method, path, body, a.status, a.body, status)
	}
	return a
}

// makes creates a key and returns it.
func (d *desk) makes(auth, body string) keyAnswer {
	d.t.Helper()
	d.now = d.now.Add(time.Millisecond)
	return keyIn(d.t, d.must(201, "POST", "/v1/api-keys", auth, body))
}

func keyIn(t *testing.T, a answer) (k keyAnswer) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), &k); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return k
}

// A keyAnswer is a key as answers show it.
type keyAnswer struct {
	ID, Name, Key, Hint, Status, Environment string
	Permissions                              []string
	ExpiresAt                                string `json:"expires_at"`
	CreatedBy                                string `json:"created_by"`
	Owner                                    string
}

const (
	seedCreate = `{
    "name": "Production Server",
    "permissions": ["read", "write"]
  }`
	seedScoped = `{
  "name": "Study A Server",
  "permissions": ["read", "write"],
  "scope": {
    "projects": ["proj_abc123", "proj_def456"]
  }
}`
)

// as sends a request with an Authorization.
func (c *clocked) as(auth, method, path, body string) answer {
	return c.do(method, path, body, "Authorization", auth)
}

package authz_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/authz"
)

func TestDecideRecent(t *testing.T) {
	m := newModel(t)
	r := m.Rights(authz.Active, []authz.Grant{m.Everything()})
	const limit = 5 * time.Minute
	for _, c := range []struct {
		name   string
		recent time.Duration
		proved time.Time
		held   string // "": allowed
	}{
		{"not asked", 0, time.Time{}, ""},
		{"now", limit, noon, ""},
		{"just in time", limit, noon.Add(-limit), ""},
		{"just too late", limit, noon.Add(-limit - 1), "5m0.000000001s"},
		{"never", limit, time.Time{}, "never"},
		{"a clock ahead", limit, noon.Add(time.Minute), ""},
		{"a clock far ahead", limit, noon.Add(time.Minute + 1), "never"},
		{"within negative", -time.Second, noon, "0s"},
		{"ahead, asks little", time.Second, noon.Add(time.Minute), ""},
		{"too late, asks least", 1, noon.Add(-2), "2ns"},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := authz.Request{Permission: "read", Endpoint: "a", Environment: "live", Recent: c.recent, Proved: c.proved, Now: noon}
			want := authz.Decision{Allowed: true}
			if c.held != "" {
				want = authz.Decision{Code: "insufficient_user_authentication", Layer: "proof", Dimension: "proof",
					Wanted: c.recent.String(), Held: c.held, Recent: c.recent}
			}
			if diff := cmp.Diff(want, r.Decide(q)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			q.Now = time.Time{} // forgotten
			if c.recent > 0 && r.Decide(q).Allowed {
				t.Error("allowed at no time")
			}
		})
	}
}

// A caller who also lacks something else is not told to log in again for nothing.
func TestDecideRecentIsLast(t *testing.T) {
	m := newModel(t)
	q := authz.Request{Permission: "write", Endpoint: "a", Environment: "live", Recent: time.Minute, Now: noon}
	reads := []authz.Grant{grant(authz.Of("read"), authz.All(), authz.All(), authz.All())}
	if d := m.Rights(authz.Active, reads).Decide(q); d.Code != "missing_permission" {
		t.Errorf("%+v", d)
	}
	if d := m.Rights(authz.Suspended, []authz.Grant{m.Everything()}).Decide(q); d.Code != "account_suspended" {
		t.Errorf("%+v", d)
	}
}

// A route that asks for a fresh proof answers others with the challenge of
// RFC 9470, section 3, on a gate and with Protect.
func TestRecent(t *testing.T) {
	const limit = 90 * time.Second
	g := newRig(t)
	need := func(change func(*authz.Need)) authz.Need {
		n := authz.Need{ID: "delete", Permission: "delete", From: getProject.From, Recent: limit}
		change(&n)
		return n
	}
	g.Handle("DELETE /projects/{project}", need(func(*authz.Need) {}), g.handler("project"))
	g.Handle("DELETE /hidden/{project}", need(func(n *authz.Need) { n.ID, n.HideDenial = "hidden", true }), g.handler("project"))
	g.Handle("POST /password", authz.Need{ID: "password", Anyone: true, Suspended: true, Recent: limit}, g.handler(""))
	protected := http.NewServeMux()
	protected.Handle("DELETE /projects/{project}", g.authenticated(t, authz.Protect(g.model, need(func(*authz.Need) {}), g.handler("project"))))

	for _, c := range []struct {
		name           string
		proved         time.Time
		target         string
		status         int
		reason, handle string
	}{
		{"fresh", noon.Add(-limit), "DELETE /projects/p1", 200, "", "handle p1"},
		{"stale", noon.Add(-limit - 1), "DELETE /projects/p1", 401, "", ""},
		{"a key", time.Time{}, "DELETE /projects/p1", 401, "", ""},
		{"stale and hidden", time.Time{}, "DELETE /hidden/p1", 401, "", ""},
		{"foreign", time.Time{}, "DELETE /projects/p2", 403, "out_of_scope", ""},
		{"foreign, hidden", noon, "DELETE /hidden/p2", 404, "", ""},
		{"anyone", noon, "POST /password", 200, "", "handle "},
		{"anyone, not fresh", noon.Add(-time.Hour), "POST /password", 401, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			g.holds(authz.Of("delete"), authz.Of("p1"))
			method, path, _ := strings.Cut(c.target, " ")
			for _, tt := range []struct {
				where string
				h     http.Handler
			}{{"gate", g}, {"protect", protected}} {
				if tt.where == "protect" && !strings.HasPrefix(path, "/projects") {
					continue
				}
				g.proved, g.trace = c.proved, nil
				w := httptest.NewRecorder()
				tt.h.ServeHTTP(w, request(method, path))
				ran := ""
				if n := len(g.trace); n > 0 && strings.HasPrefix(g.trace[n-1], "handle") {
					ran = g.trace[n-1]
				}
				if w.Code != c.status || w.Header().Get("X-Denied-Reason") != c.reason || ran != c.handle {
					t.Errorf("%s: %d %v, ran %q", tt.where, w.Code, w.Header(), ran)
				}
				if c.status != 401 {
					continue
				}
				want := `Bearer error="insufficient_user_authentication", error_description="A more recent authentication is required", max_age="90"`
				if got := w.Header().Get("WWW-Authenticate"); got != want {
					t.Errorf("%s: WWW-Authenticate: %s", tt.where, got)
				}
				if got, want := w.Body.String(), `"detail":"This asks for a more recent proof of identity: log in again."`; !strings.Contains(got, want) {
					t.Errorf("%s: got %s, want %s", tt.where, got, want)
				}
				if tt.where == "gate" {
					if diff := cmp.Diff([]string{"authenticate", "take 1 of acme/denied", "take 0 of acme/plan"}, g.trace); diff != "" {
						t.Error(diff)
					}
				}
			}
		})
	}
}

// A later check by the handler reads the same proof. case A14
func TestRecentLater(t *testing.T) {
	g := newRig(t)
	g.holds(authz.Of("read"), authz.Of("p1"))
	need := authz.Need{ID: "a", Permission: "read", CheckedByHandler: []string{"projects"}, Recent: time.Minute}
	ran := false
	var code string
	var seen authz.Set
	h := authz.Protect(g.model, need, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ran, code = true, ""
		if err := authz.CheckResource(r.Context(), "projects", "p1"); err != nil {
			code = err.(*authz.DeniedError).Decision.Code
		}
		seen = authz.Visible(r.Context(), "projects")
	}))
	for _, c := range []struct {
		proved time.Time
		runs   bool
	}{{noon, true}, {noon.Add(-time.Hour), false}} {
		ran, g.proved = false, c.proved
		g.authenticated(t, h).ServeHTTP(httptest.NewRecorder(), request("GET", "/"))
		if ran != c.runs || ran && (code != "" || !seen.Has("p1")) {
			t.Errorf("proved %v: ran %v, %q, {%v} visible", c.proved, ran, code, seen)
		}
	}
}

package authz_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/problem"
)

// A need that names an environment is decided there, wherever the caller acts:
// on a gate and with Protect, by CheckResource and Visible, and when explained.
// case A19
func TestNeedEnvironment(t *testing.T) {
	in := func(environments ...string) authz.Grant {
		return grant(authz.Of("read"), authz.Of("p1"), authz.All(), authz.Of(environments...))
	}
	for _, c := range []struct {
		name  string
		need  string // its environment
		acts  string
		held  []authz.Grant
		want  int
		shows string
	}{
		{"a key of live", "live", "live", []authz.Grant{in("live")}, 200, "p1"},
		{"a key of test", "live", "test", []authz.Grant{in("test")}, 403, ""},
		{"a person who looks at test data", "live", "test", []authz.Grant{in("live", "test")}, 200, "p1"},
		{"a person of test alone", "live", "live", []authz.Grant{in("test")}, 403, ""},
		{"two grants", "live", "test", []authz.Grant{in("test"), in("live")}, 200, "p1"},
		{"none named", "", "test", []authz.Grant{in("live")}, 403, ""},
		{"none named, held", "", "test", []authz.Grant{in("test")}, 200, "p1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newRig(t)
			g.rights, g.acts = g.model.Rights(authz.Active, c.held), c.acts
			need := authz.Need{ID: "team.list", Permission: "read", Environment: c.need, CheckedByHandler: []string{"projects"}}
			shows := ""
			handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				shows = authz.Visible(r.Context(), "projects").String()
				if err := authz.CheckResource(r.Context(), "projects", "p1"); err != nil {
					problem.Write(w, r, authz.Problem(err))
				}
			})
			g.Handle("GET /team", need, handler)
			for _, tt := range []struct {
				what string
				h    http.Handler
			}{
				{"gate", g}, {"Protect", g.authenticated(t, authz.Protect(g.model, need, handler))},
			} {
				shows = ""
				w := httptest.NewRecorder()
				tt.h.ServeHTTP(w, request("GET", "/team"))
				if w.Code != c.want || shows != c.shows {
					t.Errorf("%s: got %d, shows %q; want %d, %q", tt.what, w.Code, shows, c.want, c.shows)
				}
				if got := w.Header().Get("X-Denied-Reason"); c.want == 403 && got != "environment_not_allowed" {
					t.Errorf("%s: denied for %q, want environment_not_allowed", tt.what, got)
				}
			}
			_, q, _ := g.Match(httptest.NewRequest("GET", "/team", nil))
			if q.Environment != c.need {
				t.Errorf("explained in %q, want %q", q.Environment, c.need)
			}
		})
	}
}

package routertest

import (
	"fmt"
	"net/http"
	"testing"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/authz/authztest"
)

// A spy is the test of a tripwire that must fail.
type spy struct {
	testing.TB
	errors []string
}

func (s *spy) Helper() {}

func (s *spy) Errorf(format string, args ...any) {
	s.errors = append(s.errors, fmt.Sprintf(format, args...))
}

func tripwire(t tb, newRouter func(*tollgate.Gate) Router) {
	d := start(t, newRouter, func(d *desk) {
		need := func(id string) authz.Need {
			return authz.Need{ID: id, Permission: "read", CheckedByHandler: []string{"projects"}}
		}
		d.routes.Handle("GET", "/v1/forgets", need("forgets"), d.show)
		d.routes.Handle("GET", "/v1/checks", need("checks"), func(w http.ResponseWriter, r *http.Request, _ func(string) string) {
			if err := authz.CheckResource(r.Context(), "projects", "p1"); err != nil {
				d.gate.Refuse(w, r, err)
			}
		})
	})
	s := new(spy)
	d.handler = authztest.Tripwire(s, d.handler)
	if a := d.do("GET", "/v1/checks", "reader"); a.status != 200 || len(s.errors) > 0 {
		t.Errorf("a handler that checks: got %d, %q", a.status, s.errors)
	}
	if d.do("GET", "/v1/forgets", "reader"); len(s.errors) != 1 {
		t.Errorf("a handler that forgets its check: got %q, want one failure", s.errors)
	}
}

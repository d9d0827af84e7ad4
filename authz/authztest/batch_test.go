package authztest_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/authz/authztest"
)

// case A12: parent and child promise different checks under different
// permissions; each keeps its own promise, before, after and beside the other.
func TestTripwireParentAndChild(t *testing.T) {
	for _, tt := range []struct {
		name          string
		parent, child func(visible func(kind string), serve func()) // what each does
		want          int
	}{
		{"the parent asks before", func(v func(string), serve func()) { v("types"); serve() }, checks("projects"), 0},
		{"the parent asks after", func(v func(string), serve func()) { serve(); v("types") }, checks("projects"), 0},
		{"the parent asks again", func(v func(string), serve func()) { v("types"); serve(); v("types") }, checks("projects"), 0},
		{"the parent asks in the child's stead", func(v func(string), serve func()) { serve(); v("types"); v("projects") }, checks(), 1},
		{"the child asks in the parent's stead", func(_ func(string), serve func()) { serve() }, checks("projects", "types"), 1},
		{"nobody asks", func(_ func(string), serve func()) { serve() }, checks(), 2},
		{"two children, the second alone asks", func(v func(string), serve func()) { serve(); serve(); v("types") }, second("projects"), 1},
		{"children in parallel", func(v func(string), serve func()) {
			var all sync.WaitGroup
			for range 100 {
				all.Go(serve)
			}
			all.Wait()
			v("types")
		}, checks("projects"), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			routes := newRoutes(t)
			visible := func(r *http.Request) func(string) {
				return func(kind string) { authz.Visible(r.Context(), kind) }
			}
			routes.Handle("GET /child", authz.Need{ID: "child", Permission: "read", CheckedByHandler: []string{"projects"}},
				http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { tt.child(visible(r), nil) }))
			routes.Handle("POST /parent", authz.Need{ID: "parent", Permission: "write", CheckedByHandler: []string{"types"}},
				http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					tt.parent(visible(r), func() {
						routes.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/child", nil).WithContext(r.Context()))
					})
				}))
			s := &spy{TB: t}
			authztest.Tripwire(s, routes).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/parent", nil))
			if len(s.errors) != tt.want {
				t.Errorf("%d broken promises, want %d: %q", len(s.errors), tt.want, s.errors)
			}
		})
	}
}

func checks(kinds ...string) func(func(string), func()) {
	return func(visible func(string), _ func()) {
		for _, kind := range kinds {
			visible(kind)
		}
	}
}

func second(kind string) func(func(string), func()) {
	calls := 0
	return func(visible func(string), _ func()) {
		if calls++; calls == 2 {
			visible(kind)
		}
	}
}

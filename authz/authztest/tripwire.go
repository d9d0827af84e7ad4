package authztest

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"medtwin.ai/tollgate/internal/watch"
)

// Tripwire returns h, which is a gate or a handler of [authz.Protect] with what is
// around it, such that the test fails if a handler breaks the promise of its need:
// it answered, but has called neither [authz.CheckResource] nor [authz.Visible]
// for a kind that the need names in CheckedByHandler. Have the tests of the API go through it.
//
// An answer that shows nothing may come before the check: an error by package
// problem, or any status from 400 in an [httptest.ResponseRecorder]. Whether a
// handler heeds what it was told is not seen, only whether it asked. The
// ResponseWriter is passed on as it is.
func Tripwire(t testing.TB, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Helper()
		seen := promises{answer: w}
		h.ServeHTTP(w, r.WithContext(watch.With(r.Context(), &seen)))
		rec, recorded := w.(*httptest.ResponseRecorder)
		if seen.refused || recorded && rec.Code >= http.StatusBadRequest {
			return
		}
		for _, p := range seen.broken() {
			t.Errorf("authztest: %s %s (%s): answered without CheckResource or Visible for %q, which its need names in CheckedByHandler",
				r.Method, r.URL.Path, p.endpoint, p.kind)
		}
	})
}

// promises are what the needs met by one request have said that handlers
// check. There are several if a handler calls other routes, as in a batch.
type promises struct {
	answer  http.ResponseWriter // of the request, and not of those that its handler makes
	mu      sync.Mutex
	made    []promise
	refused bool
}

type promise struct {
	access         any
	endpoint, kind string
	kept           bool
}

// Admitted implements [watch.Watcher].
func (p *promises) Admitted(access any, endpoint string, kinds []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, kind := range kinds {
		p.made = append(p.made, promise{access: access, endpoint: endpoint, kind: kind})
	}
}

// Checked implements [watch.Watcher].
func (p *promises) Checked(access any, kind string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.made {
		if m := &p.made[i]; m.access == access && m.kind == kind {
			m.kept = true
		}
	}
}

// Refused implements [watch.Watcher].
func (p *promises) Refused(w http.ResponseWriter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused = p.refused || w == p.answer
}

func (p *promises) broken() []promise {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.made), func(m promise) bool { return m.kept })
}

package authztest

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"medtwin.ai/tollgate/internal/watch"
)

// Tripwire returns a handler that calls h, and makes the test fail if a handler
// breaks the promise of its need: it has answered without calling
// [authz.CheckResource] or [authz.Visible] for a kind that the need names in
// CheckedByHandler. h is a gate, or a handler of [authz.Protect] with what is
// around it. Let all tests of your API go through it.
//
// An answer that shows nothing may come before the check: an error written by
// package problem, or any status from 400 in an [httptest.ResponseRecorder].
// Tripwire sees whether the handler asked, not whether it heeded the answer. It
// passes the ResponseWriter on as it is.
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

// promises are what the needs of one request have promised that handlers check.
// There are several if a handler calls other routes, as in a batch. Each
// promise is kept by a check under the same access: a check under one need does
// not keep the promise of another.
type promises struct {
	answer  http.ResponseWriter // of the request itself, not of those that its handler makes
	mu      sync.Mutex
	made    []promise
	refused bool
}

// A promise is one kind of one need.
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

// broken returns the promises that nobody has kept.
func (p *promises) broken() []promise {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.made), func(m promise) bool { return m.kept })
}

package authztest

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"medtwin.ai/tollgate/internal/request"
)

// Tripwire returns h, which is routes or a handler of [authz.Protect] with what
// is around them, such that the test fails when a handler breaks the promise
// of its need: it answered, but has called neither [authz.CheckResource] nor
// [authz.Visible] for a kind that the need names in Later. Have the tests of
// the API go through it.
//
// An answer that shows nothing may come before the check: an error by package
// problem, or any status from 400 in an [httptest.ResponseRecorder]. Whether a
// handler heeds what it was told is not seen, only whether it asked. The
// ResponseWriter is passed on as it is.
func Tripwire(t testing.TB, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Helper()
		r, s := request.Attach(r)
		var seen promises
		s.Watch(&seen)
		h.ServeHTTP(w, r)
		rec, recorded := w.(*httptest.ResponseRecorder)
		if s.Problem != nil || recorded && rec.Code >= http.StatusBadRequest {
			return
		}
		for _, p := range seen.broken() {
			t.Errorf("authztest: %s %s (%s): answered without CheckResource or Visible for %q, which its need names in Later",
				r.Method, r.URL.Path, p.endpoint, p.kind)
		}
	})
}

// promises are what the needs met by one request have said that handlers
// check. There are several where a handler calls other routes, as in a batch,
// and each is kept by the handler that gave it.
type promises struct {
	mu   sync.Mutex
	made []*promise
}

type promise struct {
	endpoint, kind string
	kept           bool
}

// Admitted implements [request.Watcher].
func (p *promises) Admitted(endpoint string, later []string) request.Watcher {
	p.mu.Lock()
	defer p.mu.Unlock()
	own := admitted{promises: p}
	for _, kind := range later {
		own.made = append(own.made, &promise{endpoint: endpoint, kind: kind})
	}
	p.made = append(p.made, own.made...)
	return own
}

// Checked implements [request.Watcher]; nothing has been promised yet.
func (p *promises) Checked(string) {}

func (p *promises) broken() []*promise {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.made), func(m *promise) bool { return m.kept })
}

// admitted are the promises of one handler.
type admitted struct {
	*promises
	made []*promise
}

// Checked implements [request.Watcher].
func (a admitted) Checked(kind string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, m := range a.made {
		if m.kind == kind {
			m.kept = true
		}
	}
}

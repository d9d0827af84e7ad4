package tollgate_test

import (
	"context"
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/ratelimit"
)

// idle is a ResponseWriter that costs nothing.
type idle struct{ h http.Header }

func (w idle) Header() http.Header         { return w.h }
func (w idle) Write(b []byte) (int, error) { return len(b), nil }
func (w idle) WriteHeader(int)             {}

// roomy is a plan of two windows that no benchmark exceeds.
const roomy = "1000000000-M, 1000000000000-D"

// The whole path of a caller whom the gate knows: match, identify, decide, take
// from the two windows of a usual plan with all headers, handle. Compare with
// BenchmarkFused and BenchmarkBareMux.
func BenchmarkChain(b *testing.B) {
	c := newChain(b, roomy, func(c *tollgate.Config) { c.Now = time.Now })
	c.now = time.Now()
	_, token := c.issue("read")
	benchmark(b, c.gate, token)
}

func BenchmarkBareMux(b *testing.B) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /projects/{id}", func(http.ResponseWriter, *http.Request) {})
	benchmark(b, mux, "x")
}

// The same work for one route and one key, written out by hand without packages,
// configuration, errors and explanations: what the gate can be compared with.
func BenchmarkFused(b *testing.B) {
	type caller struct {
		id, environment, subject string
		permissions              uint64
		projects                 []string
		generation               uint64
		expires                  time.Time
	}
	type key struct{}
	token := "mt_live_V9OgR7zVR23IUSI7uH8TgfR4NbMOI"
	known := map[[32]byte]*caller{sha256.Sum256([]byte(token)): {
		id: "key_1", environment: "live", subject: "acct_1/live", permissions: 1, projects: []string{"p1"}, generation: 1,
	}}
	var next http.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	var generation atomic.Uint64
	plan := must(ratelimit.ParsePlan("plan", roomy))
	limits := ratelimit.NewMemory(0)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /projects/{id}", func(w http.ResponseWriter, r *http.Request) {
		now := time.Now()
		values := r.Header["Authorization"]
		if len(values) != 1 {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		token, ok := strings.CutPrefix(values[0], "Bearer ")
		if !ok || !strings.HasPrefix(token, "mt_live_") {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		c := known[sha256.Sum256([]byte(token))]
		if c == nil || generation.Load() > c.generation || !c.expires.IsZero() && now.After(c.expires) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		id := r.PathValue("id")
		allowed := false
		for _, p := range c.projects {
			allowed = allowed || p == id
		}
		if c.permissions&1 == 0 || !allowed {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		d, err := limits.Take(r.Context(), ratelimit.Take{Scope: "plan", Subject: c.subject, Plan: plan, Cost: 1}, now)
		if err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		d.WriteHeader(w.Header(), now)
		if !d.Allowed {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, c)))
	})
	benchmark(b, mux, token)
}

func benchmark(b *testing.B, h http.Handler, token string) {
	r := httptest.NewRequest("GET", "/projects/p1", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := idle{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.h)
		h.ServeHTTP(w, r)
		if _, limited := w.h["Retry-After"]; limited {
			b.Fatal("the benchmark ran into its limit")
		}
	}
}

package benchmarks

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/sethvargo/go-limiter/httplimit"
	"github.com/sethvargo/go-limiter/memorystore"
	"github.com/ulule/limiter/v3"
	"github.com/ulule/limiter/v3/drivers/middleware/stdlib"
	"github.com/ulule/limiter/v3/drivers/store/memory"

	"medtwin.ai/tollgate/ratelimit"
)

// middlewares limit by Host, which costs nothing to read, and write the
// headers of their windows.
var middlewares = []struct {
	name string
	wrap func(tb testing.TB, quota int64, next http.Handler) http.Handler
}{
	{"tollgate-2-windows", wrapTollgate},
	{"ulule-1-window", func(_ testing.TB, quota int64, next http.Handler) http.Handler {
		return wrapUlule(time.Minute, quota, next)
	}},
	{"ulule-2-windows", func(_ testing.TB, quota int64, next http.Handler) http.Handler {
		return wrapUlule(24*time.Hour, aDay, wrapUlule(time.Minute, quota, next))
	}},
	{"sethvargo-1-window", wrapSethvargo},
}

func host(r *http.Request) string { return r.Host }

func wrapTollgate(tb testing.TB, quota int64, next http.Handler) http.Handler {
	plan, err := ratelimit.ParsePlan("standard", fmt.Sprintf("%d-M, %d-D", quota, int64(aDay)))
	if err != nil {
		tb.Fatal(err)
	}
	l, err := ratelimit.New(ratelimit.Config{Charge: func(r *http.Request) (string, *ratelimit.Plan) { return r.Host, plan }})
	if err != nil {
		tb.Fatal(err)
	}
	return l.Wrap(next)
}

func wrapUlule(period time.Duration, quota int64, next http.Handler) http.Handler {
	l := limiter.New(memory.NewStore(), limiter.Rate{Period: period, Limit: quota})
	return stdlib.NewMiddleware(l, stdlib.WithKeyGetter(host)).Handler(next)
}

func wrapSethvargo(tb testing.TB, quota int64, next http.Handler) http.Handler {
	s, err := memorystore.New(&memorystore.Config{Tokens: uint64(quota), Interval: time.Minute})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	m, err := httplimit.NewMiddleware(s, func(r *http.Request) (string, error) { return r.Host, nil })
	if err != nil {
		tb.Fatal(err)
	}
	return m.Handle(next)
}

func TestMiddlewares(t *testing.T) {
	for _, m := range middlewares {
		t.Run(m.name, func(t *testing.T) {
			h := m.wrap(t, 3, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			for _, key := range []string{"a", "b"} {
				for i, want := range []int{200, 200, 200, 429} {
					w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
					r.Host = key
					h.ServeHTTP(w, r)
					if w.Code != want || w.Header().Get("X-RateLimit-Remaining") == "" {
						t.Errorf("key %s, request %d: %d with headers %v, want %d with X-RateLimit-Remaining", key, i+1, w.Code, w.Header(), want)
					}
				}
			}
		})
	}
}

// discard is a ResponseWriter that keeps only the headers.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

func BenchmarkMiddleware(b *testing.B) {
	const n = 10_000
	requests := make([]*http.Request, n)
	for i := range requests {
		requests[i] = httptest.NewRequest("GET", "/", nil)
		requests[i].Host = allKeys()[i]
	}
	for _, m := range middlewares {
		b.Run("10k/"+m.name, func(b *testing.B) {
			served := 0
			h := m.wrap(b, 1<<30, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ }))
			w := discard{http.Header{}}
			for _, r := range requests {
				h.ServeHTTP(w, r)
			}
			served = 0
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				clear(w.header)
				h.ServeHTTP(w, requests[turn(i, n)])
			}
			if served != b.N {
				b.Fatalf("%d of %d requests were served", served, b.N)
			}
		})
	}
}

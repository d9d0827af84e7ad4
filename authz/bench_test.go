package authz_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/internal/request"
)

func BenchmarkDecide(b *testing.B) {
	r, q := typical(newModel(b))
	b.ReportAllocs()
	for b.Loop() {
		if !r.Decide(q).Allowed {
			b.Fatal("denied")
		}
	}
}

func BenchmarkDecideDenied(b *testing.B) {
	r, q := typical(newModel(b))
	q.Resources[0].ID = "p7"
	b.ReportAllocs()
	for b.Loop() {
		if r.Decide(q).Allowed {
			b.Fatal("allowed")
		}
	}
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// BenchmarkRoutes compares the mux alone with routes whose authentication
// only sets the rights.
func BenchmarkRoutes(b *testing.B) {
	m := newModel(b)
	rights, _ := typical(m)
	h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	authenticate := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s := request.From(r.Context())
			s.Rights, s.Environment = rights, "live"
			next.ServeHTTP(w, r)
		})
	}
	routes, err := authz.NewRoutes(authz.RoutesConfig{Model: m, Authenticate: authenticate})
	if err != nil {
		b.Fatal(err)
	}
	routes.Handle("GET /v1/projects", authz.Need{ID: "projects.list", Permission: "read"}, h)
	routes.Handle("GET /v1/projects/{project}", getProject, h)
	routes.Public("GET /health", "liveness", h)
	mux := http.NewServeMux()
	for _, route := range routes.Table() {
		mux.Handle(route.Pattern, h)
	}
	for _, c := range []struct {
		name, path string
		h          http.Handler
	}{
		{"mux/list", "/v1/projects", mux},
		{"routes/list", "/v1/projects", routes},
		{"mux/one", "/v1/projects/p2", mux},
		{"routes/one", "/v1/projects/p2", routes},
		{"routes/public", "/health", routes},
		{"routes/miss", "/nothing", routes},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := httptest.NewRequest("GET", c.path, nil)
			w := discard{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				c.h.ServeHTTP(w, r)
			}
		})
	}
}

package routertest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/authz"
)

// The gate's own mux behaves, but for what only other routers need: it has no routes
// that were not declared.
func TestOwnMux(t *testing.T) {
	for _, c := range checks {
		if !slices.Contains([]string{"no start without a need", "a route that is added later is not served"}, c.name) {
			t.Run(c.name, func(t *testing.T) { c.run(t, ownMux) })
		}
	}
}

// A trial is a test that may fail.
type trial struct {
	ctx    context.Context
	failed []string
}

func (*trial) Helper() {}

func (t *trial) Context() context.Context { return t.ctx }

func (*trial) Cleanup(func()) {}

func (t *trial) Errorf(format string, args ...any) {
	t.failed = append(t.failed, fmt.Sprintf(format, args...))
}

func (t *trial) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	panic(t)
}

// A broken adapter is a mux whose guards are used wrongly.
type broken struct {
	mux     *http.ServeMux
	gate    *tollgate.Gate
	wrap    func(g *broken, guard *tollgate.Guard, h Handler) http.Handler
	front   func(g *broken, h http.Handler) http.Handler
	request http.Request
}

func (b *broken) Handle(method, pattern string, need authz.Need, h Handler) {
	b.mux.Handle(method+" "+pattern, b.wrap(b, b.gate.Guard(need), h))
}

func (b *broken) Add(method, pattern string, h Handler) { b.mux.Handle(method+" "+pattern, plain(h)) }

func (b *broken) Public(string, string, string) {}

func (b *broken) Start() (http.Handler, error) { return b.front(b, b.mux), nil }

// right uses a guard as it should be.
func right(b *broken, guard *tollgate.Guard, h Handler) http.Handler {
	return guard.Wrap(plain(h))
}

// The suite finds adapters that are wrong.
func TestBroken(t *testing.T) {
	same := func(_ *broken, h http.Handler) http.Handler { return h }
	for _, tt := range []struct {
		name  string
		wrap  func(*broken, *tollgate.Guard, Handler) http.Handler
		front func(*broken, http.Handler) http.Handler
		want  string // the check that must fail
	}{
		{"runs the handler after a refusal", func(b *broken, guard *tollgate.Guard, h Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				checked, err := guard.Check(r, w.Header())
				if err != nil {
					b.gate.Refuse(w, checked, err)
				}
				h(w, checked, r.PathValue)
			})
		}, same, "answers are those of the gate"},
		{"decides about another spelling", func(b *broken, guard *tollgate.Guard, h Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				id := r.PathValue("project")
				r.SetPathValue("project", strings.ToLower(strings.Trim(id, " /+\x00")))
				guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					h(w, r, func(string) string { return id })
				})).ServeHTTP(w, r)
			})
		}, same, "ids are compared as the handler receives them"},
		{"starts with undeclared routes", right, same, "no start without a need"},
		{"does not look at the pattern", right, same, "a need must fit its route"},
		{"serves routes that are added later", right, same, "a route that is added later is not served"},
		{"takes the method from a header", right, func(_ *broken, h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if m := r.Header.Get("X-HTTP-Method-Override"); m != "" {
					r.Method = m
				}
				h.ServeHTTP(w, r)
			})
		}, "a method is never taken from a header"},
		{"takes the address from a header", right, func(_ *broken, h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if a := r.Header.Get("X-Real-IP"); a != "" {
					r.RemoteAddr = a + ":1"
				}
				h.ServeHTTP(w, r)
			})
		}, "the client's address is never the framework's"},
		{"hides what the response writer can do", right, func(_ *broken, h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				h.ServeHTTP(struct{ http.ResponseWriter }{w}, r)
			})
		}, "flush, hijack and HTTP/2 work"},
		{"uses one request for all, as from a pool", func(b *broken, guard *tollgate.Guard, h Handler) http.Handler {
			return guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				b.request = *r
				h(w, &b.request, r.PathValue)
			}))
		}, same, "a request on another's context is one of its own"},
		{"loses the changed request", func(b *broken, guard *tollgate.Guard, h Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				checked, err := guard.Check(r, w.Header())
				if err != nil {
					b.gate.Refuse(w, checked, err)
					return
				}
				h(w, r, r.PathValue)
			})
		}, same, "contexts are not shared between requests"},
		{"logs what it is sent", right, func(b *broken, h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				b.gate.Config().Logger.Info("request refused", "header", r.Header.Get("Authorization"))
				h.ServeHTTP(w, r)
			})
		}, "no credential is logged"},
		{"answers a preflight with the handler", right, func(b *broken, h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == "OPTIONS" {
					r.Method = "GET"
					r.Header.Set("Authorization", "Bearer writer")
				}
				h.ServeHTTP(w, r)
			})
		}, "a preflight passes no need, and costs nothing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i := slices.IndexFunc(checks, func(c struct {
				name string
				run  func(tb, func(*tollgate.Gate) Router)
			}) bool {
				return c.name == tt.want
			})
			try := &trial{ctx: t.Context()}
			func() {
				defer func() {
					if v := recover(); v != nil && v != any(try) {
						panic(v)
					}
				}()
				checks[i].run(try, func(gate *tollgate.Gate) Router {
					return &broken{mux: http.NewServeMux(), gate: gate, wrap: tt.wrap, front: tt.front}
				})
			}()
			if len(try.failed) == 0 {
				t.Errorf("%q passes", tt.want)
			}
		})
	}
}

package tollgate_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/ratelimit"
)

// A site is an API that one of the siteKinds guards.
type site struct {
	http.Handler
	handle func(pattern string, need authz.Need, h http.HandlerFunc)
	public func(pattern string, h http.HandlerFunc)
}

var siteKinds = []struct {
	name string
	make func(p siteParts) site
}{
	{"routes", newRoutesSite},
	{"composed", newComposedSite},
	{"routes behind problem.RequestIDs", func(p siteParts) site { return behindRequestIDs(newRoutesSite(p)) }},
	{"composed behind problem.RequestIDs", func(p siteParts) site { return behindRequestIDs(newComposedSite(p)) }},
}

// siteParts are what a site is made of.
type siteParts struct {
	model *authz.Model
	auth  *authn.Middleware
	rate  *ratelimit.Limiter
}

func newRoutesSite(p siteParts) site {
	routes := must(authz.NewRoutes(authz.RoutesConfig{Model: p.model, Authenticate: p.auth.Wrap, Limit: p.rate.Wrap}))
	return site{
		Handler: routes,
		handle:  func(pattern string, need authz.Need, h http.HandlerFunc) { routes.Handle(pattern, need, h) },
		public:  func(pattern string, h http.HandlerFunc) { routes.Public(pattern, "a test", h) },
	}
}

func newComposedSite(p siteParts) site {
	mux := http.NewServeMux()
	return site{
		Handler: mux,
		handle: func(pattern string, need authz.Need, h http.HandlerFunc) {
			mux.Handle(pattern, p.auth.Wrap(authz.Protect(p.model, need, p.rate.Wrap(h))))
		},
	}
}

func behindRequestIDs(s site) site {
	s.Handler = problem.RequestIDs(s.Handler)
	return s
}

// callers is an authenticator of callers with fixed tokens: "writer" may read
// p1 and p2 and write p1, "reader-…" may read p1.
type callers struct{ model *authz.Model }

func (c callers) Authenticate(_ context.Context, cred authn.Credential, now time.Time) (*authn.Principal, error) {
	token := cred.Reveal()
	grant := func(permission string, projects ...string) authz.Grant {
		g := c.model.Everything()
		g.Permissions, g.Scope["projects"] = authz.Of(permission), authz.Of(projects...)
		return g
	}
	var grants []authz.Grant
	switch {
	case token == "writer":
		grants = []authz.Grant{grant("read", "p1", "p2"), grant("write", "p1")}
	case strings.HasPrefix(token, "reader-"):
		grants = []authz.Grant{grant("read", "p1")}
	default:
		return nil, authn.ErrRejected
	}
	return &authn.Principal{
		Kind: authn.KindKey, ID: token, Account: token, Subject: token, Environment: "live",
		Rights: c.model.Rights(authz.Active, grants),
	}, nil
}

func newParts(plan string) siteParts {
	m := must(authz.NewModel(authz.ModelConfig{
		Permissions: []string{"read", "write"}, ReadOnly: []string{"read"}, Kinds: []string{"projects"},
	}))
	p := must(ratelimit.ParsePlan("test", plan))
	return siteParts{
		model: m,
		auth:  must(authn.New(authn.Config{Authenticators: []authn.Authenticator{callers{m}}})),
		rate: must(ratelimit.New(ratelimit.Config{Plan: func(r *http.Request) (string, *ratelimit.Plan) {
			caller, _ := authn.FromContext(r.Context())
			return caller.Subject, p
		}})),
	}
}

// eachSite runs a test on every kind of site.
func eachSite(t *testing.T, plan string, test func(t *testing.T, s site)) {
	for _, kind := range siteKinds {
		t.Run(kind.name, func(t *testing.T) { test(t, kind.make(newParts(plan))) })
	}
}

func ask(method, target, token string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

// The ways to make a request on another one's context.
var subrequests = []struct {
	name string
	make func(r *http.Request, method, path, token string) *http.Request
}{
	{"new", func(r *http.Request, method, path, token string) *http.Request {
		return ask(method, path, token).WithContext(r.Context())
	}},
	{"clone", func(r *http.Request, method, path, token string) *http.Request {
		sub := r.Clone(r.Context())
		sub.Method, sub.URL.Path = method, path
		sub.Header.Set("Authorization", "Bearer "+token)
		return sub
	}},
	{"copy with another URL", func(r *http.Request, method, path, token string) *http.Request {
		sub := r.WithContext(r.Context())
		u := *r.URL
		u.Path = path
		sub.Method, sub.URL, sub.Header = method, &u, r.Header.Clone()
		sub.Header.Set("Authorization", "Bearer "+token)
		return sub
	}},
	{"rewritten in place", func(r *http.Request, method, path, token string) *http.Request {
		r.Method, r.URL.Path = method, path
		r.Header.Set("Authorization", "Bearer "+token)
		return r
	}},
}

// parallel runs f n times on 100 goroutines.
func parallel(n int, f func(i int)) {
	var all sync.WaitGroup
	for worker := range 100 {
		all.Go(func() {
			for i := worker; i < n; i += 100 {
				f(i)
			}
		})
	}
	all.Wait()
}

const subrequestCount = 10_000

var (
	readProject  = authz.Need{ID: "projects.get", Permission: "read", From: map[string]string{"projects": "id"}}
	writeProject = authz.Need{ID: "projects.put", Permission: "write", From: map[string]string{"projects": "id"}}
	writeBatch   = authz.Need{ID: "batch", Permission: "write", Later: []string{"projects"}}
)

// case A16: what a sub-request asks, is, and is answered changes nothing for
// the handler that made it.
func TestSubrequestLeavesParentAlone(t *testing.T) {
	for _, way := range subrequests {
		t.Run(way.name, func(t *testing.T) {
			eachSite(t, "100-M", func(t *testing.T, s site) {
				s.handle("GET /p/{id}", readProject, func(w http.ResponseWriter, r *http.Request) {
					caller, _ := authn.FromContext(r.Context())
					fmt.Fprint(w, caller.ID, " ", authz.CheckResource(r.Context(), "projects", "p2") == nil)
				})
				s.handle("POST /batch", writeBatch, func(_ http.ResponseWriter, r *http.Request) {
					ctx := r.Context()
					id := problem.RequestID(ctx)
					check := func(after string) {
						t.Helper()
						if err := authz.CheckResource(ctx, "projects", "p2"); err == nil {
							t.Errorf("%s: may write p2", after)
						}
						if err := authz.CheckResource(ctx, "projects", "p1"); err != nil {
							t.Errorf("%s: %v", after, err)
						}
						if got := authz.Visible(ctx, "projects"); !got.Equal(authz.Of("p1")) {
							t.Errorf("%s: visible %v", after, got)
						}
						if caller, _ := authn.FromContext(ctx); caller.ID != "writer" {
							t.Errorf("%s: the caller is %q", after, caller.ID)
						}
						if p, written := problem.FromContext(ctx); written {
							t.Errorf("%s: answered with %v", after, p)
						}
						if got := problem.RequestID(ctx); got != id {
							t.Errorf("%s: the request id %q became %q", after, id, got)
						}
					}
					check("at first")
					for _, part := range []struct {
						token, path, body string
						status            int
					}{
						{"writer", "/p/p2", "writer true", 200},
						{"reader-1", "/p/p1", "reader-1 false", 200},
						{"reader-1", "/p/p2", "", 403},
						{"nobody", "/p/p1", "", 401},
						{"writer", "/nothing", "", 404},
					} {
						rec := serve(s, way.make(r, "GET", part.path, part.token))
						if rec.Code != part.status || part.status == 200 && rec.Body.String() != part.body {
							t.Errorf("%s for %s: %d %s, want %d %s", part.path, part.token, rec.Code, rec.Body, part.status, part.body)
						}
						check(part.path + " for " + part.token)
					}
				})
				if rec := serve(s, ask("POST", "/batch", "writer")); rec.Code != 200 {
					t.Errorf("the batch: %d %s", rec.Code, rec.Body)
				}
			})
		})
	}
}

// case A16, in parallel: no part borrows the question of another.
func TestSubrequestsInParallel(t *testing.T) {
	eachSite(t, "1000000-M", func(t *testing.T, s site) {
		var written, refused atomic.Int64
		s.handle("GET /p/{id}", readProject, func(http.ResponseWriter, *http.Request) {})
		s.handle("PUT /p/{id}", writeProject, func(_ http.ResponseWriter, r *http.Request) {
			written.Add(1)
			if id := r.PathValue("id"); id != "p1" || authz.CheckResource(r.Context(), "projects", "p2") == nil {
				t.Errorf("%s is written", id)
			}
		})
		s.handle("POST /batch", writeBatch, func(_ http.ResponseWriter, r *http.Request) {
			parallel(subrequestCount, func(i int) {
				method, path := "PUT", fmt.Sprint("/p/p", 1+i%2)
				if i%10 == 0 {
					method = "GET"
				}
				if rec := serve(s, subrequests[i%3].make(r, method, path, "writer")); rec.Code == 403 {
					refused.Add(1)
				}
				if authz.CheckResource(r.Context(), "projects", "p2") == nil {
					t.Error("the batch may write p2")
				}
			})
		})
		serve(s, ask("POST", "/batch", "writer"))
		if w, r := written.Load(), refused.Load(); w != subrequestCount*4/10 || r != subrequestCount/2 {
			t.Errorf("%d written, %d refused; want %d, %d", w, r, subrequestCount*4/10, subrequestCount/2)
		}
	})
}

// case A16, in parallel with other credentials: every part is its own caller,
// whether a handler or something in front of the whole site takes the batch
// apart.
func TestSubrequestsOfSeveralCallers(t *testing.T) {
	eachSite(t, "1000000-M", func(t *testing.T, s site) {
		var handled atomic.Int64
		s.handle("GET /p/{id}", readProject, func(_ http.ResponseWriter, r *http.Request) {
			handled.Add(1)
			for range 3 {
				caller, _ := authn.FromContext(r.Context())
				if want := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "); caller.ID != want {
					t.Errorf("%q runs as %q", want, caller.ID)
				}
			}
		})
		split := func(_ http.ResponseWriter, r *http.Request) {
			before, _ := authn.FromContext(r.Context())
			parallel(subrequestCount, func(i int) {
				token, want := fmt.Sprint("reader-", i), 200
				if i%4 == 0 {
					token, want = "nobody", 401
				}
				if rec := serve(s, subrequests[i%3].make(r, "GET", "/p/p1", token)); rec.Code != want {
					t.Errorf("%s: %d, want %d", token, rec.Code, want)
				}
				if now, _ := authn.FromContext(r.Context()); now.ID != before.ID {
					t.Errorf("the batch of %q runs as %q", before.ID, now.ID)
				}
			})
		}
		s.handle("POST /batch", writeBatch, split)
		serve(s, ask("POST", "/batch", "writer"))
		serve(problem.RequestIDs(http.HandlerFunc(split)), ask("POST", "/batch", "writer"))
		if got, want := handled.Load(), int64(2*subrequestCount*3/4); got != want {
			t.Errorf("%d parts were handled, want %d", got, want)
		}
	})
}

// case A16: every part is charged what it costs, and the batch what that costs.
func TestSubrequestsAreCharged(t *testing.T) {
	const parts = 50
	for _, way := range subrequests {
		t.Run(way.name, func(t *testing.T) {
			eachSite(t, "10-M", func(t *testing.T, s site) {
				s.handle("GET /free", authz.Need{ID: "free", Permission: "read", Cost: -1}, func(http.ResponseWriter, *http.Request) {})
				s.handle("GET /dear", authz.Need{ID: "dear", Permission: "read", Cost: 3}, func(http.ResponseWriter, *http.Request) {})
				var passed atomic.Int64
				one := func(r *http.Request, path string) {
					if rec := serve(s, way.make(r, "GET", path, "writer")); rec.Code == 200 {
						passed.Add(1)
					}
				}
				all := func(_ http.ResponseWriter, r *http.Request) {
					one(r, "/free")
					if way.name == "rewritten in place" {
						for range parts {
							one(r, "/dear")
						}
						return
					}
					parallel(parts, func(int) { one(r, "/dear") })
				}
				s.handle("POST /batch", authz.Need{ID: "batch", Permission: "write", Cost: -1}, all)
				if serve(s, ask("POST", "/batch", "writer")); passed.Load() != 1+3 {
					t.Errorf("%d parts passed, want the free one and 3 of cost 3 under 10", passed.Load())
				}
				passed.Store(0)
				if serve(problem.RequestIDs(http.HandlerFunc(all)), ask("POST", "/batch", "writer")); passed.Load() != 1 {
					t.Errorf("in front of the site: %d parts passed, want the free one", passed.Load())
				}
			})
		})
	}
}

// case A16: a part that no need decides is not free because the batch is.
func TestSubrequestWithoutNeedIsNotFree(t *testing.T) {
	p := newParts("3-M")
	handled := 0
	part := p.rate.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { handled++ }))
	free := authz.Need{ID: "batch", Permission: "write", Cost: -1}
	batch := p.auth.Wrap(authz.Protect(p.model, free, p.rate.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for range 10 {
			serve(part, subrequests[0].make(r, "GET", "/part", "writer"))
		}
	}))))
	if rec := serve(batch, ask("POST", "/batch", "writer")); rec.Code != 200 || handled != 3 {
		t.Errorf("the batch: %d; %d parts passed under 3 a minute", rec.Code, handled)
	}
}

// cases L5 and A16: the batch and each of its parts count once, however often
// the middlewares run on them, though they ask for different permissions and
// the batch asks again after each part.
func TestSubrequestsCountOnce(t *testing.T) {
	for _, kind := range siteKinds {
		t.Run(kind.name, func(t *testing.T) {
			p := newParts("100-M")
			s := kind.make(p)
			h := p.auth.Wrap(p.rate.Wrap(p.auth.Wrap(p.rate.Wrap(s))))
			s.handle("GET /p/{id}", readProject, func(http.ResponseWriter, *http.Request) {})
			s.handle("POST /batch", writeBatch, func(w http.ResponseWriter, r *http.Request) {
				for i := range 10 {
					rec := serve(h, subrequests[i%3].make(r, "GET", "/p/p2", "writer"))
					if got, want := remaining(rec), fmt.Sprint(98-i); rec.Code != 200 || got != want {
						t.Errorf("part %d: %d, %s remaining, want %s", i, rec.Code, got, want)
					}
					if authz.CheckResource(r.Context(), "projects", "p2") == nil {
						t.Errorf("after part %d: may write p2", i)
					}
				}
			})
			if rec := serve(h, ask("POST", "/batch", "writer")); rec.Code != 200 || remaining(rec) != "99" {
				t.Errorf("the batch: %d, %s remaining, want 99", rec.Code, remaining(rec))
			}
			if rec := serve(h, ask("GET", "/p/p1", "writer")); remaining(rec) != "88" {
				t.Errorf("after a batch of ten: %s remaining, want 88", remaining(rec))
			}
		})
	}
}

// case L5, for requests without a credential.
func TestAnonymousCountsOnce(t *testing.T) {
	p := newParts("10-M")
	auth := must(authn.New(authn.Config{Authenticators: []authn.Authenticator{callers{p.model}}, AllowAnonymous: true}))
	h := auth.Wrap(p.rate.Wrap(auth.Wrap(p.rate.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))))
	for _, want := range []string{"9", "8"} {
		if rec := serve(h, httptest.NewRequest("GET", "/", nil)); rec.Code != 200 || remaining(rec) != want {
			t.Errorf("%d, %s remaining, want %s", rec.Code, remaining(rec), want)
		}
	}
}

// case A16: parts that differ in nothing but the body, which is replaced in
// front of the site.
func TestSubrequestsByBody(t *testing.T) {
	eachSite(t, "10-M", func(t *testing.T, s site) {
		var handled atomic.Int64
		s.handle("POST /rpc", authz.Need{ID: "rpc", Permission: "write", Cost: 3}, func(http.ResponseWriter, *http.Request) { handled.Add(1) })
		front := problem.RequestIDs(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			parallel(100, func(i int) {
				part := r.WithContext(r.Context())
				part.Body = io.NopCloser(strings.NewReader(fmt.Sprint(i)))
				serve(s, part)
			})
		}))
		if serve(front, ask("POST", "/rpc", "writer")); handled.Load() != 3 {
			t.Errorf("%d calls of cost 3 passed under 10", handled.Load())
		}
	})
}

// case A16: a public route knows nothing of the request that it was called on.
func TestPublicSubrequest(t *testing.T) {
	eachSite(t, "10-M", func(t *testing.T, s site) {
		if s.public == nil {
			return // without Routes, what is public is behind nothing
		}
		s.public("GET /public", func(w http.ResponseWriter, r *http.Request) {
			if caller, known := authn.FromContext(r.Context()); known {
				t.Errorf("the caller is %q", caller.ID)
			}
			if authz.CheckResource(r.Context(), "projects", "p1") == nil {
				t.Error("a public route may ask the question of another route")
			}
			problem.Write(w, r, problem.Problem{Status: 400})
		})
		s.handle("POST /batch", writeBatch, func(w http.ResponseWriter, r *http.Request) {
			if rec := serve(s, subrequests[0].make(r, "GET", "/public", "writer")); rec.Code != 400 {
				t.Errorf("%d", rec.Code)
			}
			if p, written := problem.FromContext(r.Context()); written {
				t.Errorf("the batch was answered with %v", p)
			}
			if err := authz.CheckResource(r.Context(), "projects", "p1"); err != nil {
				t.Error(err)
			}
		})
		serve(s, ask("POST", "/batch", "writer"))
	})
}

// A prefix that is stripped between the parts of a chain loses neither the
// caller nor the cost nor the question.
func TestStripPrefix(t *testing.T) {
	p := newParts("10-M")
	need := authz.Need{ID: "dear", Permission: "read", Cost: 3, Later: []string{"projects"}}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := authz.CheckResource(r.Context(), "projects", "p2"); err != nil {
			t.Error(err)
		}
		fmt.Fprint(w, r.URL.Path)
	})
	for _, c := range []struct {
		name string
		h    http.Handler
	}{
		{"authentication outside", p.auth.Wrap(http.StripPrefix("/v1", authz.Protect(p.model, need, p.rate.Wrap(h))))},
		{"decision outside", p.auth.Wrap(authz.Protect(p.model, need, http.StripPrefix("/v1", p.rate.Wrap(h))))},
		{"all outside", p.auth.Wrap(authz.Protect(p.model, need, p.rate.Wrap(http.StripPrefix("/v1", h))))},
	} {
		rec := serve(c.h, ask("GET", "/v1/x", "writer"))
		if rec.Code != 200 || rec.Body.String() != "/x" {
			t.Errorf("%s: %d %s", c.name, rec.Code, rec.Body)
		}
	}
	if rec := serve(p.auth.Wrap(authz.Protect(p.model, authz.Need{ID: "x", Permission: "read"}, p.rate.Wrap(http.NotFoundHandler()))), ask("GET", "/", "writer")); remaining(rec) != "0" {
		t.Errorf("after three requests of cost 3 and one more %s remain of 10", remaining(rec))
	}
}

package tollgate_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/ratelimit"
	"medtwin.ai/tollgate/store/memory"
)

// A site is an API that one of the siteKinds guards.
type site struct {
	http.Handler
	handle func(pattern string, need authz.Need, h http.HandlerFunc)
	public func(pattern string, h http.HandlerFunc)
}

var siteKinds = []struct {
	name string
	make func(plan string) site
}{
	{"gate", newGateSite},
	{"composed", newComposedSite},
	{"gate behind problem.RequestIDs", func(plan string) site { return behindRequestIDs(newGateSite(plan)) }},
	{"composed behind problem.RequestIDs", func(plan string) site { return behindRequestIDs(newComposedSite(plan)) }},
}

func newGateSite(plan string) site {
	who := &callers{}
	g := must(tollgate.New(tollgate.Config{
		Store: must(memory.New(memory.Config{})), Secrets: must(keyfmt.NewKeyring(keyfmt.GeneratePepper("p1"))), Prefix: "acme",
		Permissions: []string{"read", "write"}, ReadOnly: []string{"read"}, Resources: []string{"projects"},
		Plans: map[string]string{"test": plan}, Logger: slog.New(slog.DiscardHandler), Authenticators: []authn.Authenticator{who},
	}))
	who.model = g.Model()
	return site{
		Handler: g,
		handle:  func(pattern string, need authz.Need, h http.HandlerFunc) { g.Handle(pattern, need, h) },
		public:  func(pattern string, h http.HandlerFunc) { g.Public(pattern, "a test", h) },
	}
}

// composed are the middlewares that a site without a gate is made of.
type composed struct {
	model *authz.Model
	auth  *authn.Middleware
	rate  *ratelimit.Limiter
}

func newComposed(plan string) composed {
	m := must(authz.NewModel(authz.ModelConfig{
		Permissions: []string{"read", "write"}, ReadOnly: []string{"read"}, Kinds: []string{"projects"},
	}))
	p := must(ratelimit.ParsePlan("test", plan))
	return composed{
		model: m,
		auth:  must(authn.New(authn.Config{Authenticators: []authn.Authenticator{&callers{m}}})),
		rate: must(ratelimit.New(ratelimit.Config{Charge: func(r *http.Request) (string, *ratelimit.Plan) {
			caller, _ := authn.FromContext(r.Context())
			return caller.Subject, p
		}})),
	}
}

func (c composed) site() site {
	mux := http.NewServeMux()
	return site{
		Handler: mux,
		handle: func(pattern string, need authz.Need, h http.HandlerFunc) {
			mux.Handle(pattern, c.auth.Wrap(authz.Protect(c.model, need, c.rate.Wrap(h))))
		},
	}
}

func newComposedSite(plan string) site { return newComposed(plan).site() }

func behindRequestIDs(s site) site {
	s.Handler = problem.RequestIDs(s.Handler)
	return s
}

// callers is an authenticator of callers with fixed tokens: "writer" may read
// p1 and p2 and write p1, "reader-…" may read p1.
type callers struct{ model *authz.Model }

func (c *callers) Remembers(authn.Authenticator) bool { return true }

func (c *callers) Authenticate(_ context.Context, cred authn.Credential, now time.Time) (*authn.Principal, error) {
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

// eachSite runs a test on every kind of site.
func eachSite(t *testing.T, plan string, test func(t *testing.T, s site)) {
	for _, kind := range siteKinds {
		t.Run(kind.name, func(t *testing.T) { test(t, kind.make(plan)) })
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

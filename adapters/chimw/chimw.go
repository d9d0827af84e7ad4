// Package chimw guards the routes of a chi router.
//
//	routes := chi.NewRouter()
//	routes.Use(middleware.Recoverer)
//	guard := chimw.New(gate, routes)
//	routes.With(gate.Require(need)).Get("/v1/projects/{project}", getProject)
//	guard.Public("GET", "/health", "liveness")
//	handler, err := guard.Start()
//
// Put New after the middlewares that come first (recovery, request ids, tracing, CORS)
// and before all routes. Start returns an error for every route without a need. The
// middlewares of chi are net/http middlewares, so the gate's own Require is all that a
// route needs.
package chimw

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/go-chi/chi/v5"
	"medtwin.ai/tollgate"
)

// A Router is a chi router whose routes a gate guards. Declare everything before Start.
type Router struct {
	gate   *tollgate.Gate
	routes chi.Router
	cover  *tollgate.Coverage

	// Of the roots of mounts, such as "/v1" and "/v1/" of Mount("/v1", …): the pattern of
	// the route that serves them; and by method and that pattern its guard, nil if it is
	// public.
	roots  map[string]string
	guards map[string]*tollgate.Guard
}

// New adds a middleware to a chi router that serves only routes which Start has seen. It
// panics if there are routes, because chi takes middlewares before these only.
func New(gate *tollgate.Gate, routes chi.Router) *Router {
	if found := routes.Routes(); len(found) > 0 {
		panic("chimw: New after " + found[0].Pattern + ": chi takes middlewares before routes only; call New before the first route")
	}
	r := &Router{gate: gate, routes: routes, cover: tollgate.NewCoverage(gate)}
	routes.Use(r.admit)
	return r
}

// Public declares a route that anyone may call, and why. An empty method means all. The
// pattern is the whole one, with those of the mounts around it. A mounted handler that
// is no chi router has the pattern "/prefix/*": it decides about its callers itself.
func (r *Router) Public(method, pattern, reason string) { r.cover.Public(method, pattern, reason) }

// Unmatched leaves requests that match no route to the NotFound and MethodNotAllowed
// handlers of the router, and says why that is safe. Default: the gate answers them.
func (r *Router) Unmatched(reason string) { r.cover.Unmatched(reason) }

// Start checks all routes and returns the handler to serve, which is not to be mounted on
// another chi router. The error names every route without a need. Nothing is served before
// Start, and no route that is added later. A route that replaces one of the same method and
// pattern is the exception: chi tells nobody, so replace none. Nor does chi tell of a route
// with the pattern of a mount, as Get("/v1") beside Mount("/v1", …): what the route "/" of
// the mount needs is asked for it, so declare none beside a public one.
func (r *Router) Start() (http.Handler, error) {
	r.roots, r.guards = make(map[string]string), make(map[string]*tollgate.Guard)
	found := r.walk(r.routes, "", nil)
	if err := r.cover.Start(found); err != nil {
		return nil, err
	}
	for _, e := range found {
		r.guards[e.Method+" "+e.Pattern] = nil
		if len(e.Guards) > 0 {
			r.guards[e.Method+" "+e.Pattern] = e.Guards[0]
		}
	}
	return http.HandlerFunc(r.serve), nil
}

// serve hides from chi that a handler may make a request on the context of its own: chi
// would go on with the method and the parameters of that one.
func (r *Router) serve(w http.ResponseWriter, req *http.Request) {
	if outer := chi.RouteContext(req.Context()); outer != nil {
		req = req.WithContext(context.WithValue(req.Context(), chi.RouteCtxKey, (*chi.Context)(nil)))
	}
	r.routes.ServeHTTP(w, req)
}

// admit is the middleware in front of all routes. It asks the router which route a request
// will have, because chi runs middleware before it knows the route.
func (r *Router) admit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		method, path, allow := req.Method, "", ""
		if c := chi.RouteContext(req.Context()); c != nil { // what GetHead and StripSlashes change
			path = c.RoutePath
			if c.RouteMethod != "" {
				method = c.RouteMethod
			}
		}
		path = cmp.Or(path, req.URL.RawPath, req.URL.Path, "/") // in chi's order
		c := contexts.Get().(*chi.Context)
		defer contexts.Put(c)
		c.Reset()
		pattern := r.routes.Find(c, method, path)
		if root, ok := r.roots[pattern]; ok {
			// chi does not tell whether the mount serves this or a route of the same
			// pattern, so the need is decided here. The route's own guard charges.
			guard, served := r.guards[method+" "+root]
			if pattern = ""; served {
				pattern = root
			}
			if guard != nil {
				if checked, err := guard.Allows(req, params{c}, w.Header()); err != nil {
					r.gate.Refuse(w, checked, err)
					return
				}
			}
		}
		if pattern == "" {
			allow = r.allowed(path)
		}
		if err := r.cover.Admit(w, req, method, pattern, allow); err != nil {
			r.gate.Refuse(w, req, err)
			return
		}
		next.ServeHTTP(w, req)
	})
}

// find returns the pattern that the router would match, or "".
func (r *Router) find(method, path string) string {
	c := contexts.Get().(*chi.Context)
	defer contexts.Put(c)
	c.Reset()
	return r.routes.Find(c, method, path)
}

// params are the parameters that find has found.
type params struct{ *chi.Context }

func (p params) Param(name string) string { return p.URLParam(name) }

// contexts are what finding a route uses and forgets.
var contexts = sync.Pool{New: func() any { return chi.NewRouteContext() }}

// allowed lists the methods that a path has.
func (r *Router) allowed(path string) string {
	var methods []string
	for _, m := range []string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"} {
		pattern := r.find(m, path)
		root, ok := r.roots[pattern]
		if _, served := r.guards[m+" "+root]; pattern != "" && (!ok || served) {
			methods = append(methods, m)
		}
	}
	return strings.Join(methods, ", ")
}

// walk returns the routes below prefix. chi.Walk does not visit handlers that are
// mounted, nor tells which guards are around them.
func (r *Router) walk(routes chi.Routes, prefix string, around []*tollgate.Guard) (found []tollgate.Endpoint) {
	around = append(slices.Clip(around), guards(routes.Middlewares())...)
	for _, route := range routes.Routes() {
		if root, mounted := strings.CutSuffix(prefix+route.Pattern, "/*"); mounted && root != "" && route.Handlers["*"] != nil {
			to := prefix + route.Pattern
			if route.SubRoutes != nil {
				to = root + "/"
			}
			for _, p := range []string{root, root + "/"} {
				if !slices.ContainsFunc(routes.Routes(), func(o chi.Route) bool { return prefix+o.Pattern == p }) && (route.SubRoutes != nil || r.find("GET", p) == p) {
					r.roots[p] = to
				}
			}
		}
		if route.SubRoutes != nil {
			_, mount := unwrap(route.Handlers["*"])
			found = append(found, r.walk(route.SubRoutes, prefix+strings.TrimSuffix(route.Pattern, "/*"), append(slices.Clip(around), mount...))...)
			continue
		}
		for method, handler := range route.Handlers {
			if method == "*" { // the others are listed as well
				continue
			}
			handler, own := unwrap(handler)
			if g := tollgate.GuardOf(handler); g != nil {
				own = append(own, g)
			}
			found = append(found, tollgate.Endpoint{
				Method: method, Pattern: prefix + route.Pattern, Params: names(prefix + route.Pattern), Guards: append(slices.Clip(around), own...),
			})
		}
	}
	return found
}

// unwrap returns a handler without the middlewares of With and Group, and their guards.
func unwrap(h http.Handler) (http.Handler, []*tollgate.Guard) {
	if chain, ok := h.(*chi.ChainHandler); ok {
		return chain.Endpoint, guards(chain.Middlewares)
	}
	return h, nil
}

func guards(middlewares chi.Middlewares) (found []*tollgate.Guard) {
	for _, m := range middlewares {
		if g := tollgate.GuardOf(m); g != nil {
			found = append(found, g)
		}
	}
	return found
}

// names returns the names in a pattern: {name} or {name:regexp}.
func names(pattern string) (names []string) {
	depth, start := 0, 0
	for i, c := range pattern {
		switch c {
		case '{':
			if depth++; depth == 1 {
				start = i + 1
			}
		case '}':
			if depth--; depth == 0 {
				name, _, _ := strings.Cut(pattern[start:i], ":")
				names = append(names, name)
			}
		}
	}
	return names
}

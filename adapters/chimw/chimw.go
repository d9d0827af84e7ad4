// Package chimw guards the routes of a chi router.
//
//	routes := chi.NewRouter()
//	routes.With(gate.Require(need)).Get("/v1/projects/{project}", getProject)
//	guard := chimw.New(gate, routes)
//	guard.Public("GET", "/health", "liveness")
//	handler, err := guard.Start()
//
// Start returns an error for every route without a need. The middlewares of chi are
// net/http middlewares, so the gate's own Require is all that a route needs. Order them
// with Use: recovery, request ids, tracing, CORS. Middleware that changes the path or
// the method, such as StripSlashes, belongs around the handler that Start returns.
package chimw

import (
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
}

// New returns a Router for the routes of a chi router, those that are added later too.
func New(gate *tollgate.Gate, routes chi.Router) *Router {
	return &Router{gate, routes, tollgate.NewCoverage(gate)}
}

// Public declares a route that anyone may call, and why. An empty method means all. The
// pattern is the whole one, with those of the mounts around it. A mounted handler that
// is no chi router has the pattern "/prefix/*": it decides about its callers itself.
func (r *Router) Public(method, pattern, reason string) { r.cover.Public(method, pattern, reason) }

// Unmatched leaves requests that match no route to the NotFound and MethodNotAllowed
// handlers of the router, and says why that is safe. Default: the gate answers them.
func (r *Router) Unmatched(reason string) { r.cover.Unmatched(reason) }

// Start checks all routes and returns the handler to serve, which is not to be mounted on
// another chi router. The error names every route without a need. A route that is added
// later is never served.
func (r *Router) Start() (http.Handler, error) {
	if err := r.cover.Start(walk(r.routes, "", nil)); err != nil {
		return nil, err
	}
	return http.HandlerFunc(r.serve), nil
}

// serve asks the router which route a request has, before the router serves it: chi
// runs middleware either before it knows the route, or only on routes that have it.
func (r *Router) serve(w http.ResponseWriter, req *http.Request) {
	method, allow := req.Method, ""
	pattern := r.find(req, method)
	if pattern == "" && method == http.MethodHead { // which middleware.GetHead serves as GET
		method, pattern = http.MethodGet, r.find(req, http.MethodGet)
	}
	if pattern == "" {
		allow = r.allowed(req)
	}
	if err := r.cover.Admit(w, req, method, pattern, allow); err != nil {
		r.gate.Refuse(w, req, err)
		return
	}
	// A handler may make a request on the context of its own, where chi would go on with
	// the method and the parameters of that one.
	if outer, ok := req.Context().Value(chi.RouteCtxKey).(*chi.Context); ok && outer != nil {
		req = req.WithContext(context.WithValue(req.Context(), chi.RouteCtxKey, (*chi.Context)(nil)))
	}
	r.routes.ServeHTTP(w, req)
}

// find returns the pattern that the router would match, or "".
func (r *Router) find(req *http.Request, method string) string {
	path := req.URL.RawPath // as chi prefers
	if path == "" {
		path = req.URL.Path
	}
	c := contexts.Get().(*chi.Context)
	defer contexts.Put(c)
	c.Reset()
	return r.routes.Find(c, method, path)
}

// contexts are what find uses and forgets.
var contexts = sync.Pool{New: func() any { return chi.NewRouteContext() }}

// allowed lists the methods that the path of req has.
func (r *Router) allowed(req *http.Request) string {
	var methods []string
	for _, m := range []string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"} {
		if r.find(req, m) != "" {
			methods = append(methods, m)
		}
	}
	return strings.Join(methods, ", ")
}

// walk returns the routes below prefix. chi.Walk does not visit handlers that are
// mounted, nor tells which guards are around them.
func walk(routes chi.Routes, prefix string, around []*tollgate.Guard) (found []tollgate.Endpoint) {
	around = append(slices.Clip(around), guards(routes.Middlewares())...)
	for _, route := range routes.Routes() {
		if route.SubRoutes != nil {
			_, mount := unwrap(route.Handlers["*"])
			found = append(found, walk(route.SubRoutes, prefix+strings.TrimSuffix(route.Pattern, "/*"), append(slices.Clip(around), mount...))...)
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
				Method: method, Pattern: prefix + route.Pattern, Params: params(prefix + route.Pattern), Guards: append(slices.Clip(around), own...),
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

// params returns the names in a pattern: {name} or {name:regexp}.
func params(pattern string) (names []string) {
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

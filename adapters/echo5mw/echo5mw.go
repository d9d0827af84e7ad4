// Package echo5mw guards the routes of an Echo instance, version 5.
//
//	e := echo.New()
//	e.Use(middleware.Recover())
//	guard := echo5mw.New(gate, e)
//	e.GET("/v1/projects/:project", getProject, guard.Require(need))
//	guard.Public("GET", "/health", "liveness")
//	handler, err := guard.Start()
//
// Put New after the middlewares that come first (recovery, request ids, tracing, CORS)
// and before all routes. Start returns an error for every route without a need. The
// caller is on the request's context: authn.FromContext(c.Request().Context()). Add routes to
// Echo and its groups, not to e.Router(), which tells nobody.
package echo5mw

import (
	"net/http"
	"reflect"
	"strings"

	"github.com/labstack/echo/v5"
	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/problem"
)

// A Router is an Echo instance whose routes a gate guards. Declare everything before
// Start.
type Router struct {
	// FrameworkErrors returns a refusal to Echo's HTTPErrorHandler as an error of type
	// *problem.Problem, which has a StatusCode and marshals to JSON.
	// Default: Config.Errors of the gate answers.
	FrameworkErrors bool

	gate  *tollgate.Gate
	echo  *echo.Echo
	cover *tollgate.Coverage
	found []tollgate.Endpoint
	asked *tollgate.Guard // what a middleware of Require answers to New's hook
}

// New adds a middleware to e that serves only routes which Start has seen. It learns of
// routes from e.OnAddRoute; a function that is there stays in use. A route that was
// added before counts as one without a need.
func New(gate *tollgate.Gate, e *echo.Echo) *Router {
	r := &Router{gate: gate, echo: e, cover: tollgate.NewCoverage(gate)}
	before := e.OnAddRoute
	e.OnAddRoute = func(route echo.Route) error {
		r.add(route.Method, route.Path, route.Handler == nil, route.Middlewares)
		if before != nil {
			return before(route)
		}
		return nil
	}
	for _, route := range e.Router().Routes() {
		r.add(route.Method, route.Path, false, nil)
	}
	e.Use(r.admit)
	return r
}

// Require returns middleware that puts a need in front of one route, or of every route
// of a group. It panics on an invalid need.
func (r *Router) Require(need authz.Need) echo.MiddlewareFunc {
	return (&guarded{r, r.gate.Guard(need)}).wrap
}

// Public declares a route that anyone may call, and why. An empty method means all. The
// pattern is the whole one, with those of its groups.
func (r *Router) Public(method, pattern, reason string) { r.cover.Public(method, pattern, reason) }

// Unmatched leaves requests that match no route to Echo, and says why that is safe.
// Default: the gate answers them.
func (r *Router) Unmatched(reason string) { r.cover.Unmatched(reason) }

// Start checks all routes and returns the Echo instance. The error names every route
// without a need. Nothing is served before Start, and no route that is added later.
func (r *Router) Start() (http.Handler, error) {
	for i, e := range r.found {
		if e.Method == echo.RouteNotFound { // of every method
			r.found[i].Method = ""
		}
	}
	return r.echo, r.cover.Start(r.found)
}

// add notes a route and the guards among its middlewares. A group with middleware has two
// routes of Echo's own, which answer 404.
func (r *Router) add(method, path string, own bool, middlewares []echo.MiddlewareFunc) {
	e := tollgate.Endpoint{Method: method, Pattern: path, Params: params(path), Missing: own && method == echo.RouteNotFound}
	for _, m := range middlewares {
		if reflect.ValueOf(m).Pointer() == wrapped {
			r.asked = nil // if it is of another Router
			m(nil)        // a middleware of Require, which answers with its guard
			e.Guards = append(e.Guards, r.asked)
		}
	}
	r.found = append(r.found, e)
	if method == echo.RouteNotFound {
		method = ""
	}
	r.cover.Withdraw(method, path) // after Start: it may have replaced one that was checked
}

// admit is the middleware in front of all routes.
func (r *Router) admit(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c *echo.Context) error {
		route := c.RouteInfo() // of a HEAD request it may be the GET route
		method, pattern := route.Method, route.Path
		allow, missed := c.Get(echo.ContextKeyHeaderAllow).(string)
		switch {
		case missed, route.Name == echo.NotFoundRouteName:
			pattern = ""
		case method == echo.RouteNotFound:
			method = ""
		}
		if err := r.cover.Admit(c.Response(), c.Request(), method, pattern, allow); err != nil {
			return r.refuse(c, c.Request(), err)
		}
		return next(c)
	}
}

// guarded is the middleware of one need.
type guarded struct {
	router *Router
	guard  *tollgate.Guard
}

// wrapped is the code of all values of guarded.wrap, by which add knows them.
var wrapped = reflect.ValueOf((*guarded)(nil).wrap).Pointer()

func (g *guarded) wrap(next echo.HandlerFunc) echo.HandlerFunc {
	if next == nil { // add asks
		g.router.asked = g.guard
		return nil
	}
	return func(c *echo.Context) error {
		checked, err := g.guard.CheckParams(c.Request(), c, c.Response().Header())
		if err != nil {
			return g.router.refuse(c, checked, err)
		}
		c.SetRequest(checked)
		return next(c)
	}
}

// refuse answers, or returns the answer for Echo to write.
func (r *Router) refuse(c *echo.Context, req *http.Request, err error) error {
	if !r.FrameworkErrors {
		r.gate.Refuse(c.Response(), req, err)
		return nil
	}
	r.cover.Refuse(func(w http.ResponseWriter, req *http.Request, p problem.Problem) {
		p = problem.Prepare(w, req, p)
		err = &p
	}, c.Response(), req, err)
	return err
}

// params returns the names in a pattern: ":name", also behind other text of a segment.
func params(pattern string) (names []string) {
	for segment := range strings.SplitSeq(strings.ReplaceAll(pattern, `\:`, ""), "/") {
		if _, name, ok := strings.Cut(segment, ":"); ok {
			names = append(names, name)
		}
	}
	return names
}

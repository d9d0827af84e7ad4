// Package ginmw guards the routes of a gin engine.
//
//	engine := gin.New()
//	engine.Use(gin.Recovery())
//	guard := ginmw.New(gate, engine)
//	engine.GET("/v1/projects/:project", guard.Handle(need, getProject))
//	guard.Public("GET", "/health", "liveness")
//	handler, err := guard.Start()
//
// Put New after the middlewares that come first (recovery, request ids, tracing, CORS)
// and before all routes and groups: gin copies the middlewares into a group when it is made. Start returns an error for every route without a need.
//
// Do not put gin.WrapH around the gate's Require: when a net/http middleware refuses a
// request, gin does not know, and runs the next handler all the same.
package ginmw

import (
	"net/http"
	"reflect"
	"strings"

	"github.com/gin-gonic/gin"
	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/problem"
)

// A Router is a gin engine whose routes a gate guards. Declare everything before Start.
type Router struct {
	// FrameworkErrors answers a refusal through gin: c.Error with a *problem.Problem,
	// and c.AbortWithStatusJSON. Default: Config.Errors of the gate.
	FrameworkErrors bool

	gate   *tollgate.Gate
	engine *gin.Engine
	cover  *tollgate.Coverage
	asked  *tollgate.Guard // what a handler of Handle answers to Start
}

// New adds a middleware to the engine that serves only routes which Start has seen, and
// sets ContextWithFallback, so that authn.FromContext works on a *gin.Context. It panics
// if the engine has routes, because gin would not run the middleware for these.
func New(gate *tollgate.Gate, engine *gin.Engine) *Router {
	if len(engine.Routes()) > 0 {
		panic("ginmw: New after " + engine.Routes()[0].Path + ": gin runs a middleware for later routes only; call New before the first route")
	}
	r := &Router{gate: gate, engine: engine, cover: tollgate.NewCoverage(gate)}
	engine.ContextWithFallback = true
	engine.Use(r.admit)
	return r
}

// Handle returns h behind a need, for any router or group of the engine. It must be the
// last handler of its route. It panics on an invalid need.
func (r *Router) Handle(need authz.Need, h gin.HandlerFunc) gin.HandlerFunc {
	return (&guarded{r, r.gate.Guard(need), h}).serve
}

// Public declares a route that anyone may call, and why. An empty method means all. The
// pattern is the whole one, with those of its groups.
func (r *Router) Public(method, pattern, reason string) { r.cover.Public(method, pattern, reason) }

// Unmatched leaves requests that match no route to the handlers of NoRoute and NoMethod,
// and says why that is safe. Default: the gate answers them.
func (r *Router) Unmatched(reason string) { r.cover.Unmatched(reason) }

// Start checks all routes and returns the engine. The error names every route without a
// need. The engine serves nothing before Start, and no route that is added later.
func (r *Router) Start() (http.Handler, error) {
	var found []tollgate.Endpoint
	for _, route := range r.engine.Routes() {
		e := tollgate.Endpoint{Method: route.Method, Pattern: route.Path}
		if reflect.ValueOf(route.HandlerFunc).Pointer() == served {
			r.asked = nil          // if it is of another Router
			route.HandlerFunc(nil) // a handler of Handle, which answers with its guard
			e.Guards = []*tollgate.Guard{r.asked}
		}
		for segment := range strings.SplitSeq(route.Path, "/") {
			if _, name, ok := strings.Cut(segment, ":"); ok { // also behind other text
				e.Params = append(e.Params, name)
			}
		}
		found = append(found, e)
	}
	return r.engine, r.cover.Start(found)
}

// admit is the middleware in front of all routes.
func (r *Router) admit(c *gin.Context) {
	if err := r.cover.Admit(c.Writer, c.Request, c.Request.Method, c.FullPath(), c.Writer.Header().Get("Allow")); err != nil {
		r.refuse(c, c.Request, err)
	}
}

// guarded is a handler behind a need.
type guarded struct {
	router *Router
	guard  *tollgate.Guard
	next   gin.HandlerFunc
}

// served is the code of all values of guarded.serve, by which Start knows them.
var served = reflect.ValueOf((*guarded)(nil).serve).Pointer()

func (g *guarded) serve(c *gin.Context) {
	if c == nil { // Start asks
		g.router.asked = g.guard
		return
	}
	checked, err := g.guard.CheckParams(c.Request, c, c.Writer.Header())
	if err != nil {
		g.router.refuse(c, checked, err)
		return
	}
	c.Request = checked
	g.next(c)
}

// refuse answers, and keeps gin from running the handlers that follow.
func (r *Router) refuse(c *gin.Context, req *http.Request, err error) {
	c.Abort()
	if !r.FrameworkErrors {
		r.gate.Refuse(c.Writer, req, err)
		return
	}
	r.cover.Refuse(func(w http.ResponseWriter, req *http.Request, p problem.Problem) {
		p = problem.Prepare(w, req, p)
		c.Error(&p)
		c.AbortWithStatusJSON(p.Status, &p)
	}, c.Writer, req, err)
}

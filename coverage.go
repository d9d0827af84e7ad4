package tollgate

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/problem"
)

// A Coverage holds all routes of another router against the needs that are declared
// for them. A route without a need, and without a reason to be public, keeps the
// program from starting. Adapters use it: see adapters/chimw.
type Coverage struct {
	gate      *Gate
	public    map[routeKey]declaration
	unmatched bool                                // the router answers what matches no route
	covered   atomic.Pointer[map[string][]string] // methods by pattern; nil: Start has not succeeded
}

// An Endpoint is a route of another router.
type Endpoint struct {
	Method  string   // "" for all
	Pattern string   // in the notation of the router
	Params  []string // the names of the parameters in the pattern
	Guards  []*Guard // around its handler; exactly one, or none if the route is public
	Missing bool     // it is the router's own answer to paths that match no other route
}

// missing stands for a method where a pattern is an [Endpoint] that is Missing.
const missing = "404"

// A routeKey is what routers tell routes apart by.
type routeKey struct{ method, pattern string }

func (k routeKey) String() string {
	if k.method == "" {
		return k.pattern
	}
	return k.method + " " + k.pattern
}

// A declaration says why a route is public, and where the program says so.
type declaration struct{ reason, at string }

// NewCoverage returns a Coverage of g for the routes of another router.
func NewCoverage(g *Gate) *Coverage {
	g.mustBeMade()
	return &Coverage{gate: g, public: make(map[routeKey]declaration)}
}

// Public declares a route that anyone may call, and why. An empty method means all
// methods. It panics without a reason.
func (c *Coverage) Public(method, pattern, reason string) {
	if reason == "" {
		panic(fmt.Sprintf("tollgate: %s: a public route without a reason: say why anybody may call it", routeKey{method, pattern}))
	}
	c.public[routeKey{method, pattern}] = declaration{reason, caller()}
}

// Start checks the routes and lets requests pass from now on. An error names every
// route that has no need and is not public, that has both or two needs, or whose need
// does not fit, and every public declaration without a route. It is an error to start
// twice.
func (c *Coverage) Start(endpoints []Endpoint) error {
	if c.covered.Load() != nil {
		return errors.New("tollgate: the routes have been checked already: declare all of them, and then start once")
	}
	var errs []error
	covered, unused := make(map[string][]string), maps.Clone(c.public)
	for _, e := range endpoints {
		if e.Missing {
			covered[e.Pattern] = append(covered[e.Pattern], missing)
			continue
		}
		key := routeKey{e.Method, e.Pattern}
		declared := key
		if _, ok := c.public[key]; !ok {
			declared.method = ""
		}
		public, ok := c.public[declared]
		delete(unused, declared)
		if err := c.check(e, ok); err != nil {
			errs = append(errs, fmt.Errorf("tollgate: %s: %w", key, err))
			continue
		}
		covered[e.Pattern] = append(covered[e.Pattern], e.Method)
		if ok {
			c.gate.record(authz.Route{Pattern: key.String(), Method: e.Method, Public: public.reason})
		} else {
			c.gate.place(e)
		}
	}
	for key, d := range unused {
		errs = append(errs, fmt.Errorf("tollgate: there is no route %s, which %s declares public: correct or delete the declaration", key, d.at))
	}
	if len(errs) > 0 {
		slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
		return errors.Join(errs...)
	}
	c.covered.Store(&covered)
	return nil
}

// check returns what is wrong with one route.
func (c *Coverage) check(e Endpoint, public bool) error {
	switch {
	case slices.Contains(e.Guards, nil):
		return errors.New("its need was declared with another adapter: use the one whose Start checks this route")
	case len(e.Guards) == 0 && !public:
		return errors.New("it requires nothing of its caller: give it a need, or declare it public with a reason")
	case len(e.Guards) > 0 && public:
		return fmt.Errorf("it has the need %q and is declared public: delete one of the two", e.Guards[0].need.Need().ID)
	case public:
		return nil
	case len(e.Guards) > 1:
		return fmt.Errorf("it has the needs %q and %q, so a request would be decided and charged twice: delete one", e.Guards[0].need.Need().ID, e.Guards[1].need.Need().ID)
	case e.Guards[0].gate != c.gate:
		return fmt.Errorf("its need %q is of another gate", e.Guards[0].need.Need().ID)
	}
	for i, name := range e.Params {
		if slices.Contains(e.Params[:i], name) {
			return fmt.Errorf("the parameter %q is twice in the pattern, so that the need and the handler may read different ones: rename one", name)
		}
	}
	return c.gate.fits(e.Guards[0].need.Need(), e.Method, e.Params)
}

// Withdraw is for adapters that hear of a route after Start: it is not served any more,
// also if Start has seen a route of this method and pattern, whose handler the new one
// replaces. Before Start it does nothing.
func (c *Coverage) Withdraw(method, pattern string) {
	covered := c.covered.Load()
	if covered == nil {
		return
	}
	fewer := maps.Clone(*covered)
	fewer[pattern] = slices.DeleteFunc(slices.Clone(fewer[pattern]), func(m string) bool { return m == method || m == "" || m == missing || method == "" })
	c.covered.Store(&fewer)
}

// Unmatched leaves requests that match no route to the router, whose handlers for them
// no walk of routes shows. The reason says why that is safe, such as "a page that says
// 404". Without it the gate answers them with 404 or 405. It panics without a reason.
func (c *Coverage) Unmatched(reason string) {
	if reason == "" {
		panic("tollgate: Unmatched without a reason: say what the router answers to a request that matches no route")
	}
	c.unmatched = true
}

// Admit returns nil if a request may be served by the route that the router has found:
// Start has seen that. For any other route it returns an error for [Gate.Refuse], which
// answers 404, and the log names the route. The empty pattern means that the router has
// found no route; allow lists the methods that the path has, or is empty.
func (c *Coverage) Admit(w http.ResponseWriter, r *http.Request, method, pattern, allow string) error {
	covered := c.covered.Load()
	switch {
	case covered == nil:
		c.gate.misused.Write(r.Context(), c.gate.config.Now(), slog.LevelError, "not served: the routes have not been checked; call Start of the adapter before serving")
		return &problem.Problem{Status: http.StatusInternalServerError}
	case pattern != "":
		for _, m := range (*covered)[pattern] {
			switch m {
			case method, "":
				return nil
			}
		}
		if slices.Contains((*covered)[pattern], missing) {
			return c.unknown(w, allow)
		}
		c.gate.misused.Write(r.Context(), c.gate.config.Now(), slog.LevelError, "not served: the route was added after the start; add it before", slog.String("route", routeKey{method, pattern}.String()))
		return &problem.Problem{Status: http.StatusNotFound}
	}
	return c.unknown(w, allow)
}

// unknown is the answer to a request that matches no route, or nil if the router answers.
func (c *Coverage) unknown(w http.ResponseWriter, allow string) error {
	switch {
	case c.unmatched:
		return nil
	case allow != "":
		w.Header().Set("Allow", allow)
		return &problem.Problem{Status: http.StatusMethodNotAllowed}
	}
	return &problem.Problem{Status: http.StatusNotFound}
}

// Refuse is [Gate.Refuse] with another form than Config.Errors, for answers through the
// error handling of a framework. A nil form means Config.Errors.
func (c *Coverage) Refuse(form problem.Writer, w http.ResponseWriter, r *http.Request, err error) {
	if form == nil {
		form = c.gate.config.Errors
	}
	c.gate.refuse(form, w, r, err)
}

// place notes in the table which route of the router has the need of e.
func (g *Gate) place(e Endpoint) {
	for i := range g.routes.table {
		r := &g.routes.table[i]
		if r.Public == "" && r.Need.ID == e.Guards[0].declared.Need.ID && r.Pattern == "" {
			r.Pattern, r.Method = routeKey{e.Method, e.Pattern}.String(), e.Method
			return
		}
	}
}

// wrapped is the code of every value of Guard.Wrap, by which GuardOf knows them.
var wrapped = reflect.ValueOf((*Guard)(nil).Wrap).Pointer()

// GuardOf returns the guard of v, which is what Require has returned, or a handler that
// it has wrapped. For anything else it returns nil.
func GuardOf(v any) *Guard {
	if require, ok := v.(func(http.Handler) http.Handler); ok && reflect.ValueOf(require).Pointer() == wrapped {
		v = require(http.NotFoundHandler())
	}
	if h, ok := v.(*guarded); ok {
		return h.guard
	}
	return nil
}

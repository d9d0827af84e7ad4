package authz

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"medtwin.ai/tollgate/problem"
)

// A RoutesConfig configures [Routes].
type RoutesConfig struct {
	// Model is the vocabulary of the needs. Required.
	Model *Model
	// Authenticate wraps what comes after it on every route that is not
	// public, and puts the caller's rights on the request. Required.
	Authenticate func(http.Handler) http.Handler
	// Limit wraps what comes after the need has been met, and the refusal
	// where it has not been. Default: no limit.
	Limit func(http.Handler) http.Handler
	// Errors writes refusals. Default: problem.Write.
	Errors problem.Writer
	// Logger hears of every refusal, at debug level. Default: none.
	Logger *slog.Logger
	// Now is read once per request. Default: time.Now.
	Now func() time.Time
}

// Routes is a mux on which every route has declared its need. A request is
// matched, authenticated, checked against the need, limited, and handled, in
// this order. Unknown paths are 404 and wrong methods 405, for anybody.
//
// A request that a handler makes on the context of its own request, as in a
// batch, is a request of its own: it is authenticated, decided and charged by
// itself, and changes nothing for the handler that made it. Give it the
// credential and the RemoteAddr that it is to be judged by.
//
// Register all routes before serving. A GET route serves HEAD as well;
// headers that claim another method are not read. The value of a {wildcard}
// is 1 to 128 of [A-Za-z0-9._~-] and neither "." nor "..", anything else is
// 404; that of a {wildcard...} is not checked, and cannot hold the id of a
// resource.
type Routes struct {
	config RoutesConfig
	mux    http.ServeMux
	// matcher has the routes of mux without its catch-all, so that it knows
	// which methods a path has, and finds routes without serving them.
	matcher http.ServeMux
	table   []Route
	refuse  http.Handler
}

// A Route is a declared route: it has a need or a reason to be public.
type Route struct {
	Pattern string // "GET /v1/projects/{project}"
	Method  string
	Need    Need   // zero for a public route
	Public  string // why anybody may; "" where a need decides
}

// NewRoutes returns an empty mux, or all mistakes in c.
func NewRoutes(c RoutesConfig) (*Routes, error) {
	var errs []error
	if c.Model == nil {
		errs = append(errs, errors.New("authz: routes: Model is required"))
	}
	if c.Authenticate == nil {
		errs = append(errs, errors.New("authz: routes: Authenticate is required"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if c.Limit == nil {
		c.Limit = func(h http.Handler) http.Handler { return h }
	}
	c.Errors = problem.Logged(c.Errors, c.Logger)
	rs := &Routes{config: c, refuse: c.Limit(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.Errors(w, r, denial(r))
	}))}
	rs.mux.HandleFunc("/", rs.miss)
	return rs, nil
}

// Handle registers a handler under a pattern of [http.ServeMux] that has a
// method. It panics on a need that cannot hold: see [Need].
func (rs *Routes) Handle(pattern string, need Need, h http.Handler) {
	p, err := parsePattern(pattern)
	errs := []error{err, rs.config.Model.check(need)}
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for kind, name := range need.From {
		if !slices.Contains(p.wildcards, name) {
			fail("From: %q comes from {%s}, which is no wildcard of one segment here: correct the name or the pattern", kind, name)
		}
	}
	for _, t := range rs.table {
		if t.Need.ID == need.ID && t.Public == "" {
			fail("ID %q is taken by %q: every route has its own", need.ID, t.Pattern)
		}
	}
	if p.method != "" && !safe(p.method) && rs.config.Model.looksOnly(need) && !need.ReadOnly {
		fail("%s with permission %q, which only looks: require one that changes things, or say ReadOnly", p.method, need.Permission)
	}
	if h == nil {
		fail("the handler is nil")
	}
	must(pattern, errs)

	need = need.clone()
	rs.add(p, Route{Pattern: pattern, Method: p.method, Need: need}, h)
}

// Public registers a handler that anybody may call, without authentication
// and limits; reason is for those who read the table. It panics on a pattern
// without a method and on an empty reason.
func (rs *Routes) Public(pattern, reason string, h http.Handler) {
	p, err := parsePattern(pattern)
	errs := []error{err}
	if reason == "" {
		errs = append(errs, errors.New("a public route without a reason: say why anybody may call it"))
	}
	if h == nil {
		errs = append(errs, errors.New("the handler is nil"))
	}
	must(pattern, errs)
	rs.add(p, Route{Pattern: pattern, Method: p.method, Public: reason}, h)
}

// add registers a declaration that holds. Both muxes panic on a pattern that
// is malformed or in conflict with another.
func (rs *Routes) add(p pattern, declared Route, h http.Handler) {
	rt := &route{Route: declared, wildcards: p.wildcards, now: rs.config.Now, errors: rs.config.Errors}
	if declared.Public != "" {
		rt.entry = h
	} else {
		rt.asker = newAsker(rs.config.Model, declared.Need, !safe(p.method))
		rt.pass, rt.refuse = rs.config.Limit(h), rs.refuse
		rt.entry = rs.config.Authenticate(http.HandlerFunc(rt.decide))
	}
	rs.matcher.Handle(declared.Pattern, found{rt})
	rs.mux.Handle(declared.Pattern, rt)
	rs.table = append(rs.table, declared)
}

// must panics with all that is wrong with a declaration.
func must(what string, errs []error) {
	if err := errors.Join(errs...); err != nil {
		panic(fmt.Sprintf("authz: %s: %v", what, err))
	}
}

// ServeHTTP serves r by the route it matches.
func (rs *Routes) ServeHTTP(w http.ResponseWriter, r *http.Request) { rs.mux.ServeHTTP(w, r) }

// Table returns the routes in the order in which they were declared.
func (rs *Routes) Table() []Route {
	table := slices.Clone(rs.table)
	for i := range table {
		table[i].Need = table[i].Need.clone()
	}
	return table
}

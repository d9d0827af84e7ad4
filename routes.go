package tollgate

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/internal/request"
	"medtwin.ai/tollgate/internal/suggest"
	"medtwin.ai/tollgate/problem"
)

// routes are the declared routes of a gate.
type routes struct {
	mux http.ServeMux
	// matcher has the routes of mux without its catch-all, so that it knows which
	// methods a path has, and finds routes without serving them.
	matcher http.ServeMux
	table   []authz.Route
	// The places where routes were declared, such as "main.go:41", by the id of the
	// need and by pattern.
	ids, patterns map[string]string
}

// Handle declares a route of the gate and what it requires of its caller. The
// pattern is one of [http.ServeMux] and has a method: "GET /v1/notes/{note}".
//
// A GET route serves HEAD as well. Headers that claim another method are not
// read. The value of a {wildcard} is 1 to 128 of [A-Za-z0-9._~-] and neither
// "." nor ".."; anything else is 404. The value of a {wildcard...} is not
// checked, and cannot hold the id of a resource.
//
// Handle panics on an invalid need, and says everything that is wrong with it:
// declare all routes before serving.
func (g *Gate) Handle(pattern string, need authz.Need, h http.Handler) {
	g.mustBeMade()
	p, err := parsePattern(pattern)
	errs := []error{err}
	if err == nil {
		errs = append(errs, g.fits(need, p.method, p.wildcards))
	}
	if h == nil {
		errs = append(errs, errors.New("the handler is nil"))
	}
	guard, err := g.compile(authz.Route{Pattern: pattern, Method: p.method, Need: need}, errs...)
	if err != nil {
		panic(fmt.Sprintf("tollgate: %s: %v", pattern, err))
	}
	rest := slices.DeleteFunc(p.wildcards, func(name string) bool { // the guard reads the others
		return slices.Contains(slices.Collect(maps.Values(need.From)), name)
	})
	g.add(guard.declared, &route{wildcards: rest, guard: guard, handler: guard.Wrap(g.inside(h))})
}

// fits returns what is wrong with a need on a route of this method, "" for all, and
// with these parameters in its pattern.
func (g *Gate) fits(need authz.Need, method string, params []string) error {
	var errs []error
	for _, kind := range slices.Sorted(maps.Keys(need.From)) {
		if name := need.From[kind]; !slices.Contains(params, name) {
			errs = append(errs, fmt.Errorf("need.From: %q comes from {%s}, which is no wildcard of one segment here: correct the name or the pattern", kind, name))
		}
	}
	errs = append(errs, g.unchecked(params, need)...)
	if method != "" && !authz.Safe(method) && g.model.ReadOnly(need.Permission) && !need.ReadOnly {
		errs = append(errs, fmt.Errorf("%s with permission %q, which is read-only: require one that changes things, or say ReadOnly", method, need.Permission))
	}
	return errors.Join(errs...)
}

// unchecked returns an error for every wildcard that is called like a resource of
// the gate, {project} or {project_id} for "projects", of which need says nothing: it
// would be open to every key, whatever the key is limited to.
func (g *Gate) unchecked(params []string, need authz.Need) (errs []error) {
	if need.Anyone || need.Person && need.Permission == "" { // no grant is asked about
		return nil
	}
	for _, name := range params {
		for _, kind := range g.config.Resources {
			_, taken := need.From[kind]
			if taken || !callsFor(name, kind) || slices.Contains(need.CheckedByHandler, kind) || slices.Contains(need.AllOf, kind) {
				continue
			}
			errs = append(errs, fmt.Errorf("{%s} is not checked, so that a key for one of %q opens all of them: say From: map[string]string{%[2]q: %[1]q}, or name %[2]q in CheckedByHandler if the handler asks authz.CheckResource", name, kind))
		}
	}
	return errs
}

// callsFor reports whether the name of a wildcard suggests that it is the id of a
// kind of resource: it is the kind or its singular, perhaps followed by "id".
func callsFor(wildcard, kind string) bool {
	name := strings.ToLower(strings.TrimSuffix(strings.TrimSuffix(wildcard, "ID"), "_id"))
	singular := strings.TrimSuffix(kind, "s")
	if stem, ok := strings.CutSuffix(kind, "ies"); ok {
		singular = stem + "y"
	}
	return name == kind || name == singular
}

// inside returns h within Config.Middleware.
func (g *Gate) inside(h http.Handler) http.Handler {
	if wrap := g.config.Middleware; wrap != nil {
		return wrap(h)
	}
	return h
}

// Public declares a route of the gate that anyone may call, without
// authentication and limits. The reason is for those who read [Gate.Table]. It
// panics on a pattern without a method and on an empty reason.
func (g *Gate) Public(pattern, reason string, h http.Handler) {
	g.mustBeMade()
	p, err := parsePattern(pattern)
	errs := []error{err}
	if reason == "" {
		errs = append(errs, errors.New("a public route without a reason: say why anybody may call it"))
	}
	if h == nil {
		errs = append(errs, errors.New("the handler is nil"))
	}
	if err := errors.Join(errs...); err != nil {
		panic(fmt.Sprintf("tollgate: %s: %v", pattern, err))
	}
	g.add(authz.Route{Pattern: pattern, Method: p.method, Public: reason}, &route{wildcards: p.wildcards, handler: anonymous(g.inside(h))})
}

// anonymous hides the caller of another request from h, if r was made on the context
// of that one.
func anonymous(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p, ok := r.Context().Value(request.PrincipalKey{}).(*authn.Principal); ok && p != nil {
			r = r.WithContext(&served{Context: r.Context()})
		}
		h.ServeHTTP(w, r)
	})
}

// Require returns middleware for one route of another router, which must set the path
// values that the need names, as http.ServeMux and chi do. Declare a route once:
// inside a route of the same gate it decides and charges again. It panics on an
// invalid need.
func (g *Gate) Require(need authz.Need) func(http.Handler) http.Handler {
	return g.Guard(need).Wrap
}

// Guard declares a need and returns the guard of its route, for adapters. It panics
// on an invalid need.
func (g *Gate) Guard(need authz.Need) *Guard {
	g.mustBeMade()
	guard, err := g.compile(authz.Route{Need: need})
	if err != nil {
		panic(fmt.Sprintf("tollgate: need %q: %v", need.ID, err))
	}
	g.record(guard.declared)
	return guard
}

// compile checks a route, together with what is already known to be wrong with it.
func (g *Gate) compile(r authz.Route, errs ...error) (*Guard, error) {
	need, err := g.model.Compile(r.Need)
	errs = append(errs, err)
	if env := r.Need.Environment; env != "" && !slices.Contains(g.config.Environments, env) {
		errs = append(errs, fmt.Errorf("need.Environment: there is no environment %q: %s", env, suggest.Names(env, g.config.Environments)))
	}
	if at, taken := g.routes.ids[r.Need.ID]; taken {
		errs = append(errs, fmt.Errorf("need.ID %q is taken by the route declared at %s: every route has its own", r.Need.ID, at))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	r.Need = need.Need()
	return &Guard{gate: g, need: need, declared: r}, nil
}

// add registers a route with the gate's own muxes, which panic on a pattern that
// is malformed or in conflict with another.
func (g *Gate) add(declared authz.Route, rt *route) {
	at := caller()
	defer func() {
		if v := recover(); v != nil {
			panic(g.routes.located(fmt.Sprint("tollgate: ", v), at))
		}
	}()
	rt.declared, rt.missing = declared, g.notFound
	g.routes.matcher.Handle(declared.Pattern, found{rt})
	g.routes.mux.Handle(declared.Pattern, rt)
	g.record(declared)
}

// record adds a valid declaration to the routes, with the line that made it.
func (g *Gate) record(r authz.Route) {
	at := caller()
	if r.Public == "" {
		g.routes.ids[r.Need.ID] = at
	}
	if r.Pattern != "" {
		g.routes.patterns[r.Pattern] = at
	}
	g.routes.table = append(g.routes.table, r)
}

// registered matches what http.ServeMux says about the line that registered a
// pattern, which is always a line of this package.
var registered = regexp.MustCompile(`pattern ("(?:[^"\\]|\\.)*") \(registered at [^)]*\)`)

// located replaces the places in a message of http.ServeMux by lines of the
// application. The pattern named first is the one being declared, at at.
func (rs *routes) located(message, at string) string {
	return registered.ReplaceAllStringFunc(message, func(text string) string {
		quoted := registered.FindStringSubmatch(text)[1]
		text = "pattern " + quoted + " (declared at " + at + ")"
		if name, err := strconv.Unquote(quoted); err == nil {
			at = rs.patterns[name]
		}
		return text
	})
}

// caller returns the line of the application that is being executed.
func caller() string {
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		f, more := frames.Next()
		if !ours(f) || !more {
			return fmt.Sprintf("%s:%d", f.File, f.Line)
		}
	}
}

// ours reports whether a frame is of this package, of portal, or of an adapter.
func ours(f runtime.Frame) bool {
	_, adapter, _ := strings.Cut(f.Function, "medtwin.ai/tollgate/adapters/")
	return adapter != "" && !strings.HasSuffix(f.File, "_test.go") ||
		strings.HasPrefix(f.Function, "medtwin.ai/tollgate.") || strings.HasPrefix(f.Function, "medtwin.ai/tollgate/portal.")
}

// Table returns the declared routes in the order of their declaration, for tests
// and descriptions of the API. Routes of Require have no pattern.
func (g *Gate) Table() []authz.Route {
	table := slices.Clone(g.routes.table)
	for i := range table {
		table[i].Need = table[i].Need.Clone()
	}
	return table
}

// ServeHTTP serves r by the route that it matches. Unknown paths are 404 and
// wrong methods 405, for anybody.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.routes.mux.ServeHTTP(w, r)
}

// Match returns the route that would serve r, and the request that it would
// decide, complete but for what is known of the caller: the environment, Proved
// and Now. It is for explaining, as with authz.Rights.Explain. It reports false
// if the answer would be 404, 405 or a redirection.
func (g *Gate) Match(r *http.Request) (authz.Route, authz.Request, bool) {
	var p probe
	g.routes.matcher.ServeHTTP(&p, r.WithContext(r.Context())) // a copy: matching writes to the request
	if p.route == nil || !p.route.valid(p.request) {
		return authz.Route{}, authz.Request{}, false
	}
	if p.route.guard == nil {
		return p.route.declared, authz.Request{}, true
	}
	need := p.route.guard.need
	target, err := need.Target(p.request, nil)
	if err != nil {
		return authz.Route{}, authz.Request{}, false
	}
	declared := p.route.declared
	declared.Need = declared.Need.Clone()
	return declared, need.Request(&target), true
}

// A route is a declared route of the gate's own mux.
type route struct {
	declared  authz.Route
	wildcards []string // those of one segment whose values the guard does not read
	guard     *Guard   // nil: public
	handler   http.Handler
	missing   func(http.ResponseWriter, *http.Request)
}

// ServeHTTP refuses path values that could be read as a path or as another id
// somewhere behind the gate.
func (rt *route) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !rt.valid(r) {
		rt.missing(w, r)
		return
	}
	rt.handler.ServeHTTP(w, r)
}

func (rt *route) valid(r *http.Request) bool {
	for _, name := range rt.wildcards {
		if !authz.ValidID(r.PathValue(name)) {
			return false
		}
	}
	return true
}

// missed answers requests that match no route. It alone looks for the path's other
// methods, so matched requests do not pay for that.
func (g *Gate) missed(w http.ResponseWriter, r *http.Request) {
	var p probe
	g.routes.matcher.ServeHTTP(&p, r.WithContext(r.Context()))
	allow := p.Header().Get("Allow")
	if allow == "" {
		g.notFound(w, r)
		return
	}
	w.Header().Set("Allow", allow)
	g.errors(w, r, problem.Problem{Status: http.StatusMethodNotAllowed})
}

func (g *Gate) notFound(w http.ResponseWriter, r *http.Request) {
	g.errors(w, r, problem.Problem{Status: http.StatusNotFound})
}

// A probe takes the answers of the matcher, whose handlers only say which route
// they are.
type probe struct {
	header  http.Header
	route   *route
	request *http.Request // with its path values
}

func (p *probe) Header() http.Header {
	if p.header == nil {
		p.header = http.Header{}
	}
	return p.header
}

func (*probe) Write(b []byte) (int, error) { return len(b), nil }

func (*probe) WriteHeader(int) {}

// found is a handler of the matcher.
type found struct{ route *route }

func (f found) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p, ok := w.(*probe); ok {
		p.route, p.request = f.route, r
	}
}

// A pattern is what a gate must know of a pattern of [http.ServeMux], which
// checks the rest.
type pattern struct {
	method    string
	wildcards []string // of a single segment
}

func parsePattern(s string) (p pattern, err error) {
	i := strings.IndexAny(s, " \t")
	if i <= 0 {
		return p, errors.New(`the pattern has no method: say which, as in "GET /projects"`)
	}
	p.method = s[:i]
	_, path, ok := strings.Cut(s[i:], "/")
	if !ok {
		return p, errors.New("the pattern has no path")
	}
	for segment := range strings.SplitSeq(path, "/") {
		name, isWild := strings.CutPrefix(segment, "{")
		name, ends := strings.CutSuffix(name, "}")
		if isWild && ends && name != "$" && !strings.HasSuffix(name, "...") {
			p.wildcards = append(p.wildcards, name)
		}
	}
	return p, nil
}

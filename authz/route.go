package authz

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"medtwin.ai/tollgate/internal/request"
	"medtwin.ai/tollgate/problem"
)

// A route is a declared route with its chain, which is built once.
type route struct {
	Route
	wildcards []string // of a single segment
	now       func() time.Time
	errors    problem.Writer
	entry     http.Handler // authentication and then decide, or the public handler

	asker        *asker       // nil for a public route
	pass, refuse http.Handler // after decide
}

func (rt *route) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !rt.plain(r) {
		rt.errors(w, r, problem.Problem{Status: http.StatusNotFound})
		return
	}
	if rt.asker != nil || request.From(r.Context()) != nil {
		r, _ = request.Match(r, rt.now)
	}
	rt.entry.ServeHTTP(w, r)
}

// plain reports whether the path values can be ids. A value that could be read
// as a path or as another id somewhere behind is one nobody has.
func (rt *route) plain(r *http.Request) bool {
	for _, name := range rt.wildcards {
		if !plain(r.PathValue(name)) {
			return false
		}
	}
	return true
}

// decide runs after authentication.
func (rt *route) decide(w http.ResponseWriter, r *http.Request) {
	s := request.From(r.Context())
	if s == nil { // Authenticate has replaced the context
		r, s = request.Attach(r)
	}
	s.Decide()
	s.Clock(rt.now)
	rights, _ := s.Rights.(*Rights)
	switch {
	case rights == nil: // nobody authenticated
		rt.errors(w, r, problem.Problem{Status: http.StatusUnauthorized})
	case rt.asker.admit(rights, r, s):
		rt.pass.ServeHTTP(w, r)
	default:
		rt.refuse.ServeHTTP(w, r)
	}
}

// denial is what decide has noted, for the handler behind the limiter.
func denial(r *http.Request) problem.Problem {
	var err error = errors.New("authz: the limiter lost the denial")
	if s := request.From(r.Context()); s != nil {
		if d, ok := s.Denied.(*DeniedError); ok {
			err = d
		}
	}
	return Problem(err)
}

// A pattern is what Routes must know of a pattern of [http.ServeMux], which
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

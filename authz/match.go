package authz

import (
	"net/http"

	"medtwin.ai/tollgate/problem"
)

// Match returns the route that would serve r, and the question that it would
// decide, complete but for what is known of the caller: Proved, Now and, where
// the need does not fix it, the environment. For a public route it is the zero Request. Match is for
// explaining, as with [Rights.Explain]: serving asks through the same code. It
// is false where the answer would be 404 or 405 or a redirection.
func (rs *Routes) Match(r *http.Request) (Route, Request, bool) {
	var p probe
	rs.matcher.ServeHTTP(&p, r.WithContext(r.Context())) // a copy: matching writes to the request
	rt := p.route
	if rt == nil || !rt.plain(p.request) {
		return Route{}, Request{}, false
	}
	declared := rt.Route
	declared.Need = declared.Need.clone()
	if rt.asker == nil {
		return declared, Request{}, true
	}
	var about ids
	rt.asker.ask(p.request, &about)
	return declared, rt.asker.question.request(&about), true
}

// miss answers what no route matches. The second look for the methods that
// the path does have costs nothing where routes match.
func (rs *Routes) miss(w http.ResponseWriter, r *http.Request) {
	var p probe
	rs.matcher.ServeHTTP(&p, r.WithContext(r.Context()))
	allow := p.Header().Get("Allow")
	if allow == "" {
		rs.config.Errors(w, r, problem.Problem{Status: http.StatusNotFound})
		return
	}
	w.Header().Set("Allow", allow)
	rs.config.Errors(w, r, problem.Problem{Status: http.StatusMethodNotAllowed})
}

// A probe takes the answers of the matcher, whose handlers only say who they
// are.
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

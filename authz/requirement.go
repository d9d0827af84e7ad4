package authz

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"
)

var (
	// ErrNotFound says that a path value cannot be an id, so nothing has it.
	ErrNotFound = errors.New("authz: the path names nothing")
	// ErrMethod says that an unsafe method was used on a route whose permission
	// is read-only.
	ErrMethod = errors.New("authz: the method is not allowed")
	// ErrNoPathValue says that the router has not set a path value that the
	// need takes an id from. The route is misdeclared.
	ErrNoPathValue = errors.New("authz: the router sets no path value")
)

// A Requirement is a [Need] compiled for a [Model]. All requests of a route
// share it. It is immutable, and safe for concurrent use.
type Requirement struct {
	need      Need
	reads     compiledRequest // for safe methods
	writes    compiledRequest // for unsafe methods
	ids       ids             // without those that the path holds
	wildcards []string        // the path values that hold the first ids
	safeOnly  bool            // the permission is read-only, and so is the route
}

// Compile returns the requirement of n, or one error with everything that is
// wrong with n.
func (m *Model) Compile(n Need) (*Requirement, error) {
	if err := m.check(n); err != nil {
		return nil, fmt.Errorf("authz: need %q: %w", n.ID, err)
	}
	n = n.Clone()
	q := Request{
		Permission: n.Permission,
		Endpoint:   n.ID,
		Suspended:  n.Suspended,
		Anyone:     n.anyone(),
		Person:     n.Person,
		Recent:     n.Recent,
	}
	rq := &Requirement{need: n, safeOnly: m.ReadOnly(n.Permission) && !n.ReadOnly}
	for i, kind := range slices.Sorted(maps.Keys(n.From)) {
		q.Resources[i] = Resource{Kind: kind, ID: star} // the path of a request replaces it
		rq.wildcards = append(rq.wildcards, n.From[kind])
	}
	for i, kind := range n.AllOf {
		q.Resources[len(rq.wildcards)+i] = Resource{Kind: kind, ID: star}
	}
	// Requests differ in the ids of their paths only. Everything else is
	// compiled here, once.
	rq.ids = q.ids()
	rq.reads = q.compile(m)
	rq.reads.hideDenial, rq.reads.environment = n.HideDenial, n.Environment
	rq.writes = rq.reads
	// The two differ in this field alone.
	rq.writes.writes = !n.ReadOnly
	return rq, nil
}

// Need returns a copy of the need that was compiled.
func (q *Requirement) Need() Need { return q.need.Clone() }

// Cost returns how much a request takes from the plan, or -1 for nothing.
func (q *Requirement) Cost() int {
	if q.need.Cost == 0 {
		return 1
	}
	return q.need.Cost
}

// A Caller is everything about the caller that a decision depends on.
type Caller struct {
	Rights      *Rights // nil: an anonymous request, which is denied everything
	Environment string
	Proved      time.Time // when the caller last proved their identity; zero: never
	Now         time.Time // of the request
}

// A Target is what one request is about: the ids in its path, and whether it
// may change something.
type Target struct {
	ids    ids
	unsafe bool // by its method
}

// Params are the parameters of a path, as a router gives them to a handler. Param
// returns "" for one that the path does not have. The contexts of gin and echo are
// Params.
type Params interface{ Param(name string) string }

// pathValues are the parameters that the router has set on the request itself.
type pathValues struct{ r *http.Request }

func (v pathValues) Param(name string) string { return v.r.PathValue(name) }

// Target reads the target of r from its method and its path values, or from p for a
// router that sets none. Errors:
//
//   - ErrNotFound: a path value cannot be an id.
//   - ErrNoPathValue: a path value is missing. The error names it. With p it is
//     ErrNotFound, because an adapter has made sure that the pattern has the parameter.
//   - ErrMethod: the method is unsafe, and the route is read-only.
//
// An id is compared in the exact spelling that the handler receives. So "P1",
// "%70%31" and "p1/" are never taken for "p1" by one of the two and not by the
// other.
func (q *Requirement) Target(r *http.Request, p Params) (Target, error) {
	missing := ErrNotFound
	if p == nil {
		p, missing = pathValues{r}, ErrNoPathValue
	}
	t := Target{ids: q.ids, unsafe: !Safe(r.Method)}
	for i, wildcard := range q.wildcards {
		id := p.Param(wildcard)
		if !ValidID(id) {
			if id == "" {
				return t, fmt.Errorf("%w %q", missing, wildcard)
			}
			return t, ErrNotFound
		}
		t.ids[i] = id
	}
	// A permission that changes nothing must not open a method that may.
	if t.unsafe && q.safeOnly {
		return t, ErrMethod
	}
	return t, nil
}

// Decide returns nil if c may do what the route does to t, and otherwise what
// was missing. It allocates nothing if the answer is yes.
//
// It looks nothing up. So its answer about an id that does not exist is the one
// about an id that does, and a denial can be sent before the handler has run.
func (q *Requirement) Decide(c Caller, t *Target) *DeniedError {
	asked := q.of(t)
	age := asked.age(c.Now, c.Proved)
	if c.Rights.allows(asked, &t.ids, c.Environment, age) {
		return nil
	}
	return &DeniedError{
		Decision:   c.Rights.decide(asked, &t.ids, c.Environment, age),
		Permission: asked.permission,
	}
}

// age returns how old the proof of identity is, or 0 if q does not ask for one.
func (q *compiledRequest) age(now, proved time.Time) time.Duration {
	if q.recent == 0 {
		return 0
	}
	return age(now, proved)
}

// Request returns the request that Decide answers, without what depends on the
// caller: the environment, Proved and Now.
func (q *Requirement) Request(t *Target) Request { return q.of(t).request(&t.ids) }

// of returns what is asked about t: less if its method is safe.
func (q *Requirement) of(t *Target) *compiledRequest {
	if t.unsafe {
		return &q.writes
	}
	return &q.reads
}

// ValidID reports whether a path value can be the id of a resource: 1 to 128
// unreserved characters of RFC 3986 §2.3, [A-Za-z0-9._~-], and not "." or "..".
// There is one way only to write such an id in a path, so routers and handlers
// cannot disagree about it.
func ValidID(s string) bool {
	if len(s) == 0 || len(s) > 128 || s == "." || s == ".." {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '.', c == '_', c == '~':
		default:
			return false
		}
	}
	return true
}

// Safe reports whether a method is safe (RFC 9110 §9.2.1). An unknown method is
// not.
func Safe(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE":
		return true
	}
	return false
}

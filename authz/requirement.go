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
	// ErrNotFound: a path value cannot be an id, so nothing has it.
	ErrNotFound = errors.New("authz: the path names nothing")
	// ErrMethod: a route whose permission is read-only was asked with an unsafe
	// method.
	ErrMethod = errors.New("authz: the method is not allowed")
	// ErrNoPathValue: the router has not set a path value that the need takes an
	// id from. The route is misdeclared.
	ErrNoPathValue = errors.New("authz: the router sets no path value")
)

// A Requirement is a [Need] compiled for a [Model]: what a route asks of all its
// requests. It is immutable and safe for concurrent use.
type Requirement struct {
	need      Need
	reads     compiledRequest // for safe methods
	writes    compiledRequest // for unsafe methods
	ids       ids             // complete but for those in the path
	wildcards []string        // the path values that hold the first ids
	safeOnly  bool            // the permission is read-only, and so is the route
}

// Compile returns the requirement of n, or everything that is wrong with n.
func (m *Model) Compile(n Need) (*Requirement, error) {
	if err := m.check(n); err != nil {
		return nil, fmt.Errorf("authz: need %q: %w", n.ID, err)
	}
	n = n.Clone()
	q := Request{
		Permission: n.Permission,
		Endpoint:   n.ID,
		Suspended:  n.Suspended,
		Anyone:     n.Anyone,
		Recent:     n.Recent,
	}
	rq := &Requirement{need: n, safeOnly: m.ReadOnly(n.Permission) && !n.ReadOnly}
	for i, kind := range slices.Sorted(maps.Keys(n.From)) {
		q.Resources[i] = Resource{Kind: kind, ID: star} // until the path is known
		rq.wildcards = append(rq.wildcards, n.From[kind])
	}
	for i, kind := range n.AllOf {
		q.Resources[len(rq.wildcards)+i] = Resource{Kind: kind, ID: star}
	}
	rq.ids = q.ids()
	rq.reads = q.compile(m)
	rq.reads.hide, rq.reads.environment = n.HideDenial, n.Environment
	rq.writes = rq.reads
	rq.writes.writes = !n.ReadOnly
	return rq, nil
}

// Need returns a copy of the need that was compiled.
func (q *Requirement) Need() Need { return q.need.Clone() }

// Cost returns Need.Cost with its default: how much a request takes from the
// plan, or -1 for nothing.
func (q *Requirement) Cost() int {
	if q.need.Cost == 0 {
		return 1
	}
	return q.need.Cost
}

// A Caller is what a decision needs to know about the caller.
type Caller struct {
	Rights      *Rights // nil: an anonymous request, which is denied everything
	Environment string
	Proved      time.Time // when the caller last proved their identity; zero: never
	Now         time.Time // of the request
}

// A Target is what one request is about.
type Target struct {
	ids    ids
	unsafe bool // by its method
}

// Target reads what r is about from its method and path values. Errors:
// ErrNotFound, ErrMethod, and ErrNoPathValue with the name of the value.
func (q *Requirement) Target(r *http.Request) (Target, error) {
	t := Target{ids: q.ids, unsafe: !Safe(r.Method)}
	for i, wildcard := range q.wildcards {
		id := r.PathValue(wildcard)
		if !ValidID(id) {
			if id == "" {
				return t, fmt.Errorf("%w %q", ErrNoPathValue, wildcard)
			}
			return t, ErrNotFound
		}
		t.ids[i] = id
	}
	if t.unsafe && q.safeOnly {
		return t, ErrMethod
	}
	return t, nil
}

// Decide returns nil if c may do what the route does to t, else what was
// missing. It allocates nothing when the answer is yes.
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

// age returns how old the proof of identity is, 0 if q does not ask.
func (q *compiledRequest) age(now, proved time.Time) time.Duration {
	if q.recent == 0 {
		return 0
	}
	return age(now, proved)
}

// Request returns the request that Decide would answer, complete but for what is
// known of the caller: the environment, Proved and Now.
func (q *Requirement) Request(t *Target) Request { return q.of(t).request(&t.ids) }

// of returns what is asked of t.
func (q *Requirement) of(t *Target) *compiledRequest {
	if t.unsafe {
		return &q.writes
	}
	return &q.reads
}

// ValidID reports whether a path value can be the id of a resource: 1 to 128 of
// [A-Za-z0-9._~-], the unreserved characters of RFC 3986, and not "." or "..".
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

// Safe reports whether a method is safe (RFC 9110, section 9.2.1).
func Safe(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE":
		return true
	}
	return false
}

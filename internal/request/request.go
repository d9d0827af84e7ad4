// Package request holds what the parts of the chain tell each other about one
// request: a single state, a single context value.
package request

import (
	"context"
	"log/slog"
	"net/http"
	"reflect"
	"sync/atomic"
	"time"
)

// A State belongs to one request. The chain fills it in as it runs, one
// handler after the other; handlers only read it. It is itself the request's
// context, which saves a node and an allocation.
//
// A state is found through the context, and a request that a handler makes on
// the context of its own request finds the state of that. So a state serves
// the request it was made for and no other: the URL (pointer, path and query),
// the Header (the map), the Method and the Host must be the same.
// [http.Request.WithContext] and a replaced body keep all of these. Whatever
// changes one of them, as Clone, [http.StripPrefix] or a path that is rewritten
// in place do, counts as a new request, which gets a state of its own: it is
// authenticated, decided and charged again, and leaves no trace in the state
// of the other.
//
// Where a new request reaches a part of the chain without the parts in front
// of it, as behind StripPrefix, [Attach] lets it inherit what those have found:
// the principal and the decision. It is charged again all the same.
//
// Only one authentication and one decision write to a state. A second one, for
// another credential or another route, takes a state of its own even where the
// request is the same.
//
// The fields of type any belong to the package named beside them, which alone
// reads and writes them: this package is below all of those.
type State struct {
	context.Context

	Now         time.Time // read once per request; zero until somebody needs it
	Problem     any       // problem: *Problem that was written
	Principal   any       // authn: *Principal
	Credential  string    // authn: the credential as it stood in the request
	Rights      any       // authz: *Rights, set by authn
	Environment string    // authz: set by authn
	Proved      time.Time // authz: when the caller last proved their identity, set by authn; zero: never
	Question    any       // authz: what the route asks
	IDs         [4]string // authz: the ids it asks about
	Denied      any       // authz: *DeniedError; the limiter then spends nothing of the plan
	Cost        int       // ratelimit: as in authz.Need.Cost, set by authz

	watched bool        // there is a Watcher in Context
	decided atomic.Bool // a route or a need has taken this state

	by    atomic.Pointer[Owner] // who has authenticated, or &pending
	marks [4]atomic.Pointer[Owner]

	request     *http.Request // that it was made for
	path, query string        // of its URL at that time
}

// An Owner is a field of something that works on requests. Its address stands
// for that.
type Owner struct{ _ byte }

// pending is the owner of a state while an authentication runs, and after it
// has failed.
var pending Owner

type stateKey struct{}

// Value answers for the state itself and passes all else on.
func (s *State) Value(key any) any {
	if key == (stateKey{}) {
		return s
	}
	return s.Context.Value(key)
}

// From returns the innermost state of ctx, or nil. It may be that of an outer
// request: see [State.Of].
func From(ctx context.Context) *State {
	if s, ok := ctx.(*State); ok { // nobody has derived a context yet
		return s
	}
	s, _ := ctx.Value(stateKey{}).(*State)
	return s
}

// Of reports whether s is the state of r, and not one that r has found on the
// context of another request. A nil state is nobody's.
func (s *State) Of(r *http.Request) bool {
	return s != nil && r.URL == s.request.URL && r.Method == s.request.Method && r.Host == s.request.Host &&
		reflect.ValueOf(r.Header).UnsafePointer() == reflect.ValueOf(s.request.Header).UnsafePointer() &&
		(r.URL == nil || r.URL.Path == s.path && r.URL.RawQuery == s.query)
}

// begin returns r with a new state, which knows of outer, the state that r was
// made on, only what is no property of a request. outer may be nil.
func begin(r *http.Request, outer *State) (*http.Request, *State) {
	s := &State{Context: r.Context(), request: r}
	if r.URL != nil {
		s.path, s.query = r.URL.Path, r.URL.RawQuery
	}
	if outer != nil {
		s.watched = outer.watched
	}
	return r.WithContext(s), s
}

// Attach returns the state of r, and r with that state attached. Where r has
// none of its own it gets one, with the principal and the decision of the
// request that it was made on, if any.
func Attach(r *http.Request) (*http.Request, *State) {
	outer := From(r.Context())
	if outer.Of(r) {
		return r, outer
	}
	r, s := begin(r, outer)
	if outer != nil {
		s.inheritPrincipal(outer)
		s.Question, s.IDs, s.Denied = outer.Question, outer.IDs, outer.Denied
		s.Cost = max(0, outer.Cost) // free was the other request
	}
	return r, s
}

func (s *State) inheritPrincipal(outer *State) {
	if outer.by.Load() == &pending {
		return
	}
	s.Principal, s.Rights, s.Environment, s.Proved = outer.Principal, outer.Rights, outer.Environment, outer.Proved
}

// Authenticate returns r with the state that owner may write a principal to,
// and true; or false and the state in which owner has done so for the same
// credential.
func Authenticate(r *http.Request, owner *Owner, now func() time.Time, same func(*State) bool) (*http.Request, *State, bool) {
	outer := From(r.Context())
	if outer.Of(r) {
		if outer.by.Load() == owner && same(outer) {
			return r, outer, false
		}
		if outer.by.CompareAndSwap(nil, &pending) {
			outer.forget()
			outer.Clock(now)
			return r, outer, true
		}
	}
	r, s := begin(r, outer)
	s.by.Store(&pending)
	s.Clock(now)
	return r, s, true
}

// forget clears what Attach may have inherited.
func (s *State) forget() {
	s.Principal, s.Rights, s.Environment, s.Proved = nil, nil, "", time.Time{}
	s.Question, s.Denied, s.Cost = nil, nil, 0
}

// Authenticated notes that owner has set the principal, for good.
func (s *State) Authenticated(owner *Owner) { s.by.Store(owner) }

// Match returns r with the state of a route that it has matched: a new one,
// unless r has one that no decision has been noted in. Nothing is inherited,
// since routes authenticate.
func Match(r *http.Request, now func() time.Time) (*http.Request, *State) {
	r, s, fresh := match(r)
	if !fresh && s.by.Load() == nil {
		s.forget()
	}
	s.Clock(now)
	return r, s
}

// Protect is Match for a need that does not authenticate: the principal is
// inherited.
func Protect(r *http.Request) (*http.Request, *State) {
	outer := From(r.Context())
	r, s, fresh := match(r)
	if fresh && outer != nil {
		s.inheritPrincipal(outer)
	}
	s.Clock(nil)
	return r, s
}

// Decide notes that a decision is made in s, where Match has not.
func (s *State) Decide() {
	if !s.decided.Load() {
		s.decided.Store(true)
	}
}

func match(r *http.Request) (_ *http.Request, _ *State, fresh bool) {
	outer := From(r.Context())
	if outer.Of(r) && outer.decided.CompareAndSwap(false, true) {
		return r, outer, false
	}
	r, s := begin(r, outer)
	s.decided.Store(true)
	return r, s, true
}

// Ensure is Attach for those who need the time, which the first of them reads
// from its clock; nil means time.Now.
func Ensure(r *http.Request, now func() time.Time) (*http.Request, *State) {
	r, s := Attach(r)
	s.Clock(now)
	return r, s
}

// Clock sets the time where it is not set yet.
func (s *State) Clock(now func() time.Time) {
	if !s.Now.IsZero() {
		return
	}
	if now == nil {
		now = time.Now
	}
	s.Now = now()
}

// Mark notes that owner has done its work on this request, and reports
// whether this is the first time. The fifth and later owners are never
// remembered: nobody stacks that many.
func (s *State) Mark(owner *Owner) bool {
	for i := range s.marks {
		m := s.marks[i].Load()
		if m == nil && s.marks[i].CompareAndSwap(nil, owner) {
			return true
		}
		if m == owner || m == nil && s.marks[i].Load() == owner {
			return false
		}
	}
	return true
}

// String, GoString, LogValue and MarshalText keep what the request carried out
// of logs: printing a context prints this.
func (s *State) String() string { return "request.State" }

// GoString is String.
func (s *State) GoString() string { return s.String() }

// LogValue is String.
func (s *State) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is String.
func (s *State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

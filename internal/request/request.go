// Package request holds what the parts of the chain tell each other about one
// request: a single state, a single context value.
package request

import (
	"context"
	"log/slog"
	"net/http"
	"time"
)

// A State belongs to one request. The chain fills it in as it runs, one
// handler after the other, so it has no lock; handlers only read it. It is
// itself the request's context, which saves a node and an allocation.
//
// The fields of type any belong to the package named beside them, which alone
// reads and writes them: this package is below all of those.
type State struct {
	context.Context

	Now         time.Time // read once per request; zero until somebody needs it
	ID          string    // problem: request id, "" until somebody needs one
	Problem     any       // problem: *Problem that was written
	By          any       // authn: the *Middleware that told who is calling
	Principal   any       // authn: *Principal
	Credential  string    // authn: the credential as it stood in the request
	Rights      any       // authz: *Rights, set by authn
	Environment string    // authz: set by authn
	Proved      time.Time // authz: when the caller last proved who he is, set by authn; zero: never
	Question    any       // authz: what the route asks
	IDs         [4]string // authz: the ids it asks about
	Denied      any       // authz: *DeniedError; the limiter then spends nothing of the plan
	Cost        int       // ratelimit: as in authz.Need.Cost, set by authz
	Format      uint8     // problem: form of the error bodies

	watched bool // there is a Watcher in Context
	marks   [4]any
}

type stateKey struct{}

// Value answers for the state itself and passes all else on.
func (s *State) Value(key any) any {
	if key == (stateKey{}) {
		return s
	}
	return s.Context.Value(key)
}

// From returns the state of the request that ctx belongs to, or nil.
func From(ctx context.Context) *State {
	if s, ok := ctx.(*State); ok { // nobody has derived a context yet
		return s
	}
	s, _ := ctx.Value(stateKey{}).(*State)
	return s
}

// Attach returns the state of r, and r with that state attached: the same
// request where it has one already.
func Attach(r *http.Request) (*http.Request, *State) {
	if s := From(r.Context()); s != nil {
		return r, s
	}
	s := &State{Context: r.Context()}
	return r.WithContext(s), s
}

// Ensure is Attach for those who need the time, which the first of them reads
// from his clock; nil means time.Now.
func Ensure(r *http.Request, now func() time.Time) (*http.Request, *State) {
	r, s := Attach(r)
	if s.Now.IsZero() {
		if now == nil {
			now = time.Now
		}
		s.Now = now()
	}
	return r, s
}

// Mark notes that owner has done its work on this request, and reports
// whether this is the first time. Owners are pointers. The fifth and later
// owners are never remembered: nobody stacks that many.
func (s *State) Mark(owner any) bool {
	for i, m := range s.marks {
		if m == owner {
			return false
		}
		if m == nil {
			s.marks[i] = owner
			break
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

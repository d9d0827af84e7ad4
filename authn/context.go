package authn

import (
	"context"
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/internal/request"
)

// FromContext returns the principal of the request that ctx belongs to. It
// returns false if the request is anonymous.
//
// The principal is a copy: a handler may change it, and changes nothing that
// the cache of an [Authenticator] holds.
func FromContext(ctx context.Context) (Principal, bool) {
	p, _ := ctx.Value(request.PrincipalKey{}).(*Principal)
	if p == nil {
		return Principal{}, false
	}
	return p.Clone(), true
}

// NewContext returns the context of a request that p makes, so that a test can
// call a handler without authentication.
//
// Nothing is decided on the new context. [authz.Protect] decides by the rights
// of p. [authz.CheckResource] denies until something has decided.
func NewContext(ctx context.Context, p Principal) context.Context {
	return newIdentified(ctx, &p, time.Now())
}

// identified is the context of a request whose caller has been determined. It
// holds one value, which nobody writes to after newIdentified returns, so
// handlers may read it from several goroutines.
type identified struct {
	context.Context
	principal *Principal // nil: the request is anonymous
	caller    authz.Caller
}

// newIdentified returns the context of a request by p, made on ctx. A nil p
// makes the context of an anonymous request.
func newIdentified(ctx context.Context, p *Principal, now time.Time) *identified {
	return &identified{Context: ctx, principal: p, caller: p.Caller(now)}
}

// Value implements [context.Context].
//
// It answers for the principal and the caller, also if ctx carries those of
// another request: a request that a handler makes on its own request's context
// is a request of its own. It hides what was decided about that other request,
// and what that one cost.
func (i *identified) Value(key any) any {
	switch key.(type) {
	case request.PrincipalKey:
		return i.principal
	case request.CallerKey:
		return &i.caller
	case request.AccessKey, request.CostKey:
		return nil // they belong to another request, which this one was made in
	}
	return i.Context.Value(key)
}

// String keeps what the context carries out of logs. A logger that prints a
// context calls it.
func (i *identified) String() string { return "authn: context of a request" }

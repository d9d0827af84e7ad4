package authn

import (
	"context"
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/internal/request"
)

// FromContext returns the principal of the request that ctx belongs to, and
// false if the request is anonymous. It is a copy, for the caller to change.
func FromContext(ctx context.Context) (Principal, bool) {
	p, _ := ctx.Value(request.PrincipalKey{}).(*Principal)
	if p == nil {
		return Principal{}, false
	}
	return p.Clone(), true
}

// NewContext returns a context of a request by p, so that a handler can be
// tested without authentication. Nothing is decided on it yet: authz.Protect
// decides by p's rights, and authz.CheckResource denies without that.
func NewContext(ctx context.Context, p Principal) context.Context {
	return newIdentified(ctx, &p, time.Now())
}

// identified is the context of a request whose caller is known, or known to be
// anonymous. It holds one immutable value.
type identified struct {
	context.Context
	principal *Principal // nil: anonymous
	caller    authz.Caller
}

func newIdentified(ctx context.Context, p *Principal, now time.Time) *identified {
	return &identified{Context: ctx, principal: p, caller: p.Caller(now)}
}

// Value implements context.Context.
func (i *identified) Value(key any) any {
	switch key.(type) {
	case request.PrincipalKey:
		return i.principal
	case request.CallerKey:
		return &i.caller
	case request.AccessKey, request.CostKey:
		return nil // those of another request, on whose context this one was made
	}
	return i.Context.Value(key)
}

// String keeps what the context carries out of logs.
func (i *identified) String() string { return "authn: context of a request" }

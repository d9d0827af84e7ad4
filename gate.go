package tollgate

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/internal/loglimit"
	"medtwin.ai/tollgate/internal/request"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/ratelimit"
)

// A Gate guards handlers: it decides who is calling, what they may do and how often.
// It is the http.Handler of the routes declared on it. Declare all of them before
// serving; then it is safe for concurrent use.
type Gate struct {
	config Config
	parts
	routes routes
	limits limits
	errors problem.Writer // logs at debug level, too

	misused   loglimit.Log                  // logs mistakes in the set-up that only requests show
	failed    loglimit.Log                  // logs handlers that could not do their work
	abandoned loglimit.Log                  // the same, after the client had gone
	tasks     []func(context.Context) error // of Background
	started   time.Time
	running   atomic.Bool // Run has been called
	warned    atomic.Bool // the log says that it has not
}

// A Guard decides the requests of one route. Adapters for routers use it;
// [Gate.Handle] and [Gate.Require] are built on it.
type Guard struct {
	gate     *Gate
	need     *authz.Requirement
	declared authz.Route
}

// Check decides r and writes no response. It sets the headers of the decision on h
// and returns the request to serve. On error it returns the refused request, whose
// context names the caller if known: pass both to [Gate.Refuse].
func (g *Guard) Check(r *http.Request, h http.Header) (*http.Request, error) {
	return g.CheckParams(r, nil, h)
}

// CheckParams is Check for a router that keeps the parameters of the path to itself,
// as gin and echo do. The route must be one of a [Coverage], which makes sure that its
// pattern has all parameters of the need.
//
// This is the path of every request, in order: cheap checks first, and nothing
// is charged before the request is known to be allowed.
func (g *Guard) CheckParams(r *http.Request, p authz.Params, h http.Header) (*http.Request, error) {
	gate, now := g.gate, g.gate.config.Now()

	// Match: the router has found the route; what is it about?
	target, err := g.need.Target(r, p)
	if err != nil {
		return r, err
	}
	// Identify: credential → cache → store → status, expiry, environment, address.
	principal, err := gate.auth.Identify(r, now)
	if err != nil {
		return r, err
	}
	// Decide: rights, scope, suspension, fresh proof.
	caller := principal.Caller(now)
	denied := g.need.Decide(caller, &target)
	if principal.Private(r) { // whatever the answer is
		h.Set("Cache-Control", "private, no-store")
	}
	// Take: all windows of the plan, or the limit on denied requests.
	s := &served{Context: r.Context(), principal: principal, access: g.need.Access(caller, target)}
	charge, err := gate.limits.take(s.Context, principal, g.need.Cost(), denied != nil, now)
	charge.WriteFields(h, now, &s.fields)
	switch {
	case err != nil:
		return r.WithContext(refused(s)), err
	case denied != nil:
		return r.WithContext(refused(s)), denied
	}
	// Handle: with one immutable value that tells who and what was allowed.
	if !gate.running.Load() {
		gate.warnNotRunning(now)
	}
	s.access.Announce(s.Context)
	return r.WithContext(s), nil
}

// Allows decides r as CheckParams does, and charges only a refusal. An adapter asks it
// where it cannot tell whether the route's own guard will be asked.
func (g *Guard) Allows(r *http.Request, p authz.Params, h http.Header) (*http.Request, error) {
	now := g.gate.config.Now()
	target, err := g.need.Target(r, p)
	if err != nil {
		return r, err
	}
	principal, err := g.gate.auth.Identify(r, now)
	if err != nil {
		return r, err
	}
	if g.need.Decide(principal.Caller(now), &target) != nil {
		return g.CheckParams(r, p, h)
	}
	return r, nil
}

// Wrap returns next behind the guard. It panics if next is nil.
func (g *Guard) Wrap(next http.Handler) http.Handler {
	if next == nil {
		panic("tollgate: need " + g.declared.Need.ID + ": the handler is nil")
	}
	return &guarded{g, next}
}

// guarded is a handler behind a guard.
type guarded struct {
	guard *Guard
	next  http.Handler
}

// ServeHTTP decides r, and then serves or refuses it.
func (h *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	checked, err := h.guard.Check(r, w.Header())
	if err != nil {
		h.guard.gate.Refuse(w, checked, err)
		return
	}
	h.next.ServeHTTP(w, checked)
}

// served is the context of a request that was allowed. It holds the one value
// that the gate puts there, in the same allocation.
type served struct {
	context.Context
	principal *authn.Principal
	access    authz.Access
	fields    ratelimit.Fields // of the response's header
}

// refused returns the context of a request that was not allowed: it names the caller
// and allows nothing.
func refused(s *served) *served { return &served{Context: s.Context, principal: s.principal} }

// Value implements context.Context.
func (s *served) Value(key any) any {
	switch key.(type) {
	case request.PrincipalKey:
		return s.principal
	case request.AccessKey:
		return &s.access
	case request.CallerKey:
		return s.access.Caller()
	case request.CostKey:
		return nil // that of another request, on whose context this one was made
	}
	return s.Context.Value(key)
}

// String keeps what the context carries out of logs.
func (s *served) String() string { return "tollgate: context of a request" }

// Config returns the configuration of the gate, with its defaults, for packages that
// build on a gate. Changing it changes nothing.
func (g *Gate) Config() Config {
	c := g.config
	c.RoleNames = c.roleNames() // not in New: Config.Roles may be a function that uses the gate
	return c
}

// Model returns the vocabulary of the gate: permissions and kinds of resource.
func (g *Gate) Model() *authz.Model { return g.model }

// Keys returns the manager of API keys.
func (g *Gate) Keys() *apikey.Manager { return g.keys }

// Sessions returns the manager of login sessions.
func (g *Gate) Sessions() *session.Manager { return g.sessions }

// Logins returns the manager of password logins.
func (g *Gate) Logins() *login.Manager { return g.logins }

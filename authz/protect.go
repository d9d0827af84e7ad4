package authz

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"medtwin.ai/tollgate/internal/loglimit"
	"medtwin.ai/tollgate/internal/request"
	"medtwin.ai/tollgate/problem"
)

// ErrNotAuthenticated says that nothing has authenticated the request. The
// route is misdeclared.
var ErrNotAuthenticated = errors.New("authz: nobody has authenticated the request: put authentication around Protect, as in auth.Wrap(authz.Protect(model, need, h))")

// Protect returns a handler that serves only requests that meet need. It is for
// routers that already exist. Authentication goes around it, and a limiter
// inside:
//
//	auth.Wrap(authz.Protect(model, need, limiter.Wrap(h)))
//
// That order has reasons. Without authentication around it, Protect does not
// know who calls. A limiter inside charges only requests that are allowed, and
// it charges what the need says they cost.
//
// The router must set the path values that need.From names, as [http.ServeMux]
// does. A request that arrives without authentication or without its path
// values is answered with 500 and logged, because the route is misdeclared: it
// is never let through.
//
// Protect decides by the caller that the innermost authentication around it has
// found. So a request made on the context of another one must be authenticated
// first. Read-only permissions allow safe methods only, unless the need says
// ReadOnly. Protect panics if the need is invalid.
func Protect(m *Model, need Need, h http.Handler) http.Handler {
	return Guard{Model: m}.Protect(need, h)
}

// A Guard is [Protect] with the settings that Protect leaves at their defaults.
// The zero value of every field but Model is the safe choice: refusals are
// answered in the form of RFC 9457, and misdeclared routes are logged.
type Guard struct {
	// Model is the vocabulary of the needs. Required.
	Model *Model
	// Errors writes refusals. Default: problem.Write.
	Errors problem.Writer
	// Logger records misdeclared routes, and every refusal at debug level.
	// Default: slog.Default().
	Logger *slog.Logger
}

// Protect is the function Protect with the settings of g.
func (g Guard) Protect(need Need, h http.Handler) http.Handler {
	if g.Model == nil {
		panic("authz: Protect: the model is nil")
	}
	rq, err := g.Model.Compile(need)
	if h == nil {
		err = errors.Join(err, errors.New("authz: the handler is nil"))
	}
	if err != nil {
		panic("authz: Protect: " + err.Error())
	}
	if g.Logger == nil {
		g.Logger = slog.Default()
	}
	refuse := problem.Logged(g.Errors, g.Logger)
	log := loglimit.Log{Logger: g.Logger}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Nothing of the handler runs, and nothing is looked up, before this
		// has decided.
		a, err := rq.check(r)
		switch {
		case err == nil:
			a.Announce(r.Context())
			h.ServeHTTP(w, r.WithContext(&admitted{Context: r.Context(), access: a, request: request.Identify(r)}))
			return
		case errors.Is(err, ErrNotAuthenticated), errors.Is(err, ErrNoPathValue):
			r = problem.Identify(r)
			log.Write(r.Context(), time.Now(), slog.LevelError, "the route is misdeclared",
				slog.String("request_id", problem.RequestID(r.Context())), slog.String("endpoint", need.ID), slog.Any("err", err))
		case errors.Is(err, ErrMethod):
			w.Header().Set("Allow", "GET, HEAD, OPTIONS")
		}
		refuse(w, r, Problem(err))
	})
}

// admitted is the context of a request that Protect has allowed. It holds one
// immutable value.
type admitted struct {
	context.Context
	access  *Access
	request request.Identity
}

// Value implements [context.Context].
func (a *admitted) Value(key any) any {
	switch key.(type) {
	case request.AccessKey:
		return a.access
	case request.CostKey:
		return a
	}
	return a.Context.Value(key)
}

// CostOf implements request.Coster. A request that a handler makes on this
// context is another request: that this one is free does not make it free.
func (a *admitted) CostOf(r *http.Request) int {
	cost := a.access.requirement.Cost()
	if cost < 0 && request.Identify(r) != a.request { // this one is free, not that one
		return 1
	}
	return cost
}

// check decides r by the caller on its context.
func (q *Requirement) check(r *http.Request) (*Access, error) {
	target, err := q.Target(r, nil)
	if err != nil {
		return nil, err
	}
	caller, ok := callerOf(r.Context())
	switch {
	case !ok:
		return nil, ErrNotAuthenticated
	case caller.Rights == nil:
		return nil, errAnonymous
	}
	if denied := q.Decide(*caller, &target); denied != nil {
		return nil, denied
	}
	a := q.Access(*caller, target)
	return &a, nil
}

// errAnonymous says that the route needs a caller and the request has none.
var errAnonymous = errors.New("authz: the request is anonymous")

// callerOf returns who makes the request of ctx. ok is false if nothing has
// authenticated the request, which is different from an anonymous caller, who
// has no rights.
func callerOf(ctx context.Context) (*Caller, bool) {
	c, ok := ctx.Value(request.CallerKey{}).(*Caller)
	return c, ok && c != nil
}

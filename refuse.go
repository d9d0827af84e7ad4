package tollgate

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/authn/password"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/ratelimit"
	"medtwin.ai/tollgate/store"
)

// Refuse writes the answer to err and logs it under the request id of the answer.
// It knows the errors of [Guard.Check], [Gate.Identify], authz.CheckResource, the
// managers of keys, sessions and logins, and package store; a *[problem.Problem] is
// written as it is. Any other error is an outage: 503, and a line in the log.
//
// What is missing and what belongs to another account are both store.ErrNotFound, so
// that both have the same answer.
func (g *Gate) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	g.refuse(g.config.Errors, w, r, err)
}

// refuse answers by form, and logs what authn does not log itself.
func (g *Gate) refuse(form problem.Writer, w http.ResponseWriter, r *http.Request, err error) {
	r = problem.Identify(r)
	write := problem.Logged(form, g.config.Logger)
	switch {
	case errors.Is(err, ratelimit.ErrExceeded), errors.Is(err, ratelimit.ErrUnavailable):
		write(w, r, ratelimit.Problem(err))
	case errors.Is(err, ratelimit.ErrNoSubject):
		g.misused.Write(r.Context(), g.config.Now(), slog.LevelError, "an authenticator returned a principal without Account and Subject: nobody can be charged",
			slog.String("request_id", problem.RequestID(r.Context())))
		write(w, r, ratelimit.Problem(err))
	case errors.Is(err, authz.ErrNoPathValue):
		g.misused.Write(r.Context(), g.config.Now(), slog.LevelError,
			"the route is misdeclared: its router does not set the path value that the need names; correct the name in From, or call r.SetPathValue before the gate",
			slog.String("request_id", problem.RequestID(r.Context())), slog.String("pattern", r.Pattern), slog.Any("err", err))
		write(w, r, authz.Problem(err))
	case errors.Is(err, authz.ErrMethod):
		g.misused.Write(r.Context(), g.config.Now(), slog.LevelWarn, "a route was called with a method that its need does not allow: if the route changes something, require a permission that is not read-only, or say ReadOnly",
			slog.String("request_id", problem.RequestID(r.Context())), slog.String("method", r.Method), slog.String("pattern", r.Pattern))
		w.Header().Set("Allow", "GET, HEAD, OPTIONS")
		write(w, r, authz.Problem(err))
	case authz.Refuses(err):
		write(w, r, authz.Problem(err))
	default:
		if p, ok := problemOf(err); ok {
			p.Cause = err
			write(w, r, p)
			return
		}
		_, known := authn.FromContext(r.Context())
		if outage := authn.Problem(err).Status == http.StatusServiceUnavailable; known && outage && !errors.Is(err, authn.ErrUnavailable) {
			g.fail(write, w, r, err)
			return
		}
		form(w, r, g.auth.Refused(r, err))
	}
}

// problemOf returns what a client is told about an error of the managers or the store,
// or false if err says that the request could not be decided.
func problemOf(err error) (p problem.Problem, ok bool) {
	if given, is := errors.AsType[*problem.Problem](err); is {
		return *given, true
	}
	if errors.Is(err, authn.ErrUnavailable) {
		return p, false
	}
	refuse := func(status int, code, detail string) (problem.Problem, bool) {
		return problem.Problem{Status: status, Code: code, Detail: detail}, true
	}
	switch {
	// Of people.
	case errors.Is(err, login.ErrFailed):
		return refuse(http.StatusUnauthorized, "login_failed", "The email address or the password is wrong: check both, or ask for a reset.")
	case errors.Is(err, login.ErrSuspended):
		return refuse(http.StatusForbidden, "account_suspended", "The user is suspended.")
	case errors.Is(err, login.ErrAccount):
		return refuse(http.StatusForbidden, "not_a_member", "The user is no member of the account: ask an owner of the account for an invitation.")
	case errors.Is(err, login.ErrToken):
		return refuse(http.StatusBadRequest, "invalid_token", "The token is wrong, has been used or has expired: ask for a new one.")
	case errors.Is(err, login.ErrPasswordRequired):
		return refuse(http.StatusBadRequest, "password_required", "Choose a password: this address has no user with one yet.")
	case errors.Is(err, login.ErrPasswordNotWanted):
		return refuse(http.StatusConflict, "password_not_wanted", "This address has a user with a password, which stays as it is: send the token alone, and log in.")
	case errors.Is(err, password.ErrInvalid):
		return passwordProblem(err)

	// Of keys.
	case errors.Is(err, apikey.ErrReused):
		return refuse(http.StatusUnprocessableEntity, "idempotency_key_reused", "This Idempotency-Key was sent with another request before: choose a new one.")
	case errors.Is(err, store.ErrQuota):
		return quotaProblem(err)
	case errors.Is(err, authn.ErrForbidden):
		return refuse(http.StatusForbidden, "owner_only", "Only its owner may do this: ask them.")
	case errors.Is(err, authn.ErrInvalid), errors.Is(err, store.ErrInvalid):
		return refuse(http.StatusBadRequest, "invalid_request", "The request asks for something that cannot be: check its values.")

	// Of records.
	case errors.Is(err, store.ErrNotFound):
		return problem.Problem{Status: http.StatusNotFound}, true
	}
	if errors.Is(err, store.ErrLast) {
		return refuse(http.StatusConflict, "last_owner", "The account would have no owner left who can log in: make another member an owner first.")
	}
	if p, ok := rotationProblem(err); ok {
		return p, true
	}
	switch {
	case errors.Is(err, store.ErrInactive):
		return refuse(http.StatusConflict, "inactive", "It is revoked, expired or disabled: read it, and use another one or enable it.")
	case errors.Is(err, store.ErrConflict):
		return refuse(http.StatusConflict, "conflict", "It has changed meanwhile, or exists already: read it again.")
	}
	if busy, is := errors.AsType[*password.BusyError](err); is {
		p, ok = refuse(http.StatusServiceUnavailable, "busy", "Too many people are logging in: try again.")
		p.Retry = busy.Retry
	}
	return p, ok
}

func passwordProblem(err error) (problem.Problem, bool) {
	if weak, ok := errors.AsType[*password.PolicyError](err); ok {
		return problem.Problem{Status: http.StatusBadRequest, Code: "password_" + weak.Code, Detail: weak.Detail}, true
	}
	return problem.Problem{Status: http.StatusBadRequest, Code: "invalid_request", Detail: "The password cannot be used: choose another one."}, true
}

func quotaProblem(err error) (problem.Problem, bool) {
	detail := "The account has as many API keys as it may have: revoke one first."
	if e, ok := errors.AsType[*apikey.QuotaError](err); ok {
		detail = "The account has " + strconv.Itoa(e.Quota) + " API keys that are not revoked or expired, the most that an account may have: revoke one first."
	}
	return problem.Problem{Status: http.StatusConflict, Code: "quota_reached", Detail: detail}, true
}

// rotationProblem names the key that is in the way of a rotation.
func rotationProblem(err error) (problem.Problem, bool) {
	p := problem.Problem{Status: http.StatusConflict, Code: "rotated_before"}
	if e, ok := errors.AsType[*apikey.RotatedError](err); ok {
		p.Detail = "The key has been rotated already. Its successor is " + e.Successor + ": rotate or revoke that one."
		return p, true
	}
	if e, ok := errors.AsType[*apikey.PredecessorError](err); ok {
		p.Detail = "The key " + e.Predecessor + ", which was rotated before, still works: revoke it, wait for its end, or rotate with a grace period of 0."
		return p, true
	}
	if errors.Is(err, apikey.ErrRotatedOften) {
		p.Detail = "The key has been rotated too often in a week: wait, or rotate with a grace period of 0, which ends the old key now."
		return p, true
	}
	return p, false
}

// fail answers a request whose handler could not do its work, and logs it. A client
// that hangs up is no outage.
func (g *Gate) fail(write problem.Writer, w http.ResponseWriter, r *http.Request, err error) {
	log, level := &g.failed, slog.LevelError
	if errors.Is(context.Cause(r.Context()), context.Canceled) {
		log, level = &g.abandoned, slog.LevelInfo // apart, so that these hide no outage
	}
	client := ""
	if a := g.addr(r); a.IsValid() {
		client = a.String()
	}
	log.Write(r.Context(), g.config.Now(), level, "request failed", slog.String("request_id", problem.RequestID(r.Context())),
		slog.String("client", client), slog.String("pattern", r.Pattern), slog.Any("err", err))
	write(w, r, problem.Problem{Status: http.StatusServiceUnavailable, Retry: time.Second, Cause: err})
}

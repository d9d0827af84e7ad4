package authn

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"medtwin.ai/tollgate/problem"
)

var (
	// ErrNotMine is an Authenticator's answer to a credential of another kind.
	ErrNotMine = errors.New("authn: not this kind of credential")
	// ErrNotRemembered is an Authenticator's answer to a credential that is not in
	// its memory: see Credential.MemoryOnly.
	ErrNotRemembered = errors.New("authn: not remembered")
	// ErrStale is an Authenticator's answer to a credential that is in its memory, but
	// has to be looked up again: see Credential.MemoryOnly.
	ErrStale = errors.New("authn: remembered, but no longer sure")
	// ErrMissing: the request carries no credential.
	ErrMissing = errors.New("authn: no credential")
	// ErrAmbiguous: the request carries more than one credential, or
	// X-Environment names more or less than one environment.
	ErrAmbiguous = errors.New("authn: more than one credential or environment")
	// ErrRejected: the credential proves nothing.
	ErrRejected = errors.New("authn: rejected")
	// ErrRevoked: the credential was right once, as only its holder can know.
	ErrRevoked = fmt.Errorf("%w: revoked", ErrRejected)
	// ErrExpired: likewise.
	ErrExpired = fmt.Errorf("%w: expired", ErrRejected)
	// ErrAddress: the credential may not be used from this address.
	ErrAddress = errors.New("authn: address not allowed")
	// ErrEnvironment: the request asks to act in an environment that the
	// credential is not for.
	ErrEnvironment = errors.New("authn: environment not allowed")
	// ErrCrossOrigin: a page of another origin tried to use the cookie.
	ErrCrossOrigin = errors.New("authn: cross-origin request with a cookie")
	// ErrUnavailable: whether the credential is good cannot be told now.
	ErrUnavailable = errors.New("authn: cannot tell who is calling")
	// ErrForbidden: the principal may not manage credentials.
	ErrForbidden = errors.New("authn: not allowed to manage credentials")
	// ErrInvalid: a specification that cannot be granted, with the reasons.
	ErrInvalid = errors.New("authn: invalid")
)

var errEnvironments = fmt.Errorf("%w: X-Environment", ErrAmbiguous)

// A ThrottledError: too many failed authentications, from this address or at
// what was guessed at: see Config.Failures and package login.
type ThrottledError struct{ Retry time.Duration }

// Error says no more than the type does.
func (t *ThrottledError) Error() string { return "authn: too many failed authentications" }

// Problem returns what a client is told about an error of [Middleware.Check] or
// [Middleware.Credential]. It takes an unknown error for an outage: nobody is
// told that a good credential is bad.
func Problem(err error) problem.Problem {
	p := problem.Problem{Status: http.StatusUnauthorized, Code: "unauthorized", Cause: err}
	p.Challenge = `Bearer realm="api", error="invalid_token"` // RFC 6750 §3
	var throttled *ThrottledError
	switch {
	case errors.As(err, &throttled):
		p.Status, p.Code, p.Detail = http.StatusTooManyRequests, "too_many_failures", "Too many failed authentications."
		p.Retry = throttled.Retry
	case errors.Is(err, ErrMissing):
		p.Detail, p.Challenge = "No credential was sent: send the header Authorization: Bearer, and then the key or token.", `Bearer realm="api"`
	case errors.Is(err, ErrRevoked):
		p.Code, p.Detail = "revoked", "The credential has been revoked or disabled."
	case errors.Is(err, ErrExpired):
		p.Code, p.Detail = "expired", "The credential has expired."
	case errors.Is(err, ErrRejected):
		p.Detail = "The credential is not valid."
	case errors.Is(err, errEnvironments):
		p.Status, p.Code = http.StatusBadRequest, "invalid_environment"
		p.Detail = "Send one X-Environment header with one name, or none."
	case errors.Is(err, ErrAmbiguous):
		p.Status, p.Code, p.Detail = http.StatusBadRequest, "ambiguous_credentials", "Send one Authorization header."
	case errors.Is(err, ErrCrossOrigin):
		p.Status, p.Code = http.StatusForbidden, "cross_origin"
		p.Detail = "A page of another origin may not do this with the user's cookie."
	case errors.Is(err, ErrEnvironment):
		p.Status, p.Code = http.StatusForbidden, "environment_not_allowed"
		p.Detail = "The credential may not be used in the environment that X-Environment names."
	case errors.Is(err, ErrAddress):
		p.Status, p.Code = http.StatusForbidden, "address_not_allowed"
		p.Detail = "The credential may not be used from this address."
	default:
		p.Status, p.Code, p.Retry = http.StatusServiceUnavailable, "unavailable", time.Second
		p.Detail = "Credentials cannot be verified at the moment."
	}
	return p
}

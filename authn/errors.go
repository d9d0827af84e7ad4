package authn

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"medtwin.ai/tollgate/problem"
)

var (
	// ErrNotMine is the answer of an Authenticator to a credential of another
	// kind. The next Authenticator is asked.
	ErrNotMine = errors.New("authn: not this kind of credential")
	// ErrNotRemembered is the answer of an Authenticator to a credential that
	// is not in its cache: see Credential.MemoryOnly.
	ErrNotRemembered = errors.New("authn: not remembered")
	// ErrStale is the answer of an Authenticator to a credential that is in its
	// cache but has to be read again: see Credential.MemoryOnly.
	ErrStale = errors.New("authn: remembered, but no longer sure")
	// ErrMissing says that the request carries no credential.
	ErrMissing = errors.New("authn: no credential")
	// ErrAmbiguous says that the request carries several credentials, or that
	// X-Environment does not name exactly one environment.
	ErrAmbiguous = errors.New("authn: more than one credential or environment")
	// ErrRejected says that the credential proves nothing.
	ErrRejected = errors.New("authn: rejected")
	// ErrRevoked says that the credential was good once. Only a caller who has
	// proved the secret gets it, so it tells strangers nothing.
	ErrRevoked = fmt.Errorf("%w: revoked", ErrRejected)
	// ErrExpired says that the credential was good until it expired. Only a
	// caller who has proved the secret gets it.
	ErrExpired = fmt.Errorf("%w: expired", ErrRejected)
	// ErrAddress says that the credential may not be used from the address of
	// the client.
	ErrAddress = errors.New("authn: address not allowed")
	// ErrEnvironment says that X-Environment names an environment that the
	// credential is not for.
	ErrEnvironment = errors.New("authn: environment not allowed")
	// ErrCrossOrigin says that a page of another origin tried to use the
	// cookie.
	ErrCrossOrigin = errors.New("authn: cross-origin request with a cookie")
	// ErrUnavailable says that it is unknown at the moment whether the
	// credential is good.
	ErrUnavailable = errors.New("authn: cannot tell who is calling")
	// ErrForbidden says that the principal may not manage credentials.
	ErrForbidden = errors.New("authn: not allowed to manage credentials")
	// ErrInvalid says that a specification cannot be granted. It wraps the
	// reasons.
	ErrInvalid = errors.New("authn: invalid")
)

// errEnvironments is an ErrAmbiguous with an answer of its own, which names the
// header that is wrong.
var errEnvironments = fmt.Errorf("%w: X-Environment", ErrAmbiguous)

// A ThrottledError says that too many authentications have failed. It is either
// about the address of the client (Config.Failures) or about an account that
// somebody tries to log in to (package login). Retry is the time until one more
// may fail.
type ThrottledError struct{ Retry time.Duration }

// Error names no address and no account.
func (t *ThrottledError) Error() string { return "authn: too many failed authentications" }

// Problem returns what a client is told about an error of [Middleware.Check] or
// [Middleware.Credential].
//
// It takes an unknown error for an outage, which is 503: a client must not be
// told that a good credential is bad. A 401 has a challenge (RFC 9110 §11.6.1,
// RFC 6750 §3). The challenge has an error code only if the request carried a
// credential, as RFC 6750 §3.1 asks.
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
		p.Code, p.Detail = "revoked", "The credential has been revoked or disabled: use another one."
	case errors.Is(err, ErrExpired):
		p.Code, p.Detail = "expired", "The credential has expired: use its successor, make a new one, or log in again."
	case errors.Is(err, ErrRejected):
		p.Detail = "The credential is not valid: send it whole, in Authorization: Bearer and then the key or token."
	case errors.Is(err, errEnvironments):
		p.Status, p.Code = http.StatusBadRequest, "invalid_environment"
		p.Detail = "Send one X-Environment header with one name, or none."
	case errors.Is(err, ErrAmbiguous):
		p.Status, p.Code, p.Detail = http.StatusBadRequest, "ambiguous_credentials", "Send one Authorization header."
	case errors.Is(err, ErrCrossOrigin):
		p.Status, p.Code = http.StatusForbidden, "cross_origin"
		p.Detail = "A page of another origin may not do this with the user's cookie: use the application's own page."
	case errors.Is(err, ErrEnvironment):
		p.Status, p.Code = http.StatusForbidden, "environment_not_allowed"
		p.Detail = "The credential may not be used in the environment that X-Environment names: use a key for it, or leave the header out."
	case errors.Is(err, ErrAddress):
		p.Status, p.Code = http.StatusForbidden, "address_not_allowed"
		p.Detail = "The credential may not be used from this address: use it from one that it is for, or ask for a key that is for this one."
	default:
		p.Status, p.Code, p.Retry = http.StatusServiceUnavailable, "unavailable", time.Second
		p.Detail = "Credentials cannot be verified at the moment."
	}
	return p
}

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
	ErrUnavailable = errors.New("authn: store unavailable")
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
func (e *ThrottledError) Error() string { return "authn: too many failed authentications" }

// deny is the default of Config.Deny. What it does not know is an outage:
// nobody is told that a good credential is bad.
func deny(w http.ResponseWriter, r *http.Request, err error) {
	var throttled *ThrottledError
	p := problem.Problem{Status: http.StatusUnauthorized, Code: "unauthorized"}
	challenge := ` error="invalid_token"`
	switch {
	case errors.As(err, &throttled):
		p = problem.Problem{
			Status: http.StatusTooManyRequests, Code: "too_many_failures", Retry: throttled.Retry,
			Detail: "Too many failed authentications.",
		}
	case errors.Is(err, ErrMissing):
		p.Detail, challenge = "No credential was sent.", ""
	case errors.Is(err, ErrRevoked):
		p.Code, p.Detail = "revoked", "The credential has been revoked."
	case errors.Is(err, ErrExpired):
		p.Code, p.Detail = "expired", "The credential has expired."
	case errors.Is(err, ErrRejected):
		p.Detail = "The credential is not valid."
	case errors.Is(err, errEnvironments):
		p = problem.Problem{
			Status: http.StatusBadRequest, Code: "invalid_environment",
			Detail: "Send one X-Environment header with one name, or none.",
		}
	case errors.Is(err, ErrAmbiguous):
		p = problem.Problem{
			Status: http.StatusBadRequest, Code: "ambiguous_credentials",
			Detail: "Send one Authorization header.",
		}
	case errors.Is(err, ErrCrossOrigin):
		p = problem.Problem{
			Status: http.StatusForbidden, Code: "cross_origin",
			Detail: "A page of another origin may not do this with the user's cookie.",
		}
	case errors.Is(err, ErrEnvironment):
		p = problem.Problem{
			Status: http.StatusForbidden, Code: "environment_not_allowed",
			Detail: "The credential may not be used in the environment that X-Environment names.",
		}
	case errors.Is(err, ErrAddress):
		p = problem.Problem{
			Status: http.StatusForbidden, Code: "address_not_allowed",
			Detail: "The credential may not be used from this address.",
		}
	default:
		p = problem.Problem{
			Status: http.StatusServiceUnavailable, Code: "unavailable", Retry: time.Second,
			Detail: "Credentials cannot be verified at the moment.",
		}
	}
	if p.Status == http.StatusUnauthorized { // RFC 6750 §3
		if challenge != "" {
			challenge = "," + challenge
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="api"`+challenge)
	}
	problem.Write(w, r, p)
}

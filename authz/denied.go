package authz

import (
	"errors"
	"fmt"
	"net/http"

	"medtwin.ai/tollgate/problem"
)

// A DeniedError says that somebody known may not do what was asked.
type DeniedError struct {
	Decision   Decision
	Permission string // that the route requires, held or not
}

// Error names what was missing. It is for logs; clients get fixed texts. It
// repeats a permission or an endpoint that the route asked for, and no text of
// the request, such as the id of a resource or a name in a grant to hand out:
// that may be a key in the wrong place. The Decision has it.
func (e *DeniedError) Error() string {
	d := e.Decision
	text := fmt.Sprintf("authz: %s: %s %s", d.Code, d.Layer, d.Dimension)
	if d.Code == "missing_permission" || d.Code == "endpoint_not_allowed" {
		text += fmt.Sprintf(": want %q", d.Wanted)
	}
	return text + fmt.Sprintf(", have %q", d.Held)
}

var details = map[string]string{
	"missing_permission":      "The caller does not hold the permission that this route requires.",
	"endpoint_not_allowed":    "The caller is restricted to other endpoints.",
	"environment_not_allowed": "The caller may not act in this environment.",
	"out_of_scope":            "The caller's scope does not include this resource.",
	"account_suspended":       "The account is suspended.",
	"account_read_only":       "The account may look but not change anything.",
	"scope_exceeds_caller":    "The caller cannot hand out more than the caller may do.",

	"insufficient_user_authentication": "This asks for a more recent proof of identity: log in again.",
}

// Problem returns what a client is told about err. A *[DeniedError] is 403 with
// its code and the permission that was missing, or 404 where the need says HideDenial.
// A proof of identity that is too old is 401 with the challenge of RFC 9470,
// section 3. ErrNotFound is 404 and ErrMethod 405. Any other error is 500 and not
// shown.
//
// A resource that is missing, one of another account, and a path without a route
// must be answered with the same bytes, so that nobody learns which ids exist.
// Answer all of them with a Problem of which only the Status is set, 404, as here.
func Problem(err error) problem.Problem {
	p := problem.Problem{Status: http.StatusInternalServerError, Cause: err}
	denied, ok := errors.AsType[*DeniedError](err)
	switch {
	case errors.Is(err, ErrNotFound):
		p.Status = http.StatusNotFound
	case errors.Is(err, ErrMethod):
		p.Status = http.StatusMethodNotAllowed
	case errors.Is(err, errAnonymous):
		p.Status = http.StatusUnauthorized
	}
	if !ok {
		return p
	}
	d := &denied.Decision
	p = problem.Problem{Status: http.StatusForbidden, Code: d.Code, Detail: d.detail(), Cause: err}
	switch {
	case d.HideDenial:
		p = problem.Problem{Status: http.StatusNotFound, Cause: err}
	case d.Code == "insufficient_user_authentication":
		p.Status, p.Challenge = http.StatusUnauthorized, d.challenge()
	case d.Code == "missing_permission":
		p.Permission = denied.Permission
	}
	return p
}

// Refuses reports whether err is a refusal of this package: a *[DeniedError],
// ErrNotFound, ErrMethod or an anonymous caller.
func Refuses(err error) bool {
	_, denied := errors.AsType[*DeniedError](err)
	return denied || errors.Is(err, ErrNotFound) || errors.Is(err, ErrMethod) || errors.Is(err, errAnonymous)
}

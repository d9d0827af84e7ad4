package authz

import (
	"errors"
	"fmt"
	"net/http"

	"medtwin.ai/tollgate/problem"
)

// A DeniedError says that a known caller may not do what they asked for.
type DeniedError struct {
	Decision   Decision
	Permission string // the one that the route requires, held or not
}

// Error names what was missing. It is for logs, and clients get fixed texts. It
// repeats a permission or an endpoint, which the route chose. It repeats no
// text of the request, such as the id of a resource or a name in a grant:
// somebody may have put a key there by mistake. The Decision has those.
func (e *DeniedError) Error() string {
	d := e.Decision
	text := fmt.Sprintf("authz: %s: %s %s", d.Code, d.Layer, d.Dimension)
	if d.Code == "missing_permission" || d.Code == "endpoint_not_allowed" {
		text += fmt.Sprintf(": want %q", d.Wanted)
	}
	return text + fmt.Sprintf(", have %q", d.Held)
}

// details are the texts for clients, by code.
var details = map[string]string{
	"missing_permission":      "The caller does not hold the permission that this route requires: ask for a key or a role with it.",
	"endpoint_not_allowed":    "The caller is restricted to other endpoints: ask for a key that may call this one.",
	"environment_not_allowed": "The caller may not act in this environment: use a key for it.",
	"out_of_scope":            "The caller's scope does not include this resource: ask for a key that includes it.",
	"account_suspended":       "The account is suspended: ask those who run the service.",
	"account_read_only":       "The account may look but not change anything: ask those who run the service.",
	"person_required":         "Only a person who has logged in may do this, and no API key: log in.",
	"scope_exceeds_caller":    "The caller cannot hand out more than the caller may do.",

	"insufficient_user_authentication": "This asks for a more recent proof of identity: log in again.",
}

// Problem returns what a client is told about err:
//
//   - a *[DeniedError]: 403 with its code, and the permission if that was
//     missing. It is 404 if the need says HideDenial.
//   - a proof of identity that is too old: 401 with the challenge of RFC 9470
//     §3.
//   - ErrNotFound: 404. ErrMethod: 405.
//   - any other error: 500, without its text.
//
// A missing resource, a resource of another account and a path without a route
// must get the same bytes, so that nobody learns which ids exist. Answer all
// three with a Problem of which only the Status is set, 404, as this function
// does.
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
// ErrNotFound, ErrMethod, or an anonymous caller on a route that needs one.
func Refuses(err error) bool {
	_, denied := errors.AsType[*DeniedError](err)
	return denied || errors.Is(err, ErrNotFound) || errors.Is(err, ErrMethod) || errors.Is(err, errAnonymous)
}

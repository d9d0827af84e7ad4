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

// Error names what was missing. It is for logs; clients get fixed texts.
func (e *DeniedError) Error() string {
	d := e.Decision
	return fmt.Sprintf("authz: %s: %s %s: want %q, have %q", d.Code, d.Layer, d.Dimension, d.Wanted, d.Held)
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

// Refuse answers r with err: a *[DeniedError] is 403 with its code in
// X-Denied-Reason and a missing permission in X-Required-Permission, or 404
// where the need says Hide. A proof of identity that is too old is 401 with
// the challenge of RFC 9470, section 3. Any other error is 500 and not shown.
func Refuse(w http.ResponseWriter, r *http.Request, err error) {
	denied, ok := errors.AsType[*DeniedError](err)
	switch {
	case !ok:
		problem.Write(w, r, problem.Problem{Status: http.StatusInternalServerError})
	case denied.Decision.Hide:
		NotFound(w, r)
	case denied.Decision.Code == "insufficient_user_authentication":
		challenge(w, r, &denied.Decision)
	default:
		p := problem.Problem{Status: http.StatusForbidden, Code: denied.Decision.Code, Detail: details[denied.Decision.Code]}
		if p.Code == "missing_permission" {
			p.Permission = denied.Permission
		}
		problem.Write(w, r, p)
	}
}

// NotFound answers r as missing. What is missing, what is another account's,
// and what no route serves must be told by the same bytes, so that nobody
// learns which ids exist: answer all with this.
func NotFound(w http.ResponseWriter, r *http.Request) {
	problem.Write(w, r, problem.Problem{Status: http.StatusNotFound})
}

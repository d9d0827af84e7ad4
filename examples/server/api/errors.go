package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/problem"
)

// The sentences that the documents of the API fix. They are bytes that clients
// may compare, so they stand for the documented causes and for no other.
const (
	unauthorized    = "Invalid or missing API key"
	flatForbidden   = "API key does not have permission for this resource"
	nestedForbidden = "API key does not have required permissions"
	tooManyRequests = "Too many requests. Retry after %d seconds."
)

// writeProblem is the problem.Writer of this server. Rubrics and artifacts are
// documented with a flat body, all else with a nested one; a client whose Accept
// header names it gets RFC 9457 everywhere. A documented cause has the documented
// bytes. Every other cause has the same shape with a code and a sentence of its
// own.
func writeProblem(w http.ResponseWriter, r *http.Request, p problem.Problem) {
	p = problem.Prepare(w, r, p)
	outcomeOf(r).refused(r, p)
	if problem.Accepted(r) {
		problem.Write(w, r, p)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(p.Status)
	if flatRoute(r.URL.Path) {
		code, message := documented(r, p, flatForbidden)
		w.Write(encoded(flatError{code, message, p.RetrySeconds()}))
		return
	}
	code, message := documented(r, p, nestedForbidden)
	w.Write(encoded(nestedError{flatError{strings.ToUpper(code), message, p.RetrySeconds()}.inner()}))
}

type flatError struct {
	Error   string `json:"error"`
	Message string `json:"message"`
	Retry   int64  `json:"retry_after,omitempty"` // seconds
}

type nestedError struct {
	Error innerError `json:"error"`
}

type innerError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Retry   int64  `json:"retry_after,omitempty"` // seconds
}

func (e flatError) inner() innerError { return innerError{e.Error, e.Message, e.Retry} }

// documented returns the code and the sentence of p: those of the documents for
// the causes that they list.
func documented(r *http.Request, p problem.Problem, forbidden string) (code, message string) {
	switch p.Code {
	case "missing_permission", "person_required", "endpoint_not_allowed", "out_of_scope", "account_suspended":
		return "forbidden", forbidden
	case "rate_limit_exceeded":
		if p.Retry > 0 { // there is no documented sentence without a time
			return p.Code, fmt.Sprintf(tooManyRequests, p.RetrySeconds())
		}
	case "too_many_failures": // which is no limit of a plan
		return p.Code, fmt.Sprintf("Too many failed attempts. Retry after %d seconds.", p.RetrySeconds())
	case "insufficient_user_authentication":
		if !sentSession(r) { // logging in again does not help a key
			return p.Code, "This asks for a recent login: an API key cannot do it."
		}
	case "unauthorized":
		if sentSession(r) {
			return p.Code, "The session is not valid: log in again."
		}
		return p.Code, unauthorized
	case "expired":
		if sentSession(r) {
			return p.Code, "The session has expired: log in again."
		}
		return "unauthorized", unauthorized
	case "revoked":
		if sentSession(r) {
			return p.Code, "The session has ended: log in again."
		}
		return p.Code, "The API key has been revoked or disabled."
	}
	return p.Code, p.Detail
}

// flatRoute reports whether errors of a path are documented as flat.
func flatRoute(path string) bool {
	for _, prefix := range []string{"/v1/rubrics", "/v1/artifacts"} {
		if rest, ok := strings.CutPrefix(path, prefix); ok && (rest == "" || rest[0] == '/') {
			return true
		}
	}
	return false
}

// sentSession reports whether the credential of r is meant to be a session, so
// that a person is not told of API keys. It looks at the form alone: the session
// may not exist.
func sentSession(r *http.Request) bool {
	if values := r.Header["Authorization"]; len(values) > 0 {
		scheme, token, _ := strings.Cut(values[0], " ")
		const session = "session" // of its length in bytes, so that the letters folded are ASCII
		return len(scheme) == len(session) && strings.EqualFold(scheme, session) || strings.HasPrefix(strings.TrimLeft(token, " "), "sess_")
	}
	_, err := r.Cookie(tollgate.SessionCookie)
	return err == nil
}

// encoded returns v as JSON without escapes for HTML, which it is never read as.
func encoded(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(v) // structs of strings and numbers always encode
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

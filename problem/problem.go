// Package problem writes error answers in the form of RFC 9457. An application
// with a form of its own gives the other packages a [Writer].
package problem

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"medtwin.ai/tollgate/internal/watch"
)

// A Problem is what a client is told about a request that failed. What is
// written repeats nothing of the request, and nothing of the cause.
type Problem struct {
	Status     int           // 400 to 599; anything else is 500
	Code       string        // for programs, in snake_case: "missing_permission"; "": follows from the status
	Detail     string        // one sentence for people; "": follows from the status
	Type       string        // URI reference (RFC 9457 §3.1.1); "": left out, which means about:blank
	Retry      time.Duration // the time until the same request may pass, rounded up to seconds; 0: unknown
	Permission string        // the permission that was missing; "": none, or unknown
	Violated   []string      // names of the limits that were exceeded
	Challenge  string        // WWW-Authenticate of a 401; "": what the header has, else a plain Bearer challenge
	RequestID  string        // set by Prepare

	// Cause is the error behind the problem. It is for logs, and for a Writer
	// that answers causes differently. No client sees it. nil means that none
	// is known.
	Cause error `json:"-"`
}

// Error returns the code and the detail, so that a function can return a *Problem as its
// error. It says nothing of Cause.
func (p *Problem) Error() string {
	full := p.withDefaults()
	return "problem: " + full.Code + ": " + full.Detail
}

// StatusCode returns the status, as frameworks expect it of an error that is an answer.
func (p *Problem) StatusCode() int { return p.withDefaults().Status }

// MarshalJSON returns the content that Write sends. It never fails.
func (p *Problem) MarshalJSON() ([]byte, error) { return p.withDefaults().body(), nil }

// Write is the default [Writer]. It answers r with p in the form of RFC 9457.
// The code, the request id and the other fields of p are extension members
// (§3.2). Nothing may have been written to w before.
func Write(w http.ResponseWriter, r *http.Request, p Problem) {
	p = Prepare(w, r, p)
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(p.Status)
	w.Write(p.body()) // net/http drops it if the method is HEAD
}

const mediaType = "application/problem+json"

// Prepare does what all forms of an answer have in common, so that a [Writer]
// chooses the body only. It sets the headers below, and returns p with its
// defaults and its request id. Afterwards the Writer sets Content-Type, writes
// the header with the status of the returned Problem, and writes a body. Or it
// calls [Write], which may prepare a second time.
//
// Every answer has X-Request-Id, Cache-Control: no-store and
// X-Content-Type-Options: nosniff. A 401 has WWW-Authenticate (RFC 9110
// §15.5.2). A 403 has X-Denied-Reason with the code and, if a permission was
// missing, X-Required-Permission. Retry sets Retry-After.
func Prepare(w http.ResponseWriter, r *http.Request, p Problem) Problem {
	p = p.withDefaults()
	p.RequestID = cmp.Or(RequestID(r.Context()), p.RequestID)
	if p.RequestID == "" {
		p.RequestID = newID()
	}
	if watcher := watch.From(r.Context()); watcher != nil {
		watcher.Refused(w)
	}

	h := w.Header()
	// These describe the content that this answer replaces.
	for _, name := range []string{"Content-Encoding", "Content-Length", "Etag", "Last-Modified"} {
		h.Del(name)
	}
	h.Set("X-Request-Id", p.RequestID)
	if !strings.Contains(h.Get("Cache-Control"), "no-store") { // authn may have set "private, no-store"
		h.Set("Cache-Control", "no-store")
	}
	h.Set("X-Content-Type-Options", "nosniff")
	switch p.Status {
	case http.StatusUnauthorized:
		// RFC 6750 §3 requires at least one parameter after Bearer.
		h.Set("WWW-Authenticate", cmp.Or(p.Challenge, h.Get("WWW-Authenticate"), `Bearer realm="api"`))
	case http.StatusForbidden:
		h.Set("X-Denied-Reason", p.Code)
		if p.Permission != "" {
			h.Set("X-Required-Permission", p.Permission)
		}
	}
	if n := p.RetrySeconds(); n > 0 {
		h.Set("Retry-After", strconv.FormatInt(n, 10))
	}
	return p
}

// RetrySeconds returns Retry in whole seconds, rounded up, or 0 if there is
// none.
func (p Problem) RetrySeconds() int64 {
	if p.Retry <= 0 {
		return 0
	}
	return int64((p.Retry-1)/time.Second) + 1
}

// body returns the content that RFC 9457 §3 describes. It does not escape HTML,
// because the content type and nosniff say that it is none.
func (p Problem) body() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(struct { // strings and numbers can always be encoded
		Type       string   `json:"type,omitempty"`
		Title      string   `json:"title,omitempty"`
		Status     int      `json:"status"`
		Detail     string   `json:"detail"`
		Code       string   `json:"code"`
		ID         string   `json:"request_id"`
		Retry      int64    `json:"retry_after,omitempty"` // seconds
		Permission string   `json:"required_permission,omitempty"`
		Violated   []string `json:"violated-policies,omitempty"`
	}{p.Type, http.StatusText(p.Status), p.Status, p.Detail, p.Code, p.RequestID, p.RetrySeconds(), p.Permission, p.Violated})
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// withDefaults returns p with what follows from the status filled in.
func (p Problem) withDefaults() Problem {
	if p.Status < 400 || p.Status > 599 {
		p.Status = http.StatusInternalServerError
	}
	code, detail := byStatus(p.Status)
	p.Code = cmp.Or(p.Code, code)
	p.Detail = cmp.Or(p.Detail, detail)
	return p
}

// byStatus returns the code and the sentence of a status, for problems that
// have none of their own.
func byStatus(status int) (code, detail string) {
	switch status {
	case http.StatusUnauthorized:
		return "unauthorized", "A valid credential is required."
	case http.StatusForbidden:
		return "forbidden", "The caller may not do this."
	case http.StatusNotFound:
		return "not_found", "No such resource: check the path and the id."
	case http.StatusMethodNotAllowed:
		return "method_not_allowed", "This resource does not support that method: the header Allow lists those that it does."
	case http.StatusTooManyRequests:
		return "rate_limit_exceeded", "Too many requests: wait for the seconds that Retry-After names."
	case http.StatusInternalServerError:
		return "internal_error", "Something went wrong on our side."
	case http.StatusServiceUnavailable:
		return "unavailable", "The service is temporarily unavailable."
	}
	text := http.StatusText(status)
	if text == "" {
		return "error", "The request failed."
	}
	return strings.NewReplacer(" ", "_", "-", "_", "'", "").Replace(strings.ToLower(text)), text + "."
}

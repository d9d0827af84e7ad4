// Package problem writes error answers as RFC 9457 describes them. An application
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
// written repeats nothing of the request and nothing of the cause.
type Problem struct {
	Status     int           // 400 to 599; anything else is 500
	Code       string        // for programs, in snake_case: "missing_permission"; "": by the status
	Detail     string        // one sentence for people; "": by the status
	Type       string        // URI reference of RFC 9457 §3.1.1; "": omitted, which means about:blank
	Retry      time.Duration // when the same request may pass, rounded up to seconds; 0: not said
	Permission string        // the one that was missing; "": not said
	Violated   []string      // names of the limits that were exceeded
	Challenge  string        // WWW-Authenticate of a 401; "": what the header holds, else a plain Bearer challenge
	RequestID  string        // set by Prepare

	// Cause is the error behind the problem, for logs and for a Writer that
	// tells causes apart. It is never shown to clients. nil: none is known.
	Cause error `json:"-"`
}

// Write is the default [Writer]: it answers r with p in the form of RFC 9457,
// with the code, the request id and what else p holds as extension members
// (§3.2). Nothing may have been written to w before.
func Write(w http.ResponseWriter, r *http.Request, p Problem) {
	p = Prepare(w, r, p)
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(p.Status)
	w.Write(p.body()) // net/http drops it for HEAD
}

const mediaType = "application/problem+json"

// Prepare does what is common to all forms of an answer, so that a [Writer] only
// chooses the body. It sets the headers below and returns p with its defaults
// and its request id filled in. Afterwards the Writer sets the Content-Type,
// writes the header with the status of the Problem that was returned, and
// writes a body; or it calls [Write], which prepares once more to no effect.
//
// Every answer has X-Request-Id, Cache-Control: no-store and
// X-Content-Type-Options: nosniff. A 401 has WWW-Authenticate (RFC 9110
// §15.5.2). A 403 has X-Denied-Reason, the code, and X-Required-Permission
// where a permission was missing. Retry sets Retry-After.
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
	// They would describe the content that this one replaces.
	for _, name := range []string{"Content-Encoding", "Content-Length", "Etag", "Last-Modified"} {
		h.Del(name)
	}
	h.Set("X-Request-Id", p.RequestID)
	if !strings.Contains(h.Get("Cache-Control"), "no-store") { // authn may have added private to it
		h.Set("Cache-Control", "no-store")
	}
	h.Set("X-Content-Type-Options", "nosniff")
	switch p.Status {
	case http.StatusUnauthorized:
		// RFC 6750 §3 requires a parameter.
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

// RetrySeconds returns Retry in whole seconds, rounded up, and 0 if there is none.
func (p Problem) RetrySeconds() int64 {
	if p.Retry <= 0 {
		return 0
	}
	return int64((p.Retry-1)/time.Second) + 1
}

// body returns the content that RFC 9457 §3 describes. It is JSON without
// escapes for HTML, which this never is: the content type and nosniff say so.
func (p Problem) body() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(struct { // strings and numbers always encode
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

// withDefaults fills in what follows from the status.
func (p Problem) withDefaults() Problem {
	if p.Status < 400 || p.Status > 599 {
		p.Status = http.StatusInternalServerError
	}
	code, detail := byStatus(p.Status)
	p.Code = cmp.Or(p.Code, code)
	p.Detail = cmp.Or(p.Detail, detail)
	return p
}

func byStatus(status int) (code, detail string) {
	switch status {
	case http.StatusUnauthorized:
		return "unauthorized", "A valid credential is required."
	case http.StatusForbidden:
		return "forbidden", "The caller may not do this."
	case http.StatusNotFound:
		return "not_found", "No such resource."
	case http.StatusMethodNotAllowed:
		return "method_not_allowed", "This resource does not support that method."
	case http.StatusTooManyRequests:
		return "rate_limit_exceeded", "Too many requests."
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

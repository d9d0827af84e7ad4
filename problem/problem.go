// Package problem writes error answers, and is the only one that does: in the
// form of RFC 9457 and in the two that the seed documents fix.
package problem

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"medtwin.ai/tollgate/internal/request"
)

// A Problem is what a client is told about a request that failed. It repeats
// nothing of the request and nothing of the cause: those go to the log.
type Problem struct {
	Status     int           // 400 to 599; anything else is 500
	Code       string        // for programs, in snake_case: "missing_permission"; "": by the status
	Detail     string        // one sentence for people; "": by the status
	Type       string        // URI reference of RFC 9457 §3.1.1; "": omitted, which means about:blank
	Retry      time.Duration // when the same request may pass, rounded up to seconds; 0: not said
	Permission string        // the one that was missing; "": not said
	Violated   []string      // names of the limits that were exceeded
}

// Write answers r with p, in the form that [Wrap] has chosen or, where the
// client's Accept header names application/problem+json, in that of RFC 9457.
// Nothing may have been written to w before.
//
// Every answer has X-Request-Id, Cache-Control: no-store and
// X-Content-Type-Options: nosniff. A 401 has WWW-Authenticate (RFC 9110
// §15.5.2), which the caller may have set; a 403 has X-Denied-Reason, the
// code, and X-Required-Permission where there is one; Retry sets Retry-After.
func Write(w http.ResponseWriter, r *http.Request, p Problem) {
	s := request.From(r.Context())
	if !s.Of(r) { // for this answer alone
		outer := s
		s = new(request.State)
		if outer != nil {
			s.Inherit(outer)
		}
	}
	if s.ID == "" {
		s.ID = newID()
	}
	p = p.withDefaults()
	s.Problem = &p

	h := w.Header()
	// They would describe the content that this one replaces.
	for _, name := range []string{"Content-Encoding", "Content-Length", "Etag", "Last-Modified"} {
		h.Del(name)
	}
	h.Set("X-Request-Id", s.ID)
	if !strings.Contains(h.Get("Cache-Control"), "no-store") { // authn may have added private to it
		h.Set("Cache-Control", "no-store")
	}
	h.Set("X-Content-Type-Options", "nosniff")
	if p.Status == http.StatusUnauthorized && h.Get("WWW-Authenticate") == "" {
		h.Set("WWW-Authenticate", `Bearer realm="api"`) // RFC 6750 §3 wants a parameter
	}
	if p.Status == http.StatusForbidden {
		h.Set("X-Denied-Reason", p.Code)
		if p.Permission != "" {
			h.Set("X-Required-Permission", p.Permission)
		}
	}
	if n := p.seconds(); n > 0 {
		h.Set("Retry-After", strconv.FormatInt(n, 10))
	}

	form := Format(s.Format)
	if form != RFC9457 && slices.ContainsFunc(r.Header["Accept"], acceptsProblem) {
		form = RFC9457
	}
	media, body := "application/json", []byte(nil)
	switch form {
	case Nested:
		body = p.nested()
	case Flat:
		body = p.flat()
	default:
		media, body = "application/problem+json", p.rfc9457(s.ID)
	}
	h.Set("Content-Type", media)
	w.WriteHeader(p.Status)
	w.Write(body) // net/http drops it for HEAD
}

// seconds returns Retry in whole seconds, rounded up, 0 when there is none.
func (p Problem) seconds() int64 {
	if p.Retry <= 0 {
		return 0
	}
	return int64((p.Retry-1)/time.Second) + 1
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
		return "unauthorized", unauthorized
	case http.StatusForbidden:
		return "forbidden", nestedForbidden
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

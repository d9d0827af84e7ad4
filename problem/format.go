package problem

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// A Format is a form of error bodies.
type Format uint8

const (
	RFC9457 Format = iota // application/problem+json
	Nested                // {"error":{"code":…,"message":…}}, of seed 001
	Flat                  // {"error":…,"message":…}, of seed 000
)

// String returns "rfc9457", "nested" or "flat".
func (f Format) String() string {
	switch f {
	case RFC9457:
		return "rfc9457"
	case Nested:
		return "nested"
	case Flat:
		return "flat"
	}
	return fmt.Sprintf("format(%d)", uint8(f))
}

// The sentences of the seeds. In their forms they stand for every cause: why
// exactly is in the headers.
const (
	unauthorized    = "Invalid or missing API key"
	nestedForbidden = "API key does not have required permissions"
	flatForbidden   = "API key does not have permission for this resource"
	tooManyRequests = "Too many requests. Retry after %d seconds."
)

// rfc9457 returns the body of RFC 9457 §3, with the members of this package
// as extensions (§3.2).
func (p Problem) rfc9457(id string) []byte {
	return encode(struct {
		Type       string   `json:"type,omitempty"`
		Title      string   `json:"title,omitempty"`
		Status     int      `json:"status"`
		Detail     string   `json:"detail"`
		Code       string   `json:"code"`
		ID         string   `json:"request_id"`
		Retry      int64    `json:"retry_after,omitempty"` // seconds
		Permission string   `json:"required_permission,omitempty"`
		Violated   []string `json:"violated-policies,omitempty"`
	}{p.Type, http.StatusText(p.Status), p.Status, p.Detail, p.Code, id, p.seconds(), p.Permission, p.Violated})
}

// nested returns the body of seed 001. The two that it does not show, 429 and
// all others, follow the same shape.
func (p Problem) nested() []byte {
	p = p.asSeed(nestedForbidden)
	var body struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
			Retry   int64  `json:"retry_after,omitempty"` // seconds
		} `json:"error"`
	}
	body.Error.Code = strings.ToUpper(p.Code)
	body.Error.Message = p.Detail
	body.Error.Retry = p.seconds()
	return encode(body)
}

// flat returns the body of seed 000.
func (p Problem) flat() []byte {
	p = p.asSeed(flatForbidden)
	return encode(struct {
		Error   string `json:"error"`
		Message string `json:"message"`
		Retry   int64  `json:"retry_after,omitempty"` // seconds
	}{p.Code, p.Detail, p.seconds()})
}

// asSeed replaces code and detail where the seeds fix them. A 429 that names
// no time is none of theirs: it keeps its own.
func (p Problem) asSeed(forbidden string) Problem {
	switch {
	case p.Status == http.StatusUnauthorized:
		p.Code, p.Detail = "unauthorized", unauthorized
	case p.Status == http.StatusForbidden:
		p.Code, p.Detail = "forbidden", forbidden
	case p.Status == http.StatusTooManyRequests && p.Retry > 0:
		p.Code, p.Detail = "rate_limit_exceeded", fmt.Sprintf(tooManyRequests, p.seconds())
	}
	return p
}

// encode returns v as compact JSON without escapes for HTML, which this never
// is: the content type and nosniff say so.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(v) // structs of strings and numbers always encode
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

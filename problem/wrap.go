package problem

import (
	"context"
	"crypto/rand"
	"net/http"

	"medtwin.ai/tollgate/internal/request"
)

// Wrap gives every request an id, also sent as X-Request-Id, and chooses the
// form of its errors. The id is always made here and never taken from the
// client. Where Wraps nest, the outer one makes the id and the inner one
// chooses the form. A nil format means [RFC9457]. A request that a handler
// makes on the context of its own request has the same id.
func Wrap(format func(*http.Request) Format, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, s := request.Attach(r)
		if s.ID == "" {
			s.ID = newID()
		}
		w.Header().Set("X-Request-Id", s.ID)
		form := uint8(RFC9457)
		if format != nil {
			form = uint8(format(r))
		}
		if !s.Wrapped || s.Format != form { // others may be reading
			s.Format, s.Wrapped = form, true
		}
		next.ServeHTTP(w, r)
	})
}

// RequestID returns the id of the request that ctx belongs to, or "" where it
// has none yet.
func RequestID(ctx context.Context) string {
	if s := request.From(ctx); s != nil {
		return s.ID
	}
	return ""
}

// FromContext returns the problem that the request was answered with, for
// those who log answers and must not wrap the ResponseWriter; false where none
// has been written. What is written to a request with another URL, Method, Host
// or Header map is not seen, so a log goes inside [http.StripPrefix].
func FromContext(ctx context.Context) (Problem, bool) {
	if s := request.From(ctx); s != nil {
		if p, ok := s.Problem.(*Problem); ok {
			return *p, true
		}
	}
	return Problem{}, false
}

// newID returns 80 random bits in 16 characters of a-z2-7: short enough to be
// read out on the telephone.
func newID() string {
	const letters = "abcdefghijklmnopqrstuvwxyz234567"
	var id [16]byte
	rand.Read(id[:]) // never fails
	for i, b := range id {
		id[i] = letters[b%32]
	}
	return string(id[:])
}

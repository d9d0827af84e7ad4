package problem

import (
	"context"
	"crypto/rand"
	"net/http"
)

// RequestIDs gives every request an id and sends it as X-Request-Id. It goes
// around everything else. The id is made here, or is the one that
// [WithRequestID] has put on the context, and never taken from the client; where
// RequestIDs nest, the outer one makes it. A request that a handler makes on the
// context of its own request has the same id.
func RequestIDs(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = Identify(r)
		w.Header().Set("X-Request-Id", RequestID(r.Context()))
		next.ServeHTTP(w, r)
	})
}

// Identify returns r with a request id: r itself if it has one. Code that logs
// a refusal before it is written calls it first, so that the log and the
// answer hold the same id.
func Identify(r *http.Request) *http.Request {
	if RequestID(r.Context()) != "" {
		return r
	}
	return r.WithContext(WithRequestID(r.Context(), newID()))
}

// WithRequestID returns a context with a request id, for an application that has
// one of its own, such as the id of a trace. Clients and logs see it.
func WithRequestID(ctx context.Context, id string) context.Context {
	return &identified{ctx, id}
}

// RequestID returns the id of the request that ctx belongs to, or "" if it has
// none yet.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(idKey{}).(*identified)
	if id == nil {
		return ""
	}
	return id.id
}

type idKey struct{}

// identified is a context with an id. It is its own value, which saves an
// allocation over context.WithValue.
type identified struct {
	context.Context
	id string
}

// Value implements [context.Context].
func (i *identified) Value(key any) any {
	if key == (idKey{}) {
		return i
	}
	return i.Context.Value(key)
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

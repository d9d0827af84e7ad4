package problem

import (
	"context"
	"crypto/rand"
	"net/http"
)

// RequestIDs gives every request an id, and sends it as X-Request-Id. Put it
// around everything else. The id is new, or the one that [WithRequestID] has
// put on the context. It is never taken from the client, who could otherwise
// write into logs or pretend to be another request. If RequestIDs are nested,
// the outer one makes the id. A request that a handler makes on the context of
// its own request has the same id.
func RequestIDs(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = Identify(r)
		w.Header().Set("X-Request-Id", RequestID(r.Context()))
		next.ServeHTTP(w, r)
	})
}

// Identify returns a request with an id: r itself if it has one. Code that logs
// a refusal before it is written calls Identify first, so that the log and the
// answer have the same id.
func Identify(r *http.Request) *http.Request {
	if RequestID(r.Context()) != "" {
		return r
	}
	return r.WithContext(WithRequestID(r.Context(), newID()))
}

// WithRequestID returns a context with a request id. It is for an application
// that has ids of its own, such as those of traces. Clients and logs see the
// id.
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
// allocation compared with context.WithValue.
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

// newID returns 80 random bits as 16 characters of a-z2-7, which can be read
// out on the telephone. 256 is a multiple of 32, so every character is equally
// likely.
func newID() string {
	const letters = "abcdefghijklmnopqrstuvwxyz234567"
	var id [16]byte
	rand.Read(id[:]) // it never fails: see crypto/rand
	for i, b := range id {
		id[i] = letters[b%32]
	}
	return string(id[:])
}

package authn

import (
	"log/slog"
	"net/http"
	"strings"

	"medtwin.ai/tollgate/internal/request"
)

// serve calls next. What a person's session has opened is for that person
// alone, and a browser sends a cookie without a header that a cache would look
// at, so those answers get Cache-Control: private, no-store (RFC 9111 §5.2.2)
// before next runs. A handler that replaces it may know better, and is logged
// once for each pattern.
func (m *Middleware) serve(next http.Handler, w http.ResponseWriter, r *http.Request) {
	if !personal(r) {
		next.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Cache-Control", "private, no-store")
	next.ServeHTTP(w, r)
	if got := strings.Join(w.Header()["Cache-Control"], ", "); !strings.Contains(got, "no-store") {
		if _, again := m.cacheable.LoadOrStore(r.Pattern, true); !again {
			m.refused.Logger.WarnContext(r.Context(), "a handler lets caches keep what a session opened: have it leave Cache-Control alone",
				slog.String("pattern", r.Pattern), slog.String("cache_control", got))
		}
	}
}

// personal reports whether a session, or whatever came in the cookie, has been
// admitted.
func personal(r *http.Request) bool {
	s := request.From(r.Context())
	if s == nil {
		return false
	}
	p, ok := s.Principal.(*Principal)
	return ok && (p.Kind == KindSession || len(r.Header["Authorization"]) == 0)
}

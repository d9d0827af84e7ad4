package authn

import (
	"log/slog"
	"net/http"
	"sync"
	"time"

	"medtwin.ai/tollgate/internal/request"
)

// failureLog writes at most burst lines a second, so that a flood of bad
// requests is not a flood of log lines as well, and counts what it left out.
type failureLog struct {
	logger *slog.Logger

	mu      sync.Mutex
	second  int64
	written int
	dropped int
}

const burst = 10

// note logs that a request was refused, or that nobody can tell.
func (m *Middleware) note(r *http.Request, s *request.State, err error) {
	l, level, text := &m.refused, slog.LevelInfo, "request refused"
	if _, throttled := err.(*ThrottledError); !throttled && !callersFault(err) {
		l, level, text = &m.failed, slog.LevelError, "credential not verified"
	}
	if !l.logger.Enabled(r.Context(), level) {
		return
	}
	dropped, ok := l.admit(s.Now)
	if !ok {
		return
	}
	l.logger.LogAttrs(r.Context(), level, text,
		slog.Any("err", err), slog.String("request_id", s.ID), slog.String("remote", r.RemoteAddr),
		slog.String("pattern", r.Pattern), slog.Int("dropped", dropped))
}

func (l *failureLog) admit(now time.Time) (dropped int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := now.Unix(); s != l.second {
		l.second, l.written = s, 0
	}
	if l.written >= burst {
		l.dropped++
		return 0, false
	}
	l.written++
	dropped, l.dropped = l.dropped, 0
	return dropped, true
}

package main

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/problem"
)

// logged writes one line a request and turns a panic into a 500. What was
// answered it asks package problem instead of watching the ResponseWriter,
// which handlers need as it is: a line without a status is a success. Lines of
// refusals are at most ten a second.
func (s *server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		r, answered := patiently(r)
		defer answered()
		defer func() {
			if v := recover(); v != nil {
				s.log.ErrorContext(r.Context(), "panic", slog.String("request_id", problem.RequestID(r.Context())),
					slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
				if v == http.ErrAbortHandler {
					panic(v)
				}
				problem.Write(w, r, problem.Problem{Status: http.StatusInternalServerError})
			}
			s.line(r.Context(), r, time.Since(began))
		}()
		next.ServeHTTP(w, r)
	})
}

func (s *server) line(ctx context.Context, r *http.Request, took time.Duration) {
	answered, failed := problem.FromContext(ctx)
	if failed && answered.Status < 500 && !s.refusals.admit(time.Now()) {
		return
	}
	attrs := []slog.Attr{
		slog.String("request_id", problem.RequestID(ctx)),
		slog.String("method", method(r)), slog.String("pattern", r.Pattern), // not the path: a lost client may put its key there
		slog.Duration("took", took),
	}
	if p, ok := authn.FromContext(ctx); ok {
		attrs = append(attrs, slog.String("credential", p.ID), slog.String("account", p.Account))
	}
	if failed {
		attrs = append(attrs, slog.Int("status", answered.Status), slog.String("code", answered.Code))
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "request", attrs...)
}

// method returns the method, which is any text that the client likes, only if
// it is one.
func method(r *http.Request) string {
	switch r.Method {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return r.Method
	}
	return "other"
}

// A budget admits ten lines a second, so that a flood of refusals is not a
// flood of lines.
type budget struct {
	mu     sync.Mutex
	second int64
	lines  int
}

func (b *budget) admit(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := now.Unix(); s != b.second {
		b.second, b.lines = s, 0
	}
	b.lines++
	return b.lines <= 10
}

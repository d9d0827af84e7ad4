package main

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/problem"
)

// logged writes one line a request and turns a panic into a 500. What was
// answered it asks package problem instead of watching the ResponseWriter,
// which handlers need as it is: a line without a status is a success.
func (s *server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
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
	attrs := []slog.Attr{
		slog.String("request_id", problem.RequestID(ctx)),
		slog.String("method", r.Method), slog.String("pattern", r.Pattern), // not the path: a lost client may put its key there
		slog.Duration("took", took),
	}
	if p, ok := authn.FromContext(ctx); ok {
		attrs = append(attrs, slog.String("credential", p.ID), slog.String("account", p.Account))
	}
	if p, ok := problem.FromContext(ctx); ok {
		attrs = append(attrs, slog.Int("status", p.Status), slog.String("code", p.Code))
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "request", attrs...)
}

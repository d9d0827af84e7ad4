package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/problem"
)

// logged writes one line a request and turns a panic into a 500. What was
// answered it asks package problem instead of watching the ResponseWriter,
// which handlers need as it is: a line without a status is a success. Refusals
// of strangers, and those of callers who are known, are at most ten lines a
// second each; the others have debug level.
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
				writeProblem(w, r, problem.Problem{Status: http.StatusInternalServerError})
			}
			s.line(r.Context(), r, time.Since(began))
		}()
		next.ServeHTTP(w, r)
	})
}

func (s *server) line(ctx context.Context, r *http.Request, took time.Duration) {
	answered, failed := problem.FromContext(ctx)
	p, known := authn.FromContext(ctx)
	level, dropped := slog.LevelInfo, 0
	if failed && answered.Status < 500 {
		b, admitted := &s.refusals, false
		if known {
			b = &s.refusedKnown
		}
		if dropped, admitted = b.Admit(time.Now()); !admitted {
			level = slog.LevelDebug
		}
	}
	if !s.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("request_id", problem.RequestID(ctx)),
		slog.String("method", method(r)), slog.String("pattern", r.Pattern), // not the path: a lost client may put its key there
		slog.String("client", shown(s.addr(r))), slog.Float64("took_ms", float64(took.Microseconds())/1000),
	}
	if known {
		attrs = append(attrs, slog.String("credential", p.ID), slog.String("account", p.Account))
		if p.User != "" {
			attrs = append(attrs, slog.String("user", p.User))
		}
	}
	if failed {
		attrs = append(attrs, slog.Int("status", answered.Status), slog.String("code", answered.Code))
	}
	if dropped > 0 {
		attrs = append(attrs, slog.Int("dropped", dropped))
	}
	s.log.LogAttrs(ctx, level, "request", attrs...)
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

// newLog returns the log of a server: JSON, one object a line, each with the
// instance and the version that wrote it. Instance is the name of the host and
// four random bytes, so that a restart can be told from what was before it.
func newLog(w io.Writer, level slog.Leveler) *slog.Logger {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	var start [4]byte
	rand.Read(start[:]) // never fails
	handler := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: withUnit})
	return slog.New(handler).With(slog.String("instance", host+"-"+hex.EncodeToString(start[:])), slog.String("version", release()))
}

// withUnit writes a duration as "1.5s", where slog would write nanoseconds.
func withUnit(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

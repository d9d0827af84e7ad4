package api

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

// An outcome is what became of a request, for its line in the log. It is on the
// context that logged makes: writeProblem tells what was answered, since handlers
// need the ResponseWriter as it is, and both writeProblem and the table tell who
// is calling. One goroutine uses it, that of the request.
type outcome struct {
	caller authn.Principal
	known  bool // there is a caller
	answer problem.Problem
	failed bool // there is an answer; a line without one is a success
}

type outcomeKey struct{}

// outcomeOf returns the outcome of r, or one that nobody sees.
func outcomeOf(r *http.Request) *outcome {
	if o, ok := r.Context().Value(outcomeKey{}).(*outcome); ok {
		return o
	}
	return new(outcome)
}

// knowCaller notes who is calling, behind the gate.
func knowCaller(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		outcomeOf(r).by(r)
		next.ServeHTTP(w, r)
	})
}

// by notes the caller of r, if the gate has identified one.
func (o *outcome) by(r *http.Request) {
	if p, ok := authn.FromContext(r.Context()); ok {
		o.caller, o.known = p, true
	}
}

// refused notes an answer that is an error.
func (o *outcome) refused(r *http.Request, p problem.Problem) {
	o.by(r)
	o.answer, o.failed = p, true
}

// logged writes one line a request and turns a panic into a 500. Refusals
// of strangers, and those of callers who are known, are at most ten lines a
// second each; the others have debug level.
func (s *server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		o := new(outcome)
		r, answered := withHandlerTimeout(r.WithContext(context.WithValue(r.Context(), outcomeKey{}, o)))
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
			s.line(r, o, time.Since(began))
		}()
		next.ServeHTTP(w, r)
	})
}

func (s *server) line(r *http.Request, o *outcome, took time.Duration) {
	ctx, level, dropped := r.Context(), slog.LevelInfo, 0
	if o.failed && o.answer.Status < 500 {
		b, admitted := &s.refusals, false
		if o.known {
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
		slog.String("client", shown(s.gate.ClientAddr(r))), slog.Float64("took_ms", float64(took.Microseconds())/1000),
	}
	if o.known {
		attrs = append(attrs, slog.String("credential", o.caller.ID), slog.String("account", o.caller.Account))
		if o.caller.User != "" {
			attrs = append(attrs, slog.String("user", o.caller.User))
		}
	}
	if o.failed {
		attrs = append(attrs, slog.Int("status", o.answer.Status), slog.String("code", o.answer.Code))
	}
	if dropped > 0 {
		attrs = append(attrs, slog.Int("dropped", dropped))
	}
	s.log.LogAttrs(ctx, level, "request", attrs...)
}

// method returns the method of r only if it is a known one: a client may send any
// text.
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

const (
	// handlerTimeout limits how long a handler waits for its dependencies once
	// it has read the request. It is less than what a client waits, and less
	// than inFlightTimeout.
	handlerTimeout = 8 * time.Second

	// recordTimeout limits how long it takes to write down what has happened.
	recordTimeout = 4 * time.Second

	// shutdownTimeout limits how long the server runs after it has closed its
	// listener, whatever hangs.
	shutdownTimeout = 10 * time.Second
	// inFlightTimeout limits the requests in flight at shutdown.
	inFlightTimeout = 8500 * time.Millisecond
	// closeTimeout limits closing the connections to the stores. Background
	// writes have shutdownTimeout less this.
	closeTimeout = time.Second
)

// withHandlerTimeout returns the request with a context that ends after handlerTimeout, and
// a function to call when it has been answered. Time does not pass while the body is being
// read, so that a slow client does not look like an outage: the ReadTimeout of the server
// limits the client instead.
func withHandlerTimeout(r *http.Request) (*http.Request, func()) {
	ctx, cancel := context.WithCancelCause(r.Context())
	timer := time.AfterFunc(handlerTimeout, func() { cancel(context.DeadlineExceeded) })
	r = r.WithContext(ctx)
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = timedBody{r.Body, timer}
	}
	return r, func() {
		timer.Stop()
		cancel(context.Canceled)
	}
}

// A timedBody stops a timer while it is being read. Then the handler has all of its time
// again.
type timedBody struct {
	io.ReadCloser
	timer *time.Timer
}

func (b timedBody) Read(p []byte) (int, error) {
	b.timer.Stop()
	defer b.timer.Reset(handlerTimeout)
	return b.ReadCloser.Read(p)
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/store"
)

// caller returns who is calling and whose data that is.
func caller(r *http.Request) (authn.Principal, tenant) {
	p, _ := authn.FromContext(r.Context())
	return p, tenant{p.Account, p.Environment}
}

func (s *server) respond(w http.ResponseWriter, r *http.Request, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // nothing a request can bring about
		s.log.Error("response not encoded", slog.Any("err", err))
		writeProblem(w, r, problem.Problem{Status: http.StatusInternalServerError})
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(body, '\n'))
}

// reveal answers with something that is shown this once.
func (s *server) reveal(w http.ResponseWriter, r *http.Request, status int, v any) {
	w.Header().Set("Cache-Control", "private, no-store")
	s.respond(w, r, status, v)
}

// fail answers with what err means. What is missing and what is another
// account's are the same here: nothing below tells them apart.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var denied *authz.DeniedError
	var bad *badRequest
	var throttled *authn.ThrottledError
	switch {
	case errors.As(err, &denied):
		writeProblem(w, r, authz.Problem(err))
	case errors.As(err, &bad):
		writeProblem(w, r, bad.Problem)
	case errors.As(err, &throttled):
		writeProblem(w, r, authn.Problem(err))
	case errors.Is(err, errNoDocument), errors.Is(err, store.ErrNotFound):
		writeProblem(w, r, problem.Problem{Status: http.StatusNotFound})
	case errors.Is(err, authn.ErrForbidden):
		writeProblem(w, r, problem.Problem{Status: http.StatusForbidden, Code: "owner_only", Detail: "Only its owner may do this."})
	case errors.Is(err, authn.ErrInvalid), errors.Is(err, store.ErrInvalid):
		writeProblem(w, r, problem.Problem{
			Status: http.StatusBadRequest, Code: "invalid_request", Detail: "The request asks for something that cannot be.",
		})
	case errors.Is(err, store.ErrInactive):
		writeProblem(w, r, problem.Problem{
			Status: http.StatusConflict, Code: "inactive", Detail: "It is revoked, expired or disabled.",
		})
	case errors.Is(err, store.ErrConflict):
		writeProblem(w, r, problem.Problem{
			Status: http.StatusConflict, Code: "conflict", Detail: "It is not what it was, or has a successor: read it again.",
		})
	default:
		level, budget := slog.LevelError, &s.failures
		if errors.Is(r.Context().Err(), context.Canceled) { // a client that hangs up is no outage
			level, budget = slog.LevelInfo, &s.abandoned
		}
		dropped, admitted := budget.Admit(time.Now())
		if !admitted {
			level = slog.LevelDebug
		}
		s.log.Log(r.Context(), level, "request failed", slog.String("request_id", problem.RequestID(r.Context())),
			slog.String("client", shown(s.gate.ClientAddr(r))), slog.String("pattern", r.Pattern), slog.Any("err", err), slog.Int("dropped", dropped))
		writeProblem(w, r, problem.Problem{Status: http.StatusServiceUnavailable, Retry: time.Second})
	}
}

// A badRequest is a request that cannot be understood, and how to mend it.
type badRequest struct{ problem.Problem }

func (e *badRequest) Error() string { return e.Code + ": " + e.Detail }

func invalid(status int, code, detail string) error {
	return &badRequest{problem.Problem{Status: status, Code: code, Detail: detail}}
}

// A page is one page of a list, asked for with ?limit and ?after.
type page struct {
	Data []any  `json:"data"`
	Next string `json:"next,omitempty"` // the value of ?after for the next page
}

func pageOf(r *http.Request) (after string, limit int, err error) {
	q := r.URL.Query()
	limit = 50
	if text := q.Get("limit"); text != "" {
		n, err := strconv.ParseUint(text, 10, 8) // which takes no sign
		if limit = int(n); err != nil || n < 1 || n > 200 {
			return "", 0, invalid(http.StatusBadRequest, "invalid_limit", "limit must be a number from 1 to 200.")
		}
	}
	return q.Get("after"), limit, nil
}

package main

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/problem"
)

const maxBody = 64 << 10

// caller returns who is calling and whose data that is.
func caller(r *http.Request) (authn.Principal, tenant) {
	p, _ := authn.FromContext(r.Context())
	return p, tenant{p.Account, p.Environment}
}

func (s *server) respond(w http.ResponseWriter, r *http.Request, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // nothing a request can bring about
		s.log.Error("response not encoded", slog.Any("err", err))
		problem.Write(w, r, problem.Problem{Status: http.StatusInternalServerError})
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(body, '\n'))
}

// fail answers with what err means. A document that is missing and one that is
// another account's are the same here: the query does not tell them apart.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var denied *authz.DeniedError
	var bad *badRequest
	switch {
	case errors.As(err, &denied):
		authz.Refuse(w, r, err)
	case errors.As(err, &bad):
		problem.Write(w, r, bad.Problem)
	case errors.Is(err, errNoDocument):
		problem.Write(w, r, problem.Problem{Status: http.StatusNotFound})
	default:
		s.log.ErrorContext(r.Context(), "request failed", slog.String("request_id", problem.RequestID(r.Context())), slog.Any("err", err))
		problem.Write(w, r, problem.Problem{Status: http.StatusServiceUnavailable, Retry: time.Second})
	}
}

// A badRequest is a request that cannot be understood, and how to mend it.
type badRequest struct{ problem.Problem }

func (e *badRequest) Error() string { return e.Code + ": " + e.Detail }

func invalid(status int, code, detail string) error {
	return &badRequest{problem.Problem{Status: status, Code: code, Detail: detail}}
}

// decode reads a JSON body into v: one value, no more than maxBody bytes.
func decode(w http.ResponseWriter, r *http.Request, v any) error {
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media != "application/json" {
		return invalid(http.StatusUnsupportedMediaType, "unsupported_media_type", "Send the body as application/json.")
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	err := d.Decode(v)
	if err == nil {
		if _, err = d.Token(); err == io.EOF {
			return nil
		} else if err == nil {
			err = errors.New("more than one value")
		}
	}
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return invalid(http.StatusRequestEntityTooLarge, "body_too_large", "The body may have at most "+strconv.Itoa(maxBody)+" bytes.")
	}
	return errNotDocumented
}

var errNotDocumented = invalid(http.StatusBadRequest, "invalid_json", "The body is not the JSON object that this endpoint documents.")

// A page is one page of a list, asked for with ?limit and ?after.
type page struct {
	Data []any  `json:"data"`
	Next string `json:"next,omitempty"` // the value of ?after for the next page
}

func pageOf(r *http.Request) (after string, limit int, err error) {
	q := r.URL.Query()
	limit = 50
	if text := q.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > 200 {
			return "", 0, invalid(http.StatusBadRequest, "invalid_limit", "limit must be a number from 1 to 200.")
		}
	}
	return q.Get("after"), limit, nil
}

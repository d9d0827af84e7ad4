package problem

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// plain is a form of an application's own, as the comment of Writer shows it.
func plain(w http.ResponseWriter, r *http.Request, p Problem) {
	p = Prepare(w, r, p)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(p.Status)
	fmt.Fprintln(w, p.Detail, p.RequestID)
}

// A Writer only chooses the body: all other headers are those of Write.
func TestWriterOfOnesOwn(t *testing.T) {
	for _, p := range []Problem{
		{Status: 404}, {Status: 401}, {Status: 401, Challenge: `Bearer max_age="9"`}, {Status: 200},
		{Status: 403, Code: "missing_permission", Permission: "write"}, {Status: 429, Retry: 1}, {Status: 503, Retry: 1e9},
	} {
		r := Identify(httptest.NewRequest("GET", "/", nil))
		ours, theirs := httptest.NewRecorder(), httptest.NewRecorder()
		Write(ours, r, p)
		plain(theirs, r, p)
		if got, want := theirs.Body.String(), RequestID(r.Context())+"\n"; !strings.HasSuffix(got, " "+want) || len(got) < 20 {
			t.Errorf("%+v: body %q, want a sentence and %q", p, got, want)
		}
		ours.Header().Del("Content-Type")
		theirs.Header().Del("Content-Type")
		if d := cmp.Diff(ours.Header(), theirs.Header()); d != "" || ours.Code != theirs.Code {
			t.Errorf("%+v: %d, want %d; headers (-want +got):\n%s", p, theirs.Code, ours.Code, d)
		}
	}
}

// A caller who has called Prepare may leave the rest to Write.
func TestPreparedTwice(t *testing.T) {
	r, p := httptest.NewRequest("GET", "/", nil), Problem{Status: 429, Retry: 1}
	w := httptest.NewRecorder()
	prepared := Prepare(w, r, p)
	before := w.Header().Clone()
	Write(w, r, prepared)
	after := w.Header().Clone()
	after.Del("Content-Type")
	if d := cmp.Diff(before, after); d != "" || !strings.Contains(w.Body.String(), prepared.RequestID) {
		t.Errorf("%s; headers (-want +got):\n%s", w.Body, d)
	}
}

// The cause is for the log, never for the client.
func TestCauseIsNotShown(t *testing.T) {
	p := Problem{Status: 500, Cause: errors.New("secret7")}
	w := httptest.NewRecorder()
	Write(w, httptest.NewRequest("GET", "/", nil), p)
	own, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if all := fmt.Sprint(w.Body, w.Header(), string(own)); strings.Contains(all, "secret7") {
		t.Errorf("the cause is shown: %s", all)
	}
}

func TestLogged(t *testing.T) {
	level := func(l slog.Level, to io.Writer) *slog.Logger {
		return slog.New(slog.NewJSONHandler(to, &slog.HandlerOptions{Level: l}))
	}
	t.Run("at debug level", func(t *testing.T) {
		var b strings.Builder
		w := httptest.NewRecorder()
		Logged(plain, level(slog.LevelDebug, &b))(w, httptest.NewRequest("GET", "/", nil), Problem{Status: 409, Cause: errors.New("why")})
		var line struct {
			Level, Code, Err string
			Status           int
			ID               string `json:"request_id"`
		}
		if err := json.Unmarshal([]byte(b.String()), &line); err != nil {
			t.Fatal(err)
		}
		id := w.Header().Get("X-Request-Id")
		if line.Level != "DEBUG" || line.Code != "conflict" || line.Status != 409 || line.Err != "why" || line.ID != id || !strings.Contains(w.Body.String(), id) {
			t.Errorf("answered %v %s, logged %s", w.Header(), w.Body, b.String())
		}
	})
	for _, c := range []struct {
		name  string
		write Writer
		log   func(io.Writer) *slog.Logger
		want  string // Content-Type
	}{
		{"above debug level", plain, func(to io.Writer) *slog.Logger { return level(slog.LevelInfo, to) }, "text/plain; charset=utf-8"},
		{"without a log", plain, func(io.Writer) *slog.Logger { return nil }, "text/plain; charset=utf-8"},
		{"by default", nil, func(io.Writer) *slog.Logger { return nil }, "application/problem+json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b strings.Builder
			w := httptest.NewRecorder()
			Logged(c.write, c.log(&b))(w, httptest.NewRequest("GET", "/", nil), Problem{Status: 409})
			if got := w.Header().Get("Content-Type"); got != c.want || w.Code != 409 || b.Len() != 0 {
				t.Errorf("answered %d %s, logged %q; want 409 %s", w.Code, got, b.String(), c.want)
			}
		})
	}
}

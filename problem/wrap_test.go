package problem

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"medtwin.ai/tollgate/internal/request"
)

func TestWrap(t *testing.T) {
	const runs = 1000
	seen := map[string]bool{}
	h := Wrap(func(r *http.Request) Format { return Flat }, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := RequestID(r.Context())
		if id == "" || w.Header().Get("X-Request-Id") != id {
			t.Errorf("request id %q, but %q in the header", id, w.Header().Get("X-Request-Id"))
		}
		seen[id] = true
		Write(w, r, Problem{Status: 401})
		if got := RequestID(r.Context()); got != id || w.Header().Get("X-Request-Id") != id {
			t.Errorf("request id %q became %q", id, got)
		}
	}))
	for range runs {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if want := `{"error":"unauthorized","message":"Invalid or missing API key"}`; w.Body.String() != want {
			t.Fatalf("body %s, want %s", w.Body, want)
		}
	}
	if len(seen) != runs {
		t.Errorf("%d requests have %d ids", runs, len(seen))
	}
	for id := range seen {
		if !regexp.MustCompile(`^[a-z2-7]{16}$`).MatchString(id) {
			t.Errorf("request id %q", id)
		}
	}
}

// Where Wraps nest, the outer one makes the id and the inner one chooses the
// form.
func TestWrapNested(t *testing.T) {
	is := func(f Format) func(*http.Request) Format { return func(*http.Request) Format { return f } }
	for _, c := range []struct {
		outer, inner func(*http.Request) Format
		want         Format
	}{
		{nil, nil, RFC9457},
		{nil, is(Flat), Flat},
		{is(Flat), is(Nested), Nested},
		{is(Flat), nil, RFC9457},
	} {
		var outer, inner string
		end := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			inner = RequestID(r.Context())
			if got := Format(request.From(r.Context()).Format); got != c.want {
				t.Errorf("form %s, want %s", got, c.want)
			}
		})
		h := Wrap(c.outer, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			outer = RequestID(r.Context())
			Wrap(c.inner, end).ServeHTTP(w, r)
		}))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if outer == "" || inner != outer || w.Header().Get("X-Request-Id") != outer {
			t.Errorf("request ids %q, %q and %q", outer, inner, w.Header().Get("X-Request-Id"))
		}
	}
}

func TestNoState(t *testing.T) {
	if got := RequestID(context.Background()); got != "" {
		t.Errorf("request id %q without a request", got)
	}
	w := httptest.NewRecorder()
	Write(w, httptest.NewRequest("GET", "/", nil), Problem{Status: 404})
	if id := w.Header().Get("X-Request-Id"); len(id) != 16 || !strings.Contains(w.Body.String(), id) {
		t.Errorf("request id %q, and in the body %s", id, w.Body)
	}
	// A state without an id gets one that the log can still find.
	r, s := request.Ensure(httptest.NewRequest("GET", "/", nil), nil)
	w = httptest.NewRecorder()
	Write(w, r, Problem{Status: 404})
	if id := w.Header().Get("X-Request-Id"); id == "" || id != s.ID || id != RequestID(r.Context()) {
		t.Errorf("request id %q in the header, %q in the state", id, s.ID)
	}
}

// case L25: nothing that the client sent is in the answer.
func TestNothingIsEchoed(t *testing.T) {
	const mark = "marked7"
	for _, f := range []Format{RFC9457, Nested, Flat} {
		h := Wrap(func(*http.Request) Format { return f }, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for _, status := range []int{400, 401, 403, 404, 405, 429, 500, 503} {
				w := httptest.NewRecorder()
				Write(w, r, Problem{Status: status})
				var all strings.Builder
				if err := w.Result().Write(&all); err != nil {
					t.Error(err)
				}
				if strings.Contains(all.String(), mark) {
					t.Errorf("%s %d echoes the request:\n%s", f, status, all.String())
				}
			}
		}))
		r := httptest.NewRequest("POST", "/"+mark+"?"+mark+"="+mark, strings.NewReader(mark))
		r.Host = mark + ".example"
		for _, name := range []string{
			"X-Request-Id", "X-Correlation-Id", "Traceparent", "Authorization", "Cookie", "Origin", "Referer",
			"User-Agent", "Accept-Language", "X-Http-Method-Override", "X-Forwarded-For", mark,
		} {
			r.Header.Set(name, mark)
		}
		r.Header.Set("Accept", "text/"+mark+", application/json;"+mark)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if id := w.Header().Get("X-Request-Id"); id == mark || id == "" {
			t.Errorf("request id %q", id)
		}
	}
}

func BenchmarkWrap(b *testing.B) {
	h := Wrap(nil, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, f := range []Format{RFC9457, Nested, Flat} {
		b.Run(f.String(), func(b *testing.B) {
			r, s := request.Ensure(httptest.NewRequest("GET", "/", nil), nil)
			s.Format = uint8(f)
			w := httptest.NewRecorder()
			b.ReportAllocs()
			for b.Loop() {
				w.Body.Reset()
				Write(w, r, Problem{Status: http.StatusTooManyRequests, Retry: 30_000_000_000})
			}
		})
	}
}

func TestFromContext(t *testing.T) {
	var before, after bool
	var got Problem
	h := Wrap(nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, before = FromContext(r.Context())
		Write(w, r, Problem{Status: http.StatusConflict})
		got, after = FromContext(r.Context())
	}))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	if before || !after || got.Status != http.StatusConflict || got.Code != "conflict" {
		t.Errorf("before %v, after %v, %+v", before, after, got)
	}
}

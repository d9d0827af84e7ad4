package problem

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func TestRequestIDs(t *testing.T) {
	const runs = 1000
	seen := map[string]bool{}
	h := RequestIDs(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
		if id := w.Header().Get("X-Request-Id"); !strings.Contains(w.Body.String(), `"request_id":"`+id+`"`) {
			t.Fatalf("request id %q, body %s", id, w.Body)
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

// Where RequestIDs nest, the outer one makes the id.
func TestNestedRequestIDs(t *testing.T) {
	var outer, inner string
	h := RequestIDs(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		outer = RequestID(r.Context())
		RequestIDs(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			inner = RequestID(r.Context())
		})).ServeHTTP(w, r)
	}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if outer == "" || inner != outer || w.Header().Get("X-Request-Id") != outer {
		t.Errorf("request ids %q, %q and %q", outer, inner, w.Header().Get("X-Request-Id"))
	}
}

func TestIdentify(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	if got := RequestID(r.Context()); got != "" {
		t.Errorf("request id %q before one was made", got)
	}
	once := Identify(r)
	id := RequestID(once.Context())
	if len(id) != 16 || Identify(once) != once {
		t.Errorf("request id %q, and then %q", id, RequestID(Identify(once).Context()))
	}
	type key struct{}
	ctx := context.WithValue(once.Context(), key{}, "kept")
	if got := RequestID(ctx); got != id || ctx.Value(key{}) != "kept" || context.Cause(ctx) != nil {
		t.Errorf("request id %q of a derived context, want %q", got, id)
	}
}

// Where nothing goes around the writer, the answer has an id of its own.
func TestNoRequestID(t *testing.T) {
	w := httptest.NewRecorder()
	Write(w, httptest.NewRequest("GET", "/", nil), Problem{Status: 404})
	if id := w.Header().Get("X-Request-Id"); len(id) != 16 || !strings.Contains(w.Body.String(), id) {
		t.Errorf("request id %q, and in the body %s", id, w.Body)
	}
}

// case L25: nothing that the client sent is in the answer.
func TestNothingIsEchoed(t *testing.T) {
	const mark = "marked7"
	h := RequestIDs(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, status := range []int{400, 401, 403, 404, 405, 429, 500, 503} {
			w := httptest.NewRecorder()
			Write(w, r, Problem{Status: status})
			var all strings.Builder
			if err := w.Result().Write(&all); err != nil {
				t.Error(err)
			}
			if strings.Contains(all.String(), mark) {
				t.Errorf("%d echoes the request:\n%s", status, all.String())
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

func BenchmarkRequestIDs(b *testing.B) {
	h := RequestIDs(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}

func BenchmarkWrite(b *testing.B) {
	r := Identify(httptest.NewRequest("GET", "/", nil))
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		w.Body.Reset()
		Write(w, r, Problem{Status: http.StatusTooManyRequests, Retry: 30_000_000_000})
	}
}

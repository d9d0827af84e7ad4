package problem

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// answer writes p to a request named "the-id".
func answer(p Problem) *http.Response {
	r := httptest.NewRequest("GET", "/", nil)
	r = r.WithContext(&identified{r.Context(), "the-id"})
	w := httptest.NewRecorder()
	Write(w, r, p)
	return w.Result()
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestBodies(t *testing.T) {
	const quota = "https://iana.org/assignments/http-problem-types#quota-exceeded"
	for _, c := range []struct {
		p      Problem
		status int
		want   string
	}{
		{
			Problem{Status: 401}, 401,
			`{"title":"Unauthorized","status":401,"detail":"A valid credential is required.","code":"unauthorized","request_id":"the-id"}`,
		},
		{
			Problem{Status: 401, Code: "expired", Detail: "The key has expired."}, 401,
			`{"title":"Unauthorized","status":401,"detail":"The key has expired.","code":"expired","request_id":"the-id"}`,
		},
		{
			Problem{Status: 403}, 403,
			`{"title":"Forbidden","status":403,"detail":"The caller may not do this.","code":"forbidden","request_id":"the-id"}`,
		},
		{
			Problem{Status: 403, Code: "missing_permission", Detail: "This needs write.", Permission: "write"}, 403,
			`{"title":"Forbidden","status":403,"detail":"This needs write.","code":"missing_permission","request_id":"the-id","required_permission":"write"}`,
		},
		{
			Problem{Status: 429, Type: quota, Retry: 30 * time.Second, Violated: []string{"minute", "day"}}, 429,
			`{"type":"` + quota + `","title":"Too Many Requests","status":429,"detail":"Too many requests: wait for the seconds that Retry-After names.","code":"rate_limit_exceeded","request_id":"the-id","retry_after":30,"violated-policies":["minute","day"]}`,
		},
		{ // No time is honest here.
			Problem{Status: 429, Code: "cost_exceeds_quota", Detail: "This can never pass."}, 429,
			`{"title":"Too Many Requests","status":429,"detail":"This can never pass.","code":"cost_exceeds_quota","request_id":"the-id"}`,
		},
		{
			Problem{Status: 404}, 404,
			`{"title":"Not Found","status":404,"detail":"No such resource: check the path and the id.","code":"not_found","request_id":"the-id"}`,
		},
		{
			Problem{Status: 400}, 400,
			`{"title":"Bad Request","status":400,"detail":"Bad Request.","code":"bad_request","request_id":"the-id"}`,
		},
		{
			Problem{Status: 405}, 405,
			`{"title":"Method Not Allowed","status":405,"detail":"This resource does not support that method: the header Allow lists those that it does.","code":"method_not_allowed","request_id":"the-id"}`,
		},
		{
			Problem{Status: 418}, 418,
			`{"title":"I'm a teapot","status":418,"detail":"I'm a teapot.","code":"im_a_teapot","request_id":"the-id"}`,
		},
		{
			Problem{Status: 499}, 499,
			`{"status":499,"detail":"The request failed.","code":"error","request_id":"the-id"}`,
		},
		{
			Problem{Status: 503, Retry: 2 * time.Second}, 503,
			`{"title":"Service Unavailable","status":503,"detail":"The service is temporarily unavailable.","code":"unavailable","request_id":"the-id","retry_after":2}`,
		},
		{
			Problem{Status: 500}, 500,
			`{"title":"Internal Server Error","status":500,"detail":"Something went wrong on our side.","code":"internal_error","request_id":"the-id"}`,
		},
		{ // Escaped as JSON wants it, and not as HTML would.
			Problem{Status: 422, Code: "bad", Detail: "a \"b\" \\ <c> & \n\x00\xff é"}, 422,
			`{"title":"Unprocessable Entity","status":422,"detail":"a \"b\" \\ <c> & \n\u0000\ufffd é","code":"bad","request_id":"the-id"}`,
		},
	} {
		res := answer(c.p)
		if res.StatusCode != c.status {
			t.Errorf("%+v: status %d, want %d", c.p, res.StatusCode, c.status)
		}
		if d := cmp.Diff(c.want, body(t, res)); d != "" {
			t.Errorf("%+v: body (-want +got):\n%s", c.p, d)
		}
	}
}

// A problem whose status is no error status is answered as 500.
func TestStatus(t *testing.T) {
	for _, status := range []int{-1, 0, 99, 200, 304, 399, 600, 999, 1000} {
		if got := answer(Problem{Status: status}).StatusCode; got != 500 {
			t.Errorf("status %d became %d, want 500", status, got)
		}
	}
	for _, status := range []int{400, 599} {
		if got := answer(Problem{Status: status}).StatusCode; got != status {
			t.Errorf("status %d became %d", status, got)
		}
	}
}

func TestHeaders(t *testing.T) {
	common := func(more ...string) http.Header {
		h := http.Header{
			"Cache-Control":          {"no-store"},
			"X-Content-Type-Options": {"nosniff"},
			"X-Request-Id":           {"the-id"},
		}
		for i := 0; i < len(more); i += 2 {
			h.Set(more[i], more[i+1])
		}
		return h
	}
	for _, c := range []struct {
		p    Problem
		want http.Header
	}{
		{Problem{Status: 404}, common()},
		{Problem{Status: 401}, common("WWW-Authenticate", `Bearer realm="api"`)},
		{Problem{Status: 401, Challenge: `Bearer max_age="90"`}, common("WWW-Authenticate", `Bearer max_age="90"`)},
		{Problem{Status: 403, Challenge: "Bearer"}, common("X-Denied-Reason", "forbidden")},
		{Problem{Status: 403}, common("X-Denied-Reason", "forbidden")},
		{Problem{Status: 403, Code: "out_of_scope"}, common("X-Denied-Reason", "out_of_scope")},
		{
			Problem{Status: 403, Code: "missing_permission", Permission: "write"},
			common("X-Denied-Reason", "missing_permission", "X-Required-Permission", "write"),
		},
		{Problem{Status: 429, Retry: time.Second}, common("Retry-After", "1")},
		{Problem{Status: 429, Retry: 1}, common("Retry-After", "1")},
		{Problem{Status: 429, Retry: time.Second + 1}, common("Retry-After", "2")},
		{Problem{Status: 429, Retry: 90 * time.Second}, common("Retry-After", "90")},
		{Problem{Status: 429, Retry: math.MaxInt64}, common("Retry-After", "9223372037")},
		{Problem{Status: 429, Retry: -time.Second}, common()},
		{Problem{Status: 503, Retry: 1500 * time.Millisecond}, common("Retry-After", "2")},
	} {
		c.want.Set("Content-Type", "application/problem+json")
		if d := cmp.Diff(c.want, answer(c.p).Header); d != "" {
			t.Errorf("%+v: headers (-want +got):\n%s", c.p, d)
		}
	}
}

// Headers set before are kept, but for those of the content that was given up.
func TestHeadersBefore(t *testing.T) {
	w := httptest.NewRecorder()
	before := http.Header{
		"Allow": {"GET, HEAD"}, "Ratelimit": {`"minute";r=0;t=4`}, "Www-Authenticate": {`Bearer error="invalid_token"`},
		"Content-Length": {"7"}, "Content-Encoding": {"gzip"}, "Etag": {`"x"`}, "Last-Modified": {"yesterday"},
		"Cache-Control": {"public"}, "Content-Type": {"text/html"},
	}
	for name, values := range before {
		w.Header()[name] = values
	}
	Write(w, httptest.NewRequest("GET", "/", nil), Problem{Status: 401})
	got := w.Result().Header
	id := got.Get("X-Request-Id")
	want := http.Header{
		"Allow": before["Allow"], "Ratelimit": before["Ratelimit"], "Www-Authenticate": before["Www-Authenticate"],
		"Cache-Control": {"no-store"}, "Content-Type": {"application/problem+json"},
		"X-Content-Type-Options": {"nosniff"}, "X-Request-Id": {id},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("headers (-want +got):\n%s", d)
	}
	if !strings.Contains(w.Body.String(), `"request_id":"`+id+`"`) || len(id) != 16 {
		t.Errorf("request id %q in the header, and in the body %s", id, w.Body)
	}
}

func TestHead(t *testing.T) {
	server := httptest.NewServer(RequestIDs(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Write(w, r, Problem{Status: 429, Retry: time.Minute})
	})))
	defer server.Close()
	get, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer get.Body.Close()
	head, err := http.Head(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer head.Body.Close()
	if got := fmt.Sprint(len(body(t, get))); got != head.Header.Get("Content-Length") || body(t, head) != "" {
		t.Errorf("HEAD promises %s bytes, GET has %s", head.Header.Get("Content-Length"), got)
	}
	for _, res := range []*http.Response{get, head} {
		res.Header.Del("X-Request-Id")
		res.Header.Del("Date")
	}
	if d := cmp.Diff(get.Header, head.Header); d != "" || head.StatusCode != 429 {
		t.Errorf("HEAD answers %d with other headers (-GET +HEAD):\n%s", head.StatusCode, d)
	}
}

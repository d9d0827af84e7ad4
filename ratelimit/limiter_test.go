package ratelimit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/internal/request"
	"medtwin.ai/tollgate/problem"
)

// constant charges one subject under one plan.
func constant(subject string, p *Plan) Charge {
	return func(*http.Request) (string, *Plan) { return subject, p }
}

// newLimiter returns a limiter on a clock that stands at *now.
func newLimiter(t testing.TB, c Config, now *time.Time) *Limiter {
	t.Helper()
	c.Now = func() time.Time { return *now }
	l, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// serve sends a request through the limiter to a handler that answers 204. set
// changes the request's state first, as the rest of the chain would; nil: nothing.
func serve(l *Limiter, set func(*request.State)) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/", nil)
	if set != nil {
		var s *request.State
		r, s = request.Ensure(r, l.config.Now)
		set(s)
	}
	w := httptest.NewRecorder()
	l.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	})).ServeHTTP(w, r)
	return w
}

func denied(s *request.State)   { s.Denied = errors.New("denied") }
func free(s *request.State)     { s.Cost = -1 }
func costs3(s *request.State)   { s.Cost = 3 }
func costs100(s *request.State) { s.Cost = 100 }

func TestNewRefuses(t *testing.T) {
	_, err := New(Config{Failure: 9})
	for _, want := range []string{"Plan is required", "Failure is 9"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not mention %q", err, want)
		}
	}
}

// case L1: what the minute refuses, the day keeps.
func TestRefusalBurnsNothing(t *testing.T) {
	now := start
	l := newLimiter(t, Config{Plan: constant("s", parsed(t, "2-M, 10-D"))}, &now)
	for range 20 {
		serve(l, nil)
	}
	now = now.Add(time.Minute)
	w := serve(l, nil)
	if w.Code != http.StatusNoContent || !strings.Contains(w.Header().Get("RateLimit"), `"day";r=7;`) {
		t.Errorf("status %d, RateLimit %q", w.Code, w.Header().Get("RateLimit"))
	}
}

// case L11: Retry-After is the smallest number of whole seconds that helps.
func TestRetryAfterIsHonest(t *testing.T) {
	for _, notation := range []string{"3-S", "10-M", "100-M", "5-D", "2-M, 3-D", "70-M, 71-H"} {
		p := parsed(t, notation)
		for _, offset := range []time.Duration{0, 1, 250 * time.Millisecond, time.Second - 1} {
			now := start.Add(offset)
			m := NewMemory(8)
			l := newLimiter(t, Config{Store: m, Plan: constant("s", p)}, &now)
			for serve(l, nil).Code == http.StatusNoContent {
				now = now.Add(3 * time.Millisecond)
			}
			refused := serve(l, nil)
			after, err := strconv.Atoi(refused.Header().Get("Retry-After"))
			if err != nil || after < 1 || refused.Code != http.StatusTooManyRequests {
				t.Fatalf("%s: %d, Retry-After %q", notation, refused.Code, refused.Header().Get("Retry-After"))
			}
			at := now
			now = at.Add(time.Duration(after-1) * time.Second)
			if w := serve(l, nil); w.Code != http.StatusTooManyRequests {
				t.Errorf("%s: %d a second before Retry-After %d", notation, w.Code, after)
			}
			now = at.Add(time.Duration(after) * time.Second)
			if w := serve(l, nil); w.Code != http.StatusNoContent {
				t.Errorf("%s: %d at Retry-After %d, then %s", notation, w.Code, after, w.Header().Get("Retry-After"))
			}
		}
	}
}

// The answer says when to come back, and which limits refused.
func TestRefusal(t *testing.T) {
	now := start
	l := newLimiter(t, Config{Plan: constant("s", parsed(t, "1-M, 1-D"))}, &now)
	if w := serve(l, nil); w.Code != http.StatusNoContent {
		t.Fatalf("status %d", w.Code)
	}
	w := serve(l, nil)
	var p struct {
		Type, Code string
		Violated   []string `json:"violated-policies"`
		RetryAfter int      `json:"retry_after"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	after := w.Header().Get("Retry-After")
	if w.Code != http.StatusTooManyRequests || strconv.Itoa(p.RetryAfter) != after {
		t.Errorf("status %d, Retry-After %s, body %s", w.Code, after, w.Body)
	}
	if p.Type != "https://iana.org/assignments/http-problem-types#quota-exceeded" || p.Code != "rate_limit_exceeded" {
		t.Errorf("body %s", w.Body)
	}
	if diff := cmp.Diff([]string{"minute", "day"}, p.Violated); diff != "" {
		t.Errorf("violated-policies (-want +got):\n%s", diff)
	}
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
	// The binding limit is the day, which is the later.
	if got := w.Header().Get("X-RateLimit-Limit"); got != "1" {
		t.Errorf("X-RateLimit-Limit %q", got)
	}
}

// case L5: once per request, however often it passes; case L19: each header once.
func TestOncePerRequest(t *testing.T) {
	now := start
	m := NewMemory(8)
	l := newLimiter(t, Config{Store: m, Plan: constant("s", parsed(t, "10-M"))}, &now)
	other := newLimiter(t, Config{Name: "other", Store: m, Plan: constant("s", parsed(t, "7-H"))}, &now)
	w := httptest.NewRecorder()
	h := l.Wrap(l.Wrap(other.Wrap(l.Wrap(other.Wrap(http.NotFoundHandler())))))
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	for _, name := range []string{"X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset", "Ratelimit-Policy", "Ratelimit"} {
		if v := w.Header()[name]; len(v) != 1 {
			t.Errorf("%s: %q", name, v)
		}
	}
	if got := w.Header().Get("X-RateLimit-Remaining"); got != "6" {
		t.Errorf("the inner limiter has %s left, want 6", got)
	}
	if got := serve(l, nil).Header().Get("X-RateLimit-Remaining"); got != "8" {
		t.Errorf("the outer limiter has %s left, want 8", got)
	}
}

// case L6: the plan is asked for at every request.
func TestPlanChangeAtOnce(t *testing.T) {
	now := start
	p := parsed(t, "10-M")
	l := newLimiter(t, Config{Plan: func(*http.Request) (string, *Plan) { return "s", p }}, &now)
	for range 8 {
		serve(l, nil)
	}
	p = parsed(t, "60-M")
	if w := serve(l, nil); w.Header().Get("X-RateLimit-Remaining") != "51" {
		t.Errorf("upgraded: %s remain", w.Header().Get("X-RateLimit-Remaining"))
	}
	p = parsed(t, "5-M")
	w := serve(l, nil)
	if w.Code != http.StatusTooManyRequests || w.Header().Get("X-RateLimit-Remaining") != "0" {
		t.Errorf("downgraded: %d, %s remain", w.Code, w.Header().Get("X-RateLimit-Remaining"))
	}
	p = nil
	if w := serve(l, nil); w.Code != http.StatusNoContent || len(w.Header()) != 0 {
		t.Errorf("without a plan: %d, %v", w.Code, w.Header())
	}
}

// case L16 (no refunds yet): what costs more than the quota never passes, and
// is told so rather than to come back.
func TestCostAboveQuota(t *testing.T) {
	now := start
	l := newLimiter(t, Config{Plan: constant("s", parsed(t, "10-M, 1000-D"))}, &now)
	w := serve(l, costs100)
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "" {
		t.Errorf("status %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	if body := w.Body.String(); !strings.Contains(body, `"cost_exceeds_quota"`) || !strings.Contains(body, `"violated-policies":["minute"]`) {
		t.Errorf("body %s", body)
	}
	if w := serve(l, costs3); w.Code != http.StatusNoContent || w.Header().Get("X-RateLimit-Remaining") != "7" {
		t.Errorf("status %d, %s remain", w.Code, w.Header().Get("X-RateLimit-Remaining"))
	}
	var d Decision
	r, s := request.Ensure(httptest.NewRequest("GET", "/", nil), l.config.Now)
	s.Cost = math.MaxInt
	if _, err := l.Check(r, &d); !errors.Is(err, ErrExceeded) || !d.Never {
		t.Errorf("the largest cost: %v, %+v", err, d)
	}
}

// A denied request pays with the limit on denials alone, and sees the plan's headers.
func TestDenied(t *testing.T) {
	now := start
	plan := mustPlan(t, "plan", Limit{Quota: 5, Window: time.Minute})
	wall := mustPlan(t, "wall", Limit{Name: "denials", Quota: 2, Window: time.Minute})
	l := newLimiter(t, Config{Plan: constant("s", plan), Denied: constant("s", wall)}, &now)
	serve(l, nil)
	for range 2 {
		w := serve(l, denied)
		if got := w.Header().Get("RateLimit"); w.Code != http.StatusNoContent || got != `"minute";r=4;t=60` {
			t.Errorf("denied: %d, RateLimit %q", w.Code, got)
		}
	}
	w := serve(l, denied)
	if w.Code != http.StatusTooManyRequests || w.Header().Get("RateLimit-Policy") != `"denials";q=2;w=60` {
		t.Errorf("denied too often: %d, %v", w.Code, w.Header())
	}
	if w := serve(l, nil); w.Header().Get("X-RateLimit-Remaining") != "3" {
		t.Errorf("the plan has %s left, want 3", w.Header().Get("X-RateLimit-Remaining"))
	}
	// A spent plan is no reason not to say 403, nor to say Retry-After with it.
	for range 5 {
		serve(l, nil)
	}
	now = now.Add(30 * time.Second)
	l.config.Denied = nil
	if w := serve(l, denied); w.Code != http.StatusNoContent || w.Header().Get("Retry-After") != "" || w.Header().Get("X-RateLimit-Remaining") != "0" {
		t.Errorf("denied with a spent plan: %d, %v", w.Code, w.Header())
	}
	l.config.Plan, l.config.Denied = constant("", nil), constant("t", wall)
	if w := serve(l, denied); w.Code != http.StatusNoContent || len(w.Header()) != 0 {
		t.Errorf("denied without a plan: %d, %v", w.Code, w.Header())
	}
}

// A route that costs nothing of the plan pays with the caller's own limit.
func TestOwn(t *testing.T) {
	now := start
	own := mustPlan(t, "own", Limit{Name: "own", Quota: 2, Window: time.Minute})
	l := newLimiter(t, Config{Plan: constant("s", parsed(t, "1-M")), Own: constant("s", own)}, &now)
	serve(l, nil)
	var codes []int
	for range 3 {
		w := serve(l, free)
		codes = append(codes, w.Code)
		if got := w.Header().Get("RateLimit-Policy"); got != `"own";q=2;w=60` {
			t.Errorf("RateLimit-Policy %q", got)
		}
	}
	if diff := cmp.Diff([]int{204, 204, 429}, codes); diff != "" {
		t.Errorf("codes (-want +got):\n%s", diff)
	}
	l.config.Own = nil
	if w := serve(l, free); w.Code != http.StatusNoContent || len(w.Header()) != 0 {
		t.Errorf("without a limit of its own: %d, %v", w.Code, w.Header())
	}
}

// failing is a store that fails while err is set.
type failing struct {
	*Memory
	err error
}

func (f *failing) Take(ctx context.Context, t Take, now time.Time, d *Decision) error {
	if f.err != nil {
		*d = Decision{Allowed: true, Never: true} // it means nothing
		return f.err
	}
	return f.Memory.Take(ctx, t, now, d)
}

// A store that fails is neither a panic nor a 500, and the client never hears
// the cause.
func TestFailure(t *testing.T) {
	for _, c := range []struct {
		failure Failure
		want    []int // of three requests while it fails
	}{
		{Local, []int{204, 204, 429}},
		{Open, []int{204, 204, 204}},
		{Closed, []int{503, 503, 503}},
	} {
		var log bytes.Buffer
		now := start
		f := &failing{NewMemory(8), errors.New("secret dsn")}
		l := newLimiter(t, Config{
			Store: f, Plan: constant("s", parsed(t, "2-M")), Failure: c.failure,
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		}, &now)
		var codes []int
		for range 3 {
			w := serve(l, nil)
			codes = append(codes, w.Code)
			if strings.Contains(w.Body.String(), "dsn") {
				t.Errorf("failure %d: body %s", c.failure, w.Body)
			}
			if w.Code == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
				t.Errorf("failure %d: no Retry-After", c.failure)
			}
		}
		if diff := cmp.Diff(c.want, codes); diff != "" {
			t.Errorf("failure %d (-want +got):\n%s", c.failure, diff)
		}
		// Also where nothing is charged, a 403 comes through but under Closed.
		if w := serve(l, denied); w.Code != http.StatusNoContent {
			t.Errorf("failure %d, denied: %d", c.failure, w.Code)
		}
		f.err = nil
		if w := serve(l, nil); w.Code != http.StatusNoContent || w.Header().Get("X-RateLimit-Remaining") != "1" {
			t.Errorf("failure %d, recovered: %d, %v", c.failure, w.Code, w.Header())
		}
		if a, b := strings.Count(log.String(), "store fails"), strings.Count(log.String(), "answers again"); a != 1 || b != 1 {
			t.Errorf("failure %d: the log says %d and %d times\n%s", c.failure, a, b, &log)
		}
	}
}

// obedient is a store that gives up with its context, as drivers do.
type obedient struct{ Memory *Memory }

func (o obedient) Take(ctx context.Context, t Take, now time.Time, d *Decision) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return o.Memory.Take(ctx, t, now, d)
}

// A client that hangs up is counted all the same, and is no failure of the
// store: hanging up would be a way around the limit otherwise.
func TestHangUpIsCounted(t *testing.T) {
	for _, failure := range []Failure{Local, Open, Closed} {
		var log bytes.Buffer
		now := start
		l := newLimiter(t, Config{
			Store: obedient{NewMemory(0)}, Plan: constant("s", parsed(t, "2-M")), Failure: failure,
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		}, &now)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var d Decision
		for i, want := range []error{nil, nil, ErrExceeded} {
			if _, err := l.Check(httptest.NewRequestWithContext(ctx, "GET", "/", nil), &d); !errors.Is(err, want) || log.Len() > 0 {
				t.Errorf("policy %d, request %d: error %v, log %q", failure, i+1, err, &log)
			}
		}
	}
}

func TestCheckTellsErrors(t *testing.T) {
	now := start
	cause := errors.New("cause")
	l := newLimiter(t, Config{Store: &failing{nil, cause}, Plan: constant("s", parsed(t, "2-M")), Failure: Closed}, &now)
	var d Decision
	if _, err := l.Check(httptest.NewRequest("GET", "/", nil), &d); !errors.Is(err, ErrUnavailable) || !errors.Is(err, cause) {
		t.Errorf("error %v", err)
	}
	if d != (Decision{}) {
		t.Errorf("decision %+v", d)
	}
}

func TestErrors(t *testing.T) {
	now := start
	var got []problem.Problem
	note := func(w http.ResponseWriter, r *http.Request, p problem.Problem) {
		got = append(got, problem.Prepare(w, r, p))
		w.WriteHeader(http.StatusTeapot)
	}
	cause := errors.New("down")
	for _, c := range []struct {
		name   string
		config Config
		cost   func(*request.State)
		want   problem.Problem
		err    error
	}{
		{"over the limit", Config{}, nil, problem.Problem{Status: 429, Code: "rate_limit_exceeded", Retry: time.Minute}, ErrExceeded},
		{"over the quota", Config{}, costs100, problem.Problem{Status: 429, Code: "cost_exceeds_quota"}, ErrExceeded},
		{"no store", Config{Store: &failing{nil, cause}, Failure: Closed}, nil, problem.Problem{Status: 503, Code: "unavailable", Retry: time.Second}, cause},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.config.Plan, c.config.Errors = constant("s", parsed(t, "1-M")), note
			l := newLimiter(t, c.config, &now)
			serve(l, c.cost)
			got = nil
			w := serve(l, c.cost)
			if w.Code != http.StatusTeapot || len(got) != 1 {
				t.Fatalf("%d, %+v", w.Code, got)
			}
			p := got[0]
			if p.Status != c.want.Status || p.Code != c.want.Code || p.Retry != c.want.Retry || !errors.Is(p.Cause, c.err) {
				t.Errorf("got %+v, want %+v because of %v", p, c.want, c.err)
			}
			if limited := w.Header().Get("RateLimit") != ""; limited != (p.Status == 429) {
				t.Errorf("%d with the headers %v", p.Status, w.Header())
			}
		})
	}
}

// case L25: nothing that the client sent comes back in a header.
func TestNoEcho(t *testing.T) {
	now := start
	p := parsed(t, "1-M")
	l := newLimiter(t, Config{Plan: func(r *http.Request) (string, *Plan) { return r.Header.Get("X-Who"), p }}, &now)
	const mark = "mark7f3a"
	for range 2 {
		r := httptest.NewRequest("GET", "/"+mark+"?q="+mark, strings.NewReader(mark))
		for _, name := range []string{"X-Who", "X-Ratelimit-Limit", "Ratelimit", "Ratelimit-Policy", "X-Request-Id", "Retry-After", "User-Agent"} {
			r.Header.Set(name, mark+"\r\nSet-Cookie: x")
		}
		w := httptest.NewRecorder()
		l.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
		for k, v := range w.Header() {
			if strings.Contains(k+strings.Join(v, ""), mark) {
				t.Errorf("%s: %q", k, v)
			}
		}
		if strings.Contains(w.Body.String(), mark) {
			t.Errorf("body %s", w.Body)
		}
	}
}

// The writer that the handler gets is the server's own: Flush and Hijack work.
func TestWriterIsNotWrapped(t *testing.T) {
	now := start
	l := newLimiter(t, Config{Plan: constant("s", parsed(t, "1-M"))}, &now)
	w := httptest.NewRecorder()
	l.Wrap(http.HandlerFunc(func(got http.ResponseWriter, r *http.Request) {
		if got != http.ResponseWriter(w) {
			t.Errorf("the handler got a %T", got)
		}
	})).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
}

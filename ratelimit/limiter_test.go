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

// serve sends a request through the limiter to a handler that answers 204. change
// changes the request first, as the rest of the chain would; nil: nothing.
func serve(l *Limiter, change func(*http.Request) *http.Request) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/", nil)
	if change != nil {
		r = change(r)
	}
	w := httptest.NewRecorder()
	l.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	})).ServeHTTP(w, r)
	return w
}

// A cost is what the need of a route says.
type cost int

func (c cost) CostOf(*http.Request) int { return int(c) }

// costs is a request whose route costs so much.
func costs(n int) func(*http.Request) *http.Request {
	return func(r *http.Request) *http.Request {
		return r.WithContext(context.WithValue(r.Context(), request.CostKey{}, cost(n)))
	}
}

func TestNewRefuses(t *testing.T) {
	_, err := New(Config{OnOutage: 9})
	for _, want := range []string{"OnOutage is 9"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not mention %q", err, want)
		}
	}
}

// case L1: what the minute refuses, the day keeps.
func TestRefusalBurnsNothing(t *testing.T) {
	now := start
	l := newLimiter(t, Config{Charge: constant("s", parsed(t, "2-M, 10-D"))}, &now)
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
			l := newLimiter(t, Config{Store: m, Charge: constant("s", p)}, &now)
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

// The answer is of RFC 9457 with the type that IANA has registered for it.
func TestRefusal(t *testing.T) {
	now := start
	l := newLimiter(t, Config{Charge: constant("s", parsed(t, "1-M, 1-D"))}, &now)
	if w := serve(l, nil); w.Code != http.StatusNoContent {
		t.Fatalf("status %d", w.Code)
	}
	w := serve(l, nil)
	var p struct {
		Type, Code string
		Retry      int      `json:"retry_after"`
		Violated   []string `json:"violated-policies"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	if w.Code != http.StatusTooManyRequests || p.Type != "https://iana.org/assignments/http-problem-types#quota-exceeded" || p.Code != "rate_limit_exceeded" {
		t.Errorf("status %d, body %s", w.Code, w.Body)
	}
	if after := w.Header().Get("Retry-After"); after == "" || strconv.Itoa(p.Retry) != after {
		t.Errorf("Retry-After %q, body %s", after, w.Body)
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

// A limiter in front of the authentication would count everybody together.
func TestNoSubject(t *testing.T) {
	now := start
	var log bytes.Buffer
	l := newLimiter(t, Config{
		Charge: constant("", parsed(t, "3-M")), Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}, &now)
	if w := serve(l, nil); w.Code != http.StatusInternalServerError || w.Header().Get("X-RateLimit-Limit") != "" {
		t.Errorf("%d, %v", w.Code, w.Header())
	}
	if want := "put the limiter inside the authentication, as in auth.Wrap(limiter.Wrap(h))"; !strings.Contains(log.String(), want) {
		t.Errorf("the log says %q, want %q", log.String(), want)
	}
}

// case L5: once per request, however often it passes; case L19: each header once.
func TestOncePerRequest(t *testing.T) {
	now := start
	m := NewMemory(8)
	l := newLimiter(t, Config{Store: m, Charge: constant("s", parsed(t, "10-M"))}, &now)
	other := newLimiter(t, Config{Name: "other", Store: m, Charge: constant("s", parsed(t, "7-H"))}, &now)
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
	l := newLimiter(t, Config{Charge: func(*http.Request) (string, *Plan) { return "s", p }}, &now)
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
	l := newLimiter(t, Config{Charge: constant("s", parsed(t, "10-M, 1000-D"))}, &now)
	w := serve(l, costs(100))
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "" {
		t.Errorf("status %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	if body := w.Body.String(); !strings.Contains(body, `"cost_exceeds_quota"`) || !strings.Contains(body, `"violated-policies":["minute"]`) {
		t.Errorf("body %s", body)
	}
	if w := serve(l, costs(3)); w.Code != http.StatusNoContent || w.Header().Get("X-RateLimit-Remaining") != "7" {
		t.Errorf("status %d, %s remain", w.Code, w.Header().Get("X-RateLimit-Remaining"))
	}
	if _, d, err := l.Check(costs(math.MaxInt)(httptest.NewRequest("GET", "/", nil))); !errors.Is(err, ErrExceeded) || !d.Never {
		t.Errorf("the largest cost: %v, %+v", err, d)
	}
}

// failing is a store that fails while err is set.
type failing struct {
	*Memory
	err error
}

func (f *failing) Take(ctx context.Context, t Take, now time.Time) (Decision, error) {
	if f.err != nil {
		return Decision{Allowed: true, Never: true}, f.err // the decision means nothing
	}
	return f.Memory.Take(ctx, t, now)
}

func TestCheckTellsErrors(t *testing.T) {
	now := start
	cause := errors.New("cause")
	l := newLimiter(t, Config{Store: &failing{nil, cause}, Charge: constant("s", parsed(t, "2-M")), OnOutage: Closed}, &now)
	_, d, err := l.Check(httptest.NewRequest("GET", "/", nil))
	if !errors.Is(err, ErrUnavailable) || !errors.Is(err, cause) {
		t.Errorf("error %v", err)
	}
	if d != (Decision{}) {
		t.Errorf("decision %+v", d)
	}
}

// case L25: nothing that the client sent comes back in a header.
func TestNoEcho(t *testing.T) {
	now := start
	p := parsed(t, "1-M")
	l := newLimiter(t, Config{Charge: func(r *http.Request) (string, *Plan) { return r.Header.Get("X-Who"), p }}, &now)
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
	l := newLimiter(t, Config{Charge: constant("s", parsed(t, "1-M"))}, &now)
	w, ran := httptest.NewRecorder(), false
	l.Wrap(http.HandlerFunc(func(got http.ResponseWriter, r *http.Request) {
		ran = true
		if got != http.ResponseWriter(w) {
			t.Errorf("the handler got a %T", got)
		}
	})).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if !ran {
		t.Errorf("the handler did not run: %d", w.Code)
	}
}

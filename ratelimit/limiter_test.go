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
	"sync/atomic"
	"testing"
	"testing/synctest"
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

// A store that fails is neither a panic nor a 500, and the client never hears
// the cause. What was admitted meanwhile is charged when it answers again.
func TestFailure(t *testing.T) {
	for _, tt := range []struct {
		name    string
		failure OnOutage
		want    []int // of three requests while it fails
		after   int   // of the first one afterwards
	}{
		{"local", Local, []int{204, 204, 429}, 429},
		{"open", Open, []int{204, 204, 204}, 204},
		{"closed", Closed, []int{503, 503, 503}, 204},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				now := start
				f := &failing{NewMemory(8), errors.New("secret dsn")}
				l := newLimiter(t, Config{
					Store: f, Charge: constant("s", parsed(t, "2-M")), OnOutage: tt.failure,
					Logger: slog.New(slog.NewTextHandler(&log, nil)),
				}, &now)
				var codes []int
				for range 3 {
					w := serve(l, nil)
					codes = append(codes, w.Code)
					if strings.Contains(w.Body.String(), "dsn") {
						t.Errorf("body %s", w.Body)
					}
					if w.Code == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
						t.Error("no Retry-After")
					}
				}
				if diff := cmp.Diff(tt.want, codes); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				f.err = nil
				time.Sleep(2 * probeInterval)
				if w := serve(l, nil); w.Code != tt.after {
					t.Errorf("recovered: got %d, want %d, %v", w.Code, tt.after, w.Header())
				}
				if a, b := strings.Count(log.String(), "store fails"), strings.Count(log.String(), "answers again"); a != 1 || b != 1 {
					t.Errorf("the log says %d and %d times\n%s", a, b, &log)
				}
			})
		})
	}
}

// hanging is a store that does not answer while hangs is open, whatever its context
// says.
type hanging struct {
	Memory *Memory
	hangs  chan struct{} // nil: it answers
	asked  atomic.Int64
}

func (h *hanging) Take(ctx context.Context, t Take, now time.Time) (Decision, error) {
	h.asked.Add(1)
	if h.hangs != nil {
		<-h.hangs
		return Decision{}, errors.New("too late")
	}
	return h.Memory.Take(ctx, t, now)
}

// case L28: a store that hangs costs the first request one time-out, and the others
// nothing, under every policy; a client that has gone waits no longer.
func TestHangingStore(t *testing.T) {
	for _, tt := range []struct {
		name   string
		policy OnOutage
		err    error
	}{{"local", Local, nil}, {"open", Open, nil}, {"closed", Closed, ErrUnavailable}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &hanging{Memory: NewMemory(8), hangs: make(chan struct{})}
				now := start
				l := newLimiter(t, Config{Store: store, OnOutage: tt.policy, Logger: slog.New(slog.DiscardHandler)}, &now)
				plan := parsed(t, "1000-M")
				take := func(ctx context.Context) (time.Duration, error) {
					began := time.Now()
					_, err := l.Take(ctx, "s", plan, 1, now)
					return time.Since(began), err
				}
				gone, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				defer cancel()
				if took, err := take(gone); took != time.Millisecond || !errors.Is(err, ErrUnavailable) {
					t.Errorf("a client that goes after a millisecond waited %v, %v", took, err)
				}
				if took, err := take(t.Context()); took != defaultTimeout || !errors.Is(err, tt.err) {
					t.Errorf("the first request waited %v, want %v; %v", took, defaultTimeout, err)
				}
				for range 500 {
					if took, err := take(t.Context()); took != 0 || !errors.Is(err, tt.err) {
						t.Fatalf("a later request waited %v, %v", took, err)
					}
				}
				if n := store.asked.Load(); n != 2 {
					t.Errorf("the store was asked %d times, want 2", n)
				}
				close(store.hangs)
				synctest.Wait()
				store.hangs = nil
				time.Sleep(2 * probeInterval)
				if took, err := take(t.Context()); took != 0 || err != nil || store.Memory == nil {
					t.Errorf("when it answers again: %v, %v", took, err)
				}
			})
		})
	}
}

// case L28: counters of failures wait no longer, and count all the same.
func TestFailuresOverHangingStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &hanging{Memory: NewMemory(8), hangs: make(chan struct{})}
		f, err := NewFailures(store, parsed(t, "3-M"))
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for range 3 {
			f.Count("203.0.113.9", start)
		}
		if left, _ := f.Peek("203.0.113.9", start); left != 0 || time.Since(began) != defaultTimeout {
			t.Errorf("%d failures left after %v, want 0 after %v", left, time.Since(began), defaultTimeout)
		}
		close(store.hangs)
	})
}

// A store that comes and goes brings no new quota: Local goes on from what the store
// has told, and the store is told what Local has admitted.
func TestFlappingStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &failing{NewMemory(8), nil}
		now := start
		l := newLimiter(t, Config{Store: f, Logger: slog.New(slog.DiscardHandler)}, &now)
		plan, passed := parsed(t, "100-H"), 0
		for i := range 1000 {
			f.err = nil
			if i/10%2 == 1 {
				f.err = errors.New("down")
			}
			if d, err := l.Take(t.Context(), "s", plan, 1, now); err != nil {
				t.Fatal(err)
			} else if d.Allowed {
				passed++
			}
			time.Sleep(50 * time.Millisecond)
		}
		if passed != 100 {
			t.Errorf("%d of 100 an hour passed", passed)
		}
		if d, err := f.Memory.Take(t.Context(), Take{"plan", "s", plan, 0}, now); err != nil || d.States[0].Remaining != 0 {
			t.Errorf("the store knows of %d fewer: %v", d.States[0].Remaining, err)
		}
	})
}

// obedient is a store that gives up with its context, as drivers do.
type obedient struct{ Memory *Memory }

func (o obedient) Take(ctx context.Context, t Take, now time.Time) (Decision, error) {
	if err := ctx.Err(); err != nil {
		return Decision{}, err
	}
	return o.Memory.Take(ctx, t, now)
}

// A client that hangs up is counted all the same, and is no failure of the
// store: hanging up would be a way around the limit otherwise.
func TestHangUpIsCounted(t *testing.T) {
	for _, tt := range []struct {
		name   string
		policy OnOutage
	}{{"local", Local}, {"open", Open}, {"closed", Closed}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				now := start
				l := newLimiter(t, Config{
					Store: obedient{NewMemory(0)}, Charge: constant("s", parsed(t, "2-M")), OnOutage: tt.policy,
					Logger: slog.New(slog.NewTextHandler(&log, nil)),
				}, &now)
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				for range 3 {
					l.Check(httptest.NewRequestWithContext(ctx, "GET", "/", nil))
					synctest.Wait() // what nobody waits for has gone on
				}
				if _, d, err := l.Check(httptest.NewRequest("GET", "/", nil)); !errors.Is(err, ErrExceeded) || log.Len() > 0 {
					t.Errorf("after three clients that hung up, of 2 a minute: %+v, error %v, log %q", d, err, &log)
				}
			})
		})
	}
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

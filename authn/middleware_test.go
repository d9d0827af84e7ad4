package authn_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
)

func TestAnswers(t *testing.T) {
	d := newDoor(t)
	_, good := d.issue()
	key, revoked := d.issue()
	if err := d.keys.Revoke(t.Context(), d.op, key.ID, "", d.now); err != nil {
		t.Fatal(err)
	}
	_, expired := d.issue(func(s *apikey.Spec) { s.Expires = d.now.Add(time.Second) })
	_, elsewhere := d.issue(func(s *apikey.Spec) { s.Addresses = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} })
	d.now = d.now.Add(time.Second)

	for _, tt := range []struct {
		name   string
		header []string
		status int
		code   string
	}{
		{"good", []string{"Bearer " + good}, 200, ""},
		{"scheme in any case", []string{"bEaReR " + good}, 200, ""},
		{"more than one space", []string{"Bearer   " + good}, 200, ""},
		{"missing", nil, 401, "unauthorized"},
		{"empty", []string{""}, 401, "unauthorized"},
		{"scheme alone", []string{"Bearer"}, 401, "unauthorized"},
		{"no scheme", []string{good}, 401, "unauthorized"},
		{"another scheme", []string{"Basic " + good}, 401, "unauthorized"},
		{"a key as a session", []string{"Session " + good}, 401, "unauthorized"},
		{"two in one value", []string{"Bearer " + good + ", Bearer " + good}, 401, "unauthorized"},
		{"unknown", []string{"Bearer " + formats(t)["live"].Generate().Reveal()}, 401, "unauthorized"},
		{"another brand", []string{"Bearer sk_live_" + good[8:]}, 401, "unauthorized"},
		{"revoked", []string{"Bearer " + revoked}, 401, "revoked"},
		{"expired", []string{"Bearer " + expired}, 401, "expired"},
		{"address", []string{"Bearer " + elsewhere}, 403, "address_not_allowed"},
		// case S1
		{"two values", []string{"Bearer " + good, "Bearer " + good}, 400, "ambiguous_credentials"},
		// case K4
		{"1 MB", []string{"Bearer " + strings.Repeat("a", 1<<20)}, 401, "unauthorized"},
		{"NUL", []string{"Bearer " + good + "\x00"}, 401, "unauthorized"},
		{"not UTF-8", []string{"Bearer \xff" + good}, 401, "unauthorized"},
		{"space inside", []string{"Bearer " + good[:10] + " " + good[10:]}, 401, "unauthorized"},
		{"full-width digit", []string{"Bearer " + good[:len(good)-1] + "０"}, 401, "unauthorized"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := d.spy.finds.Load()
			rec, passed := d.knock(request(tt.header...))
			if rec.Code != tt.status || passed != (tt.status == 200) || !strings.Contains(rec.Body.String(), tt.code) {
				t.Errorf("%d, passed %v, %s; want %d %s", rec.Code, passed, rec.Body, tt.status, tt.code)
			}
			if (rec.Header().Get("WWW-Authenticate") != "") != (tt.status == 401) {
				t.Errorf("WWW-Authenticate %q with %d", rec.Header().Get("WWW-Authenticate"), rec.Code)
			}
			if malformed := tt.name == "1 MB" || tt.name == "NUL" || tt.name == "not UTF-8" || tt.name == "space inside" || tt.name == "full-width digit"; malformed && d.spy.finds.Load() != before {
				t.Error("the store was asked about something that cannot be a key")
			}
		})
	}
}

// case S2: a bad header is 401, whatever else the request carries.
// case S5: a token in the query, a form or a cookie is not read.
func TestOnlyTheHeaderIsRead(t *testing.T) {
	d := newDoor(t)
	_, good := d.issue()
	r := httptest.NewRequest("POST", "/?access_token="+good+"&api_key="+good, strings.NewReader("access_token="+good))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Api-Key", good)
	r.AddCookie(&http.Cookie{Name: "__Host-sess", Value: good})
	if rec, passed := d.knock(r); passed || rec.Code != 401 {
		t.Errorf("without a header: %d", rec.Code)
	}
	r.Header.Set("Authorization", "Bearer "+good+"x")
	if rec, passed := d.knock(r); passed || rec.Code != 401 {
		t.Errorf("with a bad header: %d", rec.Code)
	}
}

func TestAnonymous(t *testing.T) {
	d := newDoor(t, func(_ *apikey.Config, c *authn.Config) { c.AllowAnonymous = true })
	if _, passed := d.knock(request()); !passed {
		t.Error("an anonymous request was refused")
	}
	// Present and claimed by nobody is refused also here.
	for _, h := range []string{"Bearer nonsense", "Basic dXNlcjpwYXNz", ""} {
		if rec, passed := d.knock(request(h)); passed || rec.Code != 401 {
			t.Errorf("%q: %d", h, rec.Code)
		}
	}
}

// A store that is down is 503: never a 401, never a pass; known callers go on.
func TestStoreDown(t *testing.T) {
	d := newDoor(t)
	_, known := d.issue()
	_, cold := d.issue()
	d.knock(request("Bearer " + known))
	down := errors.New("connection refused")
	d.spy.fail.Store(&down)
	rec, passed := d.knock(request("Bearer " + cold))
	if passed || rec.Code != 503 || rec.Header().Get("Retry-After") == "" {
		t.Errorf("cold: %d %v", rec.Code, rec.Header())
	}
	if rec, passed := d.knock(request("Bearer " + known)); !passed {
		t.Errorf("known: %d", rec.Code)
	}
}

// Running the middleware twice asks once; a changed credential is asked again.
func TestTwice(t *testing.T) {
	d := newDoor(t)
	_, token := d.issue()
	r, err := d.mw.Check(request("Bearer " + token))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = d.mw.Check(r); err != nil {
		t.Errorf("the second check: %v", err)
	}
	if n := d.spy.finds.Load(); n != 1 {
		t.Errorf("got %d look-ups for two checks, want 1", n)
	}
	r.Header.Set("Authorization", "Bearer "+token+"x")
	if r, err = d.mw.Check(r); !errors.Is(err, authn.ErrRejected) {
		t.Errorf("a changed credential: %v", err)
	}
	if _, ok := authn.FromContext(r.Context()); ok {
		t.Error("the former principal is still there")
	}
}

type failures struct {
	charged map[string]int
	most    int
}

func (f *failures) Peek(subject string, _ time.Time) (int64, time.Duration) {
	if left := f.most - f.charged[subject]; left > 0 {
		return int64(left), 0
	}
	return 0, 30 * time.Second
}
func (f *failures) Count(subject string, _ time.Time) { f.charged[subject]++ }

func TestFailuresAreChargedPerAddress(t *testing.T) {
	f := &failures{charged: map[string]int{}, most: 3}
	d := newDoor(t, func(_ *apikey.Config, c *authn.Config) { c.Failures = f })
	_, known := d.issue()
	_, cold := d.issue()
	d.knock(request("Bearer " + known))
	for range 3 {
		d.knock(request("Bearer " + formats(t)["live"].Generate().Reveal()))
		d.knock(request()) // nothing is tried, so nothing is counted
	}
	before := d.spy.finds.Load()
	for _, h := range [][]string{{"Bearer " + cold}, {"Bearer " + formats(t)["live"].Generate().Reveal()}, {"Basic x:y"}} {
		rec, passed := d.knock(request(h...))
		if passed || rec.Code != 429 || rec.Header().Get("Retry-After") != "30" {
			t.Errorf("blocked address: %d, Retry-After %q", rec.Code, rec.Header().Get("Retry-After"))
		}
	}
	if d.spy.finds.Load() != before {
		t.Error("the store worked for a blocked address")
	}
	if rec, passed := d.knock(request()); passed || rec.Code != 401 {
		t.Errorf("without a credential: %d, want 401", rec.Code)
	}
	if rec, passed := d.knock(request("Bearer " + known)); !passed {
		t.Errorf("a known caller was held up: %d", rec.Code)
	}
	d.now = d.now.Add(10 * time.Second) // the lease is over
	if rec, passed := d.knock(request("Bearer " + known)); !passed || d.spy.finds.Load() != before+1 {
		t.Errorf("a known caller who has to be looked up again was held up: %d", rec.Code)
	}
	other := request("Bearer " + cold)
	other.RemoteAddr = "198.51.100.7:1234"
	if rec, passed := d.knock(other); !passed {
		t.Errorf("another address was held up: %d", rec.Code)
	}
}

// A key that has been revoked is known no more once it was refused: then the
// limit on failures holds it up like any other.
func TestRevokedIsNotKnown(t *testing.T) {
	f := &failures{charged: map[string]int{}, most: 3}
	d := newDoor(t, func(_ *apikey.Config, c *authn.Config) { c.Failures = f })
	key, token := d.issue()
	d.knock(request("Bearer " + token))
	if err := d.keys.Revoke(t.Context(), d.op, key.ID, "", d.now); err != nil {
		t.Fatal(err)
	}
	var codes []int
	for range 5 {
		rec, _ := d.knock(request("Bearer " + token))
		codes = append(codes, rec.Code)
		d.now = d.now.Add(10 * time.Second)
	}
	if want := []int{401, 401, 401, 401, 429}; !slices.Equal(codes, want) {
		t.Errorf("got %v, want %v: the first is a look-up of a known key, and three may fail", codes, want)
	}
}

func TestOutagesAreChargedToNobody(t *testing.T) {
	f := &failures{charged: map[string]int{}, most: 1}
	d := newDoor(t, func(_ *apikey.Config, c *authn.Config) { c.Failures = f })
	_, token := d.issue()
	down := errors.New("down")
	d.spy.fail.Store(&down)
	d.knock(request("Bearer " + token))
	if len(f.charged) != 0 {
		t.Errorf("charged %v for an outage", f.charged)
	}
}

func TestAddresses(t *testing.T) {
	d := newDoor(t)
	_, token := d.issue(func(s *apikey.Spec) {
		s.Addresses = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	})
	for _, tt := range []struct {
		remote string
		want   bool
	}{
		{"192.0.2.1:1", true}, {"[::ffff:192.0.2.1]:1", true}, {"[2001:db8::1]:1", true},
		{"198.51.100.1:1", false}, {"[2001:db9::1]:1", false}, {"@", false}, {"", false},
	} {
		for _, temperature := range []string{"cold", "cached"} {
			r := request("Bearer " + token)
			r.RemoteAddr = tt.remote
			if rec, passed := d.knock(r); passed != tt.want || !tt.want && rec.Code != 403 {
				t.Errorf("%s, %s: %d, passed %v", tt.remote, temperature, rec.Code, passed)
			}
		}
	}
}

// cases T1 and T2: no key, good or bad, is in a log line, an error, or a
// printed value, and a flood of failures is not a flood of lines.
func TestNothingLeaks(t *testing.T) {
	var out bytes.Buffer
	var level slog.LevelVar
	level.Set(slog.LevelDebug)
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: &level}))
	d := newDoor(t, func(k *apikey.Config, c *authn.Config) { k.Logger, c.Logger = log, log })
	_, good := d.issue()
	bad := formats(t)["live"].Generate().Reveal()
	var values []any
	for _, token := range []string{good, bad, good + "x"} {
		r, err := d.mw.Check(request("Bearer " + token))
		values = append(values, r.Context(), err, authn.NewCredential("bearer", token))
		p, _ := authn.FromContext(r.Context())
		values = append(values, p)
		down := fmt.Errorf("down")
		d.spy.fail.Store(&down)
		_, err = d.mw.Check(request("Bearer " + formats(t)["test"].Generate().Reveal()))
		values = append(values, err)
		d.spy.fail.Store(nil)
	}
	for _, v := range values {
		fmt.Fprintf(&out, "%v %+v %#v %s %q\n", v, v, v, v, v)
		log.Info("value", "v", v)
	}
	level.Set(slog.LevelInfo)
	for range 1000 {
		d.knock(request("Bearer " + bad))
	}
	for _, token := range []string{good, bad} {
		if body := token[len("mt_live_"):]; strings.Contains(out.String(), body) {
			t.Errorf("a key leaked:\n%s", out.String())
		}
	}
	if n := strings.Count(out.String(), "request refused"); n > 10 {
		t.Errorf("%d lines for 1,000 failures in a second, want at most 10", n)
	}
	if !strings.Contains(out.String(), "request refused") {
		t.Error("refusals are not logged at all")
	}
}

func TestNewReportsMistakes(t *testing.T) {
	for _, tt := range []struct {
		name string
		c    authn.Config
	}{{"none", authn.Config{}}, {"nil", authn.Config{Authenticators: []authn.Authenticator{nil}}}} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := authn.New(tt.c); err == nil {
				t.Error("no error")
			}
		})
	}
}

// An authenticator that answers nothing lets nobody in.
type silent struct{}

func (silent) Authenticate(context.Context, authn.Credential, time.Time) (*authn.Principal, error) {
	return nil, nil
}

func TestBrokenAuthenticator(t *testing.T) {
	mw, err := authn.New(authn.Config{Authenticators: []authn.Authenticator{silent{}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mw.Check(request("Bearer x")); !errors.Is(err, authn.ErrUnavailable) {
		t.Errorf("%v, want ErrUnavailable", err)
	}
}

// Every door asks for itself: whom another one knows is nobody here.
func TestTwoDoors(t *testing.T) {
	public, admin := newDoor(t), newDoor(t)
	_, token := public.issue()
	reached := false
	h := public.mw.Wrap(admin.mw.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true })))
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, request("Bearer "+token))
	if rec.Code != 401 || reached {
		t.Errorf("%d, reached %v", rec.Code, reached)
	}
}

// case K15, on the way that requests take: expiry is checked on every hit.
func TestExpiryThroughTheMiddleware(t *testing.T) {
	d := newDoor(t)
	_, token := d.issue(func(s *apikey.Spec) { s.Expires = d.now.Add(2 * time.Second) })
	for range 2 {
		if rec, passed := d.knock(request("Bearer " + token)); !passed {
			t.Fatal(rec.Code)
		}
	}
	d.now = d.now.Add(2 * time.Second)
	if rec, passed := d.knock(request("Bearer " + token)); passed || rec.Code != 401 {
		t.Errorf("at its expiry: %d", rec.Code)
	}
}

// Many made-up keys at once reach the store no more often than the limit of
// their address, give or take those that are asked about together.
func TestFailureBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &lockedFailures{failures: failures{charged: map[string]int{}, most: 20}}
		d := newDoor(t, func(_ *apikey.Config, c *authn.Config) { c.Failures = f })
		slow := func() { time.Sleep(50 * time.Millisecond) }
		d.spy.read.Store(&slow)
		var all sync.WaitGroup
		for range 1000 {
			r := request("Bearer " + formats(t)["live"].Generate().Reveal())
			all.Go(func() { d.mw.Check(r) })
		}
		all.Wait()
		if n := d.spy.finds.Load(); n > 24 {
			t.Errorf("%d look-ups for a limit of 20", n)
		}
	})
}

type lockedFailures struct {
	mu sync.Mutex
	failures
}

func (f *lockedFailures) Peek(subject string, now time.Time) (int64, time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failures.Peek(subject, now)
}

func (f *lockedFailures) Count(subject string, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failures.Count(subject, now)
}

// A store that hangs holds nobody for longer than the time-out, and one
// client's going away does not spoil the answer for the others.
func TestStoreHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t)
		_, token := d.issue()
		d.spy.hang.Store(true)
		began := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		var others sync.WaitGroup
		others.Go(func() { d.mw.Check(request("Bearer " + token).WithContext(ctx)) })
		synctest.Wait()
		others.Go(func() {
			_, err := d.mw.Check(request("Bearer " + token))
			if !errors.Is(err, authn.ErrUnavailable) || time.Since(began) != 2*time.Second {
				t.Errorf("after %v: %v", time.Since(began), err)
			}
		})
		synctest.Wait()
		cancel()
		others.Wait()
	})
}

package authn_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/ratelimit"
)

// byKind admits everybody, as a session or as a key.
type byKind struct{ kind authn.Kind }

func (b byKind) Authenticate(context.Context, authn.Credential, time.Time) (*authn.Principal, error) {
	return &authn.Principal{Kind: b.kind}, nil
}

// case T13: what a session or a cookie opened is for one person, whatever is
// answered, and a handler that says otherwise is logged.
func TestSessionAnswersArePrivate(t *testing.T) {
	const private = "private, no-store"
	set := func(value string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Cache-Control", value) }
	}
	leave := func(http.ResponseWriter, *http.Request) {}
	refuse := func(w http.ResponseWriter, r *http.Request) { problem.Write(w, r, problem.Problem{Status: 404}) }
	throttle := func(w http.ResponseWriter, r *http.Request) {
		plan, err := ratelimit.ParsePlan("p", "1-M")
		if err != nil {
			t.Error(err)
		}
		d := ratelimit.Decision{Plan: plan}
		d.WriteHeader(w.Header(), time.Now())
	}
	for _, c := range []struct {
		name   string
		kind   authn.Kind
		header string // that the credential comes in
		handle http.HandlerFunc
		want   string
		warned bool
	}{
		{"session in the header", authn.KindSession, "Authorization", leave, private, false},
		{"session in the cookie", authn.KindSession, "Cookie", leave, private, false},
		{"anything in the cookie", authn.KindKey, "Cookie", leave, private, false},
		{"key", authn.KindKey, "Authorization", leave, "", false},
		{"anonymous", authn.KindSession, "", leave, "", false},
		{"session, an error", authn.KindSession, "Authorization", refuse, private, false},
		{"session, over a limit", authn.KindSession, "Authorization", throttle, private, false},
		{"key, an error", authn.KindKey, "Authorization", refuse, "no-store", false},
		{"key, over a limit", authn.KindKey, "Authorization", throttle, "no-store", false},
		{"session, weakened", authn.KindSession, "Cookie", set("public, max-age=60"), "public, max-age=60", true},
		{"session, made private alone", authn.KindSession, "Cookie", set("private"), "private", true},
		{"session, taken away", authn.KindSession, "Cookie", set(""), "", true},
		{"session, no-store", authn.KindSession, "Cookie", set("no-store"), "no-store", false},
		{"key, cacheable", authn.KindKey, "Authorization", set("public"), "public", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			m, err := authn.New(authn.Config{
				Authenticators: []authn.Authenticator{byKind{c.kind}}, Cookie: "__Host-sess", AllowAnonymous: true,
				Logger: slog.New(slog.NewTextHandler(&log, nil)),
			})
			if err != nil {
				t.Fatal(err)
			}
			mux := http.NewServeMux()
			mux.Handle("GET /{$}", m.Wrap(c.handle))
			for range 2 {
				r := httptest.NewRequest("GET", "/", nil)
				switch c.header {
				case "Authorization":
					r.Header.Set("Authorization", "Bearer some_token")
				case "Cookie":
					r.Header.Set("Cookie", "__Host-sess=some_token")
				}
				w := httptest.NewRecorder()
				mux.ServeHTTP(w, r)
				if got := w.Header().Get("Cache-Control"); got != c.want {
					t.Errorf("got Cache-Control %q, want %q", got, c.want)
				}
			}
			want := 0
			if c.warned {
				want = 1 // of two requests
			}
			if got := strings.Count(log.String(), `"GET /{$}"`); got != want {
				t.Errorf("got %d warnings, want %d: %s", got, want, &log)
			}
		})
	}
}

package session_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"medtwin.ai/tollgate/authn/session"
)

// case S4: a token on the wrong transport is refused and reported, cold and
// remembered: somebody has taken it from where it belongs. The report names the
// session and not the token.
func TestWrongTransportIsReported(t *testing.T) {
	for _, tt := range []struct {
		name   string
		cookie bool // where the token belongs
	}{
		{"cookie's token in a header", true},
		{"header's token in a cookie", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log strings.Builder
			l := newLobby(t, func(c *session.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
			s, token := l.start(func(s *session.Spec) { s.Cookie = tt.cookie })
			send := func(inCookie bool) int {
				r := httptest.NewRequest("GET", "/", nil)
				if inCookie {
					r.AddCookie(&http.Cookie{Name: cookieName, Value: token})
				} else {
					r.Header.Set("Authorization", "Session "+token)
				}
				rec, _ := l.knock(r)
				return rec.Code
			}
			for _, step := range []string{"cold", "remembered"} {
				log.Reset()
				if got := send(!tt.cookie); got != 401 {
					t.Errorf("%s: %d, want 401", step, got)
				}
				text := log.String()
				if !strings.Contains(text, "level=WARN") || !strings.Contains(text, "transport") || !strings.Contains(text, s.ID) {
					t.Errorf("%s: %q reports nothing of %s", step, text, s.ID)
				}
				if strings.Contains(text, token[4:]) {
					t.Errorf("%s: the token is in the log", step)
				}
				log.Reset()
				if got := send(tt.cookie); got != 200 || log.Len() > 0 {
					t.Errorf("%s, where it belongs: %d, %s", step, got, log.String())
				}
				l.now = l.now.Add(1e9)
			}
		})
	}
}

// case S4: the holder of one token can repeat that as often as they like; of the
// reports ten are written in a second, and the next tells how many were not.
func TestWrongTransportReportsAreBounded(t *testing.T) {
	var log strings.Builder
	l := newLobby(t, func(c *session.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	_, token := l.start(func(s *session.Spec) { s.Cookie = true })
	send := func() {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Session "+token)
		l.knock(r)
	}
	for range 100 {
		send()
	}
	if got := strings.Count(log.String(), "wrong transport"); got != 10 {
		t.Errorf("got %d reports of 100 in a second, want 10", got)
	}
	log.Reset()
	l.now = l.now.Add(1e9)
	send()
	if text := log.String(); !strings.Contains(text, "dropped=") || strings.Contains(text, "dropped=0") {
		t.Errorf("the next report does not say how many were dropped: %q", text)
	}
}

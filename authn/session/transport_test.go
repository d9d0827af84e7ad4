package session_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// case S16: the exact attributes of the cookie, and of the one that ends it.
func TestCookie(t *testing.T) {
	l := newLobby(t)
	s, token, err := l.sessions.Start(t.Context(), session.Spec{User: l.user(), Account: account, Cookie: true}, l.now)
	if err != nil {
		t.Fatal(err)
	}
	set := func(c *http.Cookie) string {
		if err := c.Valid(); err != nil {
			t.Error(err)
		}
		rec := httptest.NewRecorder()
		http.SetCookie(rec, c)
		return rec.Header().Get("Set-Cookie")
	}
	begin, end := session.Cookie(cookieName, token, s, l.now), session.ClearCookie(cookieName)
	want := []string{
		"__Host-sess=" + token.Reveal() + "; Path=/; Expires=Mon, 21 Dec 2026 12:00:00 GMT; Max-Age=2592000; HttpOnly; Secure; SameSite=Lax",
		"__Host-sess=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; HttpOnly; Secure; SameSite=Lax",
	}
	if diff := cmp.Diff(want, []string{set(begin), set(end)}); diff != "" {
		t.Errorf("Set-Cookie (-want +got):\n%s", diff)
	}
	if c := session.Cookie(cookieName, token, s, s.Expires); c.MaxAge <= 0 {
		t.Errorf("at its end: Max-Age %d, which would leave it out", c.MaxAge)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(begin)
	if rec, passed := l.knock(r); !passed {
		t.Errorf("with the cookie: %d", rec.Code)
	}
}

// Current says what the store says now, whatever is remembered.
func TestCurrent(t *testing.T) {
	users := func(l *lobby) store.Users { return l.store.Users() }
	for _, tt := range []struct {
		name string
		end  func(l *lobby, id string) error
	}{
		{"revoked", func(l *lobby, id string) error { return l.store.Sessions().Revoke(l.t.Context(), userID, id, l.now) }},
		{"everywhere", func(l *lobby, _ string) error {
			_, err := users(l).EndSessions(l.t.Context(), userID)
			return err
		}},
		{"suspended", func(l *lobby, _ string) error {
			return users(l).SetStatus(l.t.Context(), userID, authz.Suspended)
		}},
		{"over", func(l *lobby, _ string) error { l.now = l.now.Add(30 * 24 * time.Hour); return nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLobby(t)
			s, token := l.start()
			by, err := l.enter(token)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := l.sessions.Current(t.Context(), by, l.now); err != nil || got.ID != s.ID {
				t.Errorf("before: %s, %v", got.ID, err)
			}
			if err := tt.end(l, s.ID); err != nil {
				t.Fatal(err)
			}
			if _, err := l.sessions.Current(t.Context(), by, l.now); !errors.Is(err, authn.ErrRevoked) {
				t.Errorf("%v, want ErrRevoked", err)
			}
		})
	}
	l := newLobby(t)
	for _, by := range []*authn.Principal{nil, {}, authn.Operator(account), {Kind: authn.KindKey, User: userID}} {
		if _, err := l.sessions.Current(t.Context(), by, l.now); !errors.Is(err, authn.ErrForbidden) {
			t.Errorf("%v: %v, want ErrForbidden", by, err)
		}
	}
	if _, err := l.sessions.Current(t.Context(), &authn.Principal{Kind: authn.KindSession, User: userID, ID: "ses_2"}, l.now); !errors.Is(err, authn.ErrRevoked) {
		t.Errorf("a session there is not: %v, want ErrRevoked", err)
	}
}

// What went past the Manager holds at once for whom it is told to forget.
func TestForget(t *testing.T) {
	for _, forget := range []bool{false, true} {
		l := newLobby(t)
		_, token := l.start()
		if _, err := l.enter(token); err != nil {
			t.Fatal(err)
		}
		if _, err := l.store.Users().EndSessions(t.Context(), userID); err != nil {
			t.Fatal(err)
		}
		var want error // remembered, for the lease
		if forget {
			l.sessions.Forget(userID)
			want = authn.ErrRevoked
		}
		if _, err := l.enter(token); !errors.Is(err, want) {
			t.Errorf("forget %t: %v, want %v", forget, err, want)
		}
	}
}

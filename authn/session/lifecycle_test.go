package session_test

import (
	"errors"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// case S7: a request in flight across a log-out does not bring the session
// back.
func TestLogoutInFlight(t *testing.T) {
	l := newLobby(t)
	session, token := l.start()
	if _, err := l.enter(token); err != nil {
		t.Fatal(err)
	}
	if err := l.sessions.Logout(t.Context(), authn.NewCredential("Session", token), l.now); err != nil {
		t.Fatal(err)
	}
	if err := l.spy.Touch(t.Context(), []store.Use{{ID: session.ID, At: l.now.Add(time.Minute)}}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.enter(token); !errors.Is(err, authn.ErrRevoked) {
		t.Errorf("after the log-out: %v", err)
	}
}

// case S11: whatever ends the sessions of a user between the reading of the
// user and the start of his session leaves that session dead.
func TestSessionBornDead(t *testing.T) {
	for name, end := range map[string]func(l *lobby) error{
		"everywhere": func(l *lobby) error { _, err := l.store.Users().EndSessions(l.t.Context(), userID); return err },
		"password": func(l *lobby) error {
			_, err := l.store.Users().SetPassword(l.t.Context(), userID, "", "new")
			return err
		},
		"suspension": func(l *lobby) error {
			return errors.Join(l.store.Users().SetStatus(l.t.Context(), userID, authz.Suspended),
				l.store.Users().SetStatus(l.t.Context(), userID, authz.Active))
		},
	} {
		l := newLobby(t)
		read := l.user()
		if err := end(l); err != nil {
			t.Fatal(err)
		}
		_, token := l.start(func(s *session.Spec) { s.User = read })
		if _, err := l.enter(token); !errors.Is(err, authn.ErrRevoked) {
			t.Errorf("%s: %v, want ErrRevoked", name, err)
		}
	}
}

// cases S13 and S14: lists hold what is live, another user's id is not there,
// and logging out twice, or with anything, is fine.
func TestSessionManagement(t *testing.T) {
	l := newLobby(t)
	one, first := l.start()
	two, second := l.start()
	_, third := l.start()
	by, err := l.enter(first)
	if err != nil {
		t.Fatal(err)
	}
	ids := func() (ids []string) {
		list, err := l.sessions.List(t.Context(), by, l.now)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			ids = append(ids, s.ID)
		}
		return ids
	}
	if n := len(ids()); n != 3 {
		t.Errorf("%d live sessions, want 3", n)
	}
	if err := l.sessions.Revoke(t.Context(), by, two.ID, l.now); err != nil {
		t.Fatal(err)
	}
	if _, err := l.enter(second); !errors.Is(err, authn.ErrRevoked) {
		t.Errorf("revoked: %v", err)
	}
	stranger := *by
	stranger.User = "user_2"
	if err := l.sessions.Revoke(t.Context(), &stranger, one.ID, l.now); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another user's session: %v", err)
	}
	if n, err := l.sessions.RevokeOthers(t.Context(), by, l.now); n != 1 || err != nil {
		t.Errorf("others: %d, %v", n, err)
	}
	if _, err := l.enter(third); !errors.Is(err, authn.ErrRevoked) {
		t.Errorf("one of the others: %v", err)
	}
	if _, err := l.enter(first); err != nil {
		t.Errorf("the caller's own: %v", err)
	}
	if err := l.sessions.RevokeAll(t.Context(), by, l.now); err != nil {
		t.Fatal(err)
	}
	if _, err := l.enter(first); !errors.Is(err, authn.ErrRevoked) || len(ids()) != 0 {
		t.Errorf("after all: %v, %v", err, ids())
	}
	unknown := "sess_" + first[5:20] + "x"
	for _, token := range []string{first, first, unknown, "", "mt_live_x"} {
		if err := l.sessions.Logout(t.Context(), authn.NewCredential("Session", token), l.now); err != nil {
			t.Errorf("log-out with %q: %v", token, err)
		}
	}
	key := &authn.Principal{Kind: authn.KindKey, ID: "key_1", Account: account, User: by.User} // a person's: case A4
	for _, by := range []*authn.Principal{nil, {}, authn.Operator(account), key} {
		if err := l.sessions.RevokeAll(t.Context(), by, l.now); !errors.Is(err, authn.ErrForbidden) {
			t.Errorf("%v: %v", by, err)
		}
		if _, err := l.sessions.List(t.Context(), by, l.now); !errors.Is(err, authn.ErrForbidden) {
			t.Errorf("%v lists: %v", by, err)
		}
	}
}

package session_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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

// case S11: a change that ends the sessions of a user after the user is read and before
// the session starts also ends that session.
func TestSessionBornDead(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(l *lobby) error
	}{
		{"everywhere", func(l *lobby) error { _, err := l.store.Users().EndSessions(l.t.Context(), userID); return err }},
		{"password", func(l *lobby) error {
			_, err := l.store.Users().SetPassword(l.t.Context(), store.User{ID: userID}, "new")
			return err
		}},
		{"suspension", func(l *lobby) error {
			return errors.Join(l.store.Users().SetStatus(l.t.Context(), userID, authz.Suspended),
				l.store.Users().SetStatus(l.t.Context(), userID, authz.Active))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLobby(t)
			read := l.user()
			if err := tt.end(l); err != nil {
				t.Fatal(err)
			}
			_, token := l.start(func(s *session.Spec) { s.User = read })
			if _, err := l.enter(token); !errors.Is(err, authn.ErrRevoked) {
				t.Errorf("%v, want ErrRevoked", err)
			}
		})
	}
}

// What the store holds of a former epoch is not listed, revoked or not.
func TestListOfTheEpoch(t *testing.T) {
	l := newLobby(t)
	_, former := l.start()
	by, err := l.enter(former)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.store.Users().EndSessions(t.Context(), userID); err != nil {
		t.Fatal(err)
	}
	s, _ := l.start()
	list, err := l.sessions.List(t.Context(), by, l.now)
	if err != nil || len(list) != 1 || list[0].ID != s.ID {
		t.Errorf("%d sessions, %v; want the one of this epoch", len(list), err)
	}
}

// case S4: on the wrong transport a token logs nobody out either.
func TestLogoutOnTheWrongTransport(t *testing.T) {
	l := newLobby(t)
	for _, cookie := range []bool{false, true} {
		_, token := l.start(func(s *session.Spec) { s.Cookie = cookie })
		c := authn.NewCredential("Session", token)
		for _, wrong := range []bool{true, false} {
			c.Cookie = cookie != wrong
			if err := l.sessions.Logout(t.Context(), c, l.now); err != nil {
				t.Fatal(err)
			}
			var want error
			if !wrong {
				want = authn.ErrRevoked
			}
			c.Cookie = cookie
			if _, err := l.sessions.Authenticate(t.Context(), c, l.now); !errors.Is(err, want) {
				t.Errorf("cookie %t, wrong transport %t: %v, want %v", cookie, wrong, err, want)
			}
		}
	}
}

// Of a user's sessions the newest live ones stay, whichever have ended in other
// ways; the one that begins is among them, and other users' are not counted.
func TestMostSessions(t *testing.T) {
	l := newLobby(t, func(c *session.Config) { c.Most = 3 })
	var sessions []store.Session
	var tokens []string
	start := func() {
		t.Helper()
		l.now = l.now.Add(time.Second)
		s, token := l.start()
		sessions, tokens = append(sessions, s), append(tokens, token)
	}
	check := func(name string, want ...int) {
		t.Helper()
		var live []int
		for i, token := range tokens {
			switch _, err := l.enter(token); {
			case err == nil:
				live = append(live, i)
			case !errors.Is(err, authn.ErrRevoked):
				t.Errorf("%s: %v, want ErrRevoked", name, err)
			}
		}
		if diff := cmp.Diff(want, live); diff != "" {
			t.Errorf("%s, live (-want +got):\n%s", name, diff)
		}
	}
	for range 3 {
		start()
	}
	other := store.User{ID: "user_2", Email: "b@example.com", Status: authz.Active}
	if err := l.store.Users().Create(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	_, others := l.start(func(s *session.Spec) { s.User = other })
	check("as many as may be", 0, 1, 2)
	start()
	check("one more", 1, 2, 3) // and what was remembered of the first is forgotten
	if err := l.store.Sessions().Revoke(t.Context(), userID, sessions[2].ID, l.now); err != nil {
		t.Fatal(err)
	}
	l.sessions.Forget(userID)
	start()
	check("in the place of one that ended", 1, 3, 4)

	l.now = l.now.Add(-time.Hour) // a clock that goes back
	start()
	check("which is older by its clock", 3, 4, 5)
	if _, err := l.enter(others); err != nil {
		t.Errorf("another user's: %v", err)
	}

	if _, err := l.store.Users().EndSessions(t.Context(), userID); err != nil {
		t.Fatal(err)
	}
	l.sessions.Forget(userID)
	l.now = l.now.Add(time.Hour)
	for range 3 {
		start()
	}
	check("in another epoch", 6, 7, 8)
	for _, s := range sessions[3:6] { // which needed no end of their own
		if got, err := l.store.Sessions().Get(t.Context(), userID, s.ID); err != nil || !got.Revoked.IsZero() {
			t.Errorf("a session of a former epoch was revoked: %v", err)
		}
	}
}

// However many begin at once, no more live; and who hangs up is bounded too.
func TestMostSessionsAtOnce(t *testing.T) {
	l := newLobby(t, func(c *session.Config) { c.Most = 3 })
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	user := l.user()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, _, err := l.sessions.Start(gone, session.Spec{User: user, Account: account}, l.now); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	list, err := l.store.Sessions().List(t.Context(), userID)
	if err != nil {
		t.Fatal(err)
	}
	live := 0
	for _, s := range list {
		if s.Live(l.now) {
			live++
		}
	}
	if len(list) != 20 || live == 0 || live > 3 {
		t.Errorf("%d of %d live, want some, and 3 at most", live, len(list))
	}
}

// A store that cannot list keeps nobody out: the next login makes up for it.
func TestMostSessionsLater(t *testing.T) {
	l := newLobby(t, func(c *session.Config) { c.Most = 1 })
	_, first := l.start()
	l.now = l.now.Add(time.Second)
	l.spy.list = errors.New("down")
	_, second := l.start()
	for _, token := range []string{first, second} {
		if _, err := l.enter(token); err != nil {
			t.Error(err)
		}
	}
	l.now = l.now.Add(time.Second)
	l.spy.list = nil
	l.start()
	for _, token := range []string{first, second} {
		if _, err := l.enter(token); !errors.Is(err, authn.ErrRevoked) {
			t.Errorf("%v, want ErrRevoked", err)
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

// case T15: what a client says about itself never keeps a session from
// beginning.
func TestAgentThatCannotBeStored(t *testing.T) {
	l := newLobby(t)
	for _, tt := range []struct{ name, agent, want string }{
		{"NUL", "a\x00b", "a\ufffdb"},
		{"not UTF-8", "a\xffb", "a\ufffdb"},
		{"1 MB", strings.Repeat("x", 1<<20), strings.Repeat("x", 200)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := l.start(func(s *session.Spec) { s.Agent = tt.agent })
			if s.Agent != tt.want {
				t.Errorf("got %q, want %q", s.Agent, tt.want)
			}
		})
	}
}

package authn_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

const userID = "user_1"

// sessionSpy is a store.Sessions that counts and can fail.
type sessionSpy struct {
	store.Sessions
	finds, touched atomic.Int64
	fail           atomic.Pointer[error]
}

func (s *sessionSpy) Find(ctx context.Context, d keyfmt.Digest) (store.Session, error) {
	s.finds.Add(1)
	if err := s.fail.Load(); err != nil {
		return store.Session{}, *err
	}
	return s.Sessions.Find(ctx, d)
}

func (s *sessionSpy) Touch(ctx context.Context, uses []store.Use) error {
	s.touched.Add(int64(len(uses)))
	return s.Sessions.Touch(ctx, uses)
}

// A lobby is a door for people.
type lobby struct {
	*door
	sessions *authn.Sessions
	spy      *sessionSpy
}

func newLobby(t testing.TB, change ...func(*authn.SessionsConfig)) *lobby {
	t.Helper()
	l := &lobby{}
	var c authn.SessionsConfig
	l.door = newDoor(t, func(_ *authn.KeysConfig, mc *authn.Config) { mc.Cookie = "__Host-sess" })
	ctx := t.Context()
	for _, err := range []error{
		l.store.Users().Create(ctx, store.User{ID: userID, Email: "a@example.com", Status: authz.Active, Created: l.now}),
		l.store.Memberships().Put(ctx, store.Membership{User: userID, Account: account, Role: "editor", Created: l.now}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	format, err := keyfmt.New("sess_")
	if err != nil {
		t.Fatal(err)
	}
	editor := l.model.Everything()
	viewer := l.model.Everything()
	viewer.Permissions = authz.Of("read")
	l.spy = &sessionSpy{Sessions: l.store.Sessions()}
	c = authn.SessionsConfig{
		Store: l.spy, Users: l.store.Users(), Memberships: l.store.Memberships(), Accounts: l.store.Accounts(),
		Model: l.model, Roles: map[string]authz.Grant{"editor": editor, "viewer": viewer},
		Format: format, Peppers: peppers(t),
	}
	for _, f := range change {
		f(&c)
	}
	if l.sessions, err = authn.NewSessions(c); err != nil {
		t.Fatal(err)
	}
	l.mw, err = authn.New(authn.Config{
		Authenticators: []authn.Authenticator{l.keys, l.sessions}, Cookie: "__Host-sess",
		Now: func() time.Time { return l.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *lobby) user() store.User {
	l.t.Helper()
	u, err := l.store.Users().Get(l.t.Context(), userID)
	if err != nil {
		l.t.Fatal(err)
	}
	return u
}

func (l *lobby) start(change ...func(*authn.SessionSpec)) (store.Session, string) {
	l.t.Helper()
	spec := authn.SessionSpec{User: l.user(), Account: account, Agent: "test"}
	for _, f := range change {
		f(&spec)
	}
	session, token, err := l.sessions.Start(l.t.Context(), spec, l.now)
	if err != nil {
		l.t.Fatal(err)
	}
	return session, token.Reveal()
}

func (l *lobby) enter(token string) (*authn.Principal, error) {
	return l.sessions.Authenticate(l.t.Context(), authn.NewCredential("Session", token), l.now)
}

func TestSessionPrincipal(t *testing.T) {
	l := newLobby(t)
	session, token := l.start()
	p, err := l.enter(token)
	if err != nil {
		t.Fatal(err)
	}
	if p.Kind != authn.KindSession || p.ID != session.ID || p.User != userID || p.Account != account || p.Environment != "live" || p.Subject != account+"/live" {
		t.Errorf("principal %+v", p)
	}
	ask := authz.Request{Permission: "write", Endpoint: "x", Environment: "live"}
	if d := p.Rights.Decide(ask); !d.Allowed {
		t.Errorf("an editor may not write: %+v", d)
	}
	for name, c := range map[string]authn.Credential{
		"bearer": authn.NewCredential("Bearer", token),
	} {
		if _, err := l.sessions.Authenticate(t.Context(), c, l.now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := l.spy.finds.Load(); n != 1 {
		t.Errorf("%d look-ups, want 1", n)
	}
}

// A role is what the membership says at present; without one nothing is
// allowed.
func TestSessionFollowsTheMembership(t *testing.T) {
	l := newLobby(t)
	_, token := l.start()
	writes := func() bool {
		p, err := l.enter(token)
		return err == nil && p.Rights.Decide(authz.Request{Permission: "write", Endpoint: "x", Environment: "live"}).Allowed
	}
	if !writes() {
		t.Fatal("an editor may not write")
	}
	if err := l.store.Memberships().Put(t.Context(), store.Membership{User: userID, Account: account, Role: "viewer"}); err != nil {
		t.Fatal(err)
	}
	l.now = l.now.Add(l.sessions.MaxRevocationDelay())
	if writes() {
		t.Error("a viewer may write")
	}
	if err := l.store.Memberships().Remove(t.Context(), account, userID); err != nil {
		t.Fatal(err)
	}
	l.now = l.now.Add(l.sessions.MaxRevocationDelay())
	p, err := l.enter(token)
	if err != nil || p.Rights.Decide(authz.Request{Permission: "read", Endpoint: "x", Environment: "live"}).Allowed {
		t.Errorf("who is no member may read: %v", err)
	}
}

// case S8: idle at the limit less a second passes, a second after it is 401;
// and a busy session dies at its absolute expiry.
func TestSessionExpiry(t *testing.T) {
	l := newLobby(t, func(c *authn.SessionsConfig) { c.Idle, c.Lifetime = time.Hour, 3*time.Hour })
	_, token := l.start()
	pass := func(d time.Duration, want error) {
		t.Helper()
		l.now = l.now.Add(d)
		if _, err := l.enter(token); !errors.Is(err, want) {
			t.Errorf("%v later: %v, want %v", d, err, want)
		}
	}
	pass(0, nil)
	pass(time.Hour-time.Second, nil)
	pass(time.Hour-time.Second, nil)
	pass(time.Hour, authn.ErrExpired) // at the limit it is over

	_, token = l.start()
	for range 6 {
		pass(29*time.Minute, nil)
	}
	pass(6*time.Minute-time.Second, nil) // a second before its absolute end
	pass(time.Second, authn.ErrExpired)

	_, token = l.start()
	pass(0, nil)
	pass(time.Hour+time.Second, authn.ErrExpired)
}

// case S9: 10,000 requests within one grain make one write, and a clock that
// goes back never lowers the last sight of a session.
func TestSessionTouches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLobby(t)
		l.now = time.Now()
		session, token := l.start()
		ctx, cancel := context.WithCancel(t.Context())
		go l.sessions.Run(ctx)
		for range 10_000 {
			if _, err := l.enter(token); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if n := l.spy.touched.Load(); n != 1 {
			t.Errorf("%d rows written, want 1", n)
		}
		at := l.now
		l.now = l.now.Add(-2 * time.Hour)
		l.enter(token)
		cancel()
		synctest.Wait()
		got, err := l.store.Sessions().Get(t.Context(), userID, session.ID)
		if err != nil || got.Seen.Before(at.Truncate(time.Second)) {
			t.Errorf("last seen %v, want %v; %v", got.Seen, at, err)
		}
	})
}

// case S10: what a crash loses shortens a session by a quarter of its idle
// time at most.
func TestSessionAfterACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const idle = 4 * time.Minute
		l := newLobby(t, func(c *authn.SessionsConfig) { c.Idle = idle })
		_, token := l.start()
		ctx, cancel := context.WithCancel(t.Context())
		go l.sessions.Run(ctx)
		var last time.Time
		for range 500 { // busy for 500 s
			time.Sleep(time.Second)
			l.now = time.Now()
			if _, err := l.enter(token); err != nil {
				t.Fatal(err)
			}
			last = l.now
		}
		// Another process, which knows only what was written.
		after := newLobby(t, func(c *authn.SessionsConfig) {
			c.Store, c.Users, c.Memberships, c.Accounts, c.Idle = l.spy, l.store.Users(), l.store.Memberships(), l.store.Accounts(), idle
		})
		after.now = last.Add(idle*3/4 - time.Second)
		if _, err := after.enter(token); err != nil {
			t.Errorf("a quarter of the idle time before it ends: %v", err)
		}
		cancel()
		synctest.Wait()
	})
}

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
		_, token := l.start(func(s *authn.SessionSpec) { s.User = read })
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
	for _, by := range []*authn.Principal{nil, {}, authn.Operator(account)} {
		if err := l.sessions.RevokeAll(t.Context(), by, l.now); !errors.Is(err, authn.ErrForbidden) {
			t.Errorf("%v: %v", by, err)
		}
	}
}

// A cookie is read only without a header, alone, and on its own transport.
func TestCookies(t *testing.T) {
	l := newLobby(t)
	_, header := l.start()
	_, cookie := l.start(func(s *authn.SessionSpec) { s.Cookie = true })
	_, key := l.issue()
	name := "__Host-sess="
	for _, tt := range []struct {
		name, authorization string
		cookies             []string
		status              int
	}{
		{"cookie", "", []string{name + cookie}, 200},
		{"among others", "", []string{"a=b; " + name + cookie + "; c=d"}, 200},
		{"header", "Session " + header, nil, 200},
		{"header wins", "Session " + header, []string{name + cookie}, 200},
		{"bad header, good cookie", "Session " + header + "x", []string{name + cookie}, 401}, // case S2
		{"empty header, good cookie", " ", []string{name + cookie}, 401},
		{"two cookies", "", []string{name + cookie + "; " + name + cookie}, 401}, // case S3
		{"two lines", "", []string{name + cookie, name + cookie}, 401},           // case S3
		{"cookie's token in a header", "Session " + cookie, nil, 401},            // case S4
		{"header's token in a cookie", "", []string{name + header}, 401},         // case S4
		{"a key in a cookie", "", []string{name + key}, 401},
		{"another cookie", "", []string{"sess=" + cookie}, 401},
		{"empty", "", []string{name}, 401},
		{"long", "", []string{name + strings.Repeat("x", 1<<20)}, 401},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		if tt.authorization != "" {
			r.Header.Set("Authorization", strings.TrimSpace(tt.authorization))
		}
		for _, c := range tt.cookies {
			r.Header.Add("Cookie", c)
		}
		if rec, passed := l.knock(r); rec.Code != tt.status || passed != (tt.status == 200) {
			t.Errorf("%s: %d, passed %v", tt.name, rec.Code, passed)
		}
	}
}

// case S17: with a cookie an unsafe method must come from this origin, and so
// must a WebSocket handshake; header credentials and programs are unaffected.
func TestCrossOrigin(t *testing.T) {
	l := newLobby(t)
	_, header := l.start()
	_, cookie := l.start(func(s *authn.SessionSpec) { s.Cookie = true })
	for _, tt := range []struct {
		name, method string
		set          map[string]string
		cookie       bool
		status       int
	}{
		{"same origin", "POST", map[string]string{"Sec-Fetch-Site": "same-origin"}, true, 200},
		{"cross site", "POST", map[string]string{"Sec-Fetch-Site": "cross-site"}, true, 403},
		{"sibling host", "POST", map[string]string{"Sec-Fetch-Site": "same-site"}, true, 403},
		{"foreign origin, old browser", "DELETE", map[string]string{"Origin": "https://evil.example"}, true, 403},
		{"no browser", "POST", nil, true, 200},
		{"reading", "GET", map[string]string{"Sec-Fetch-Site": "cross-site"}, true, 200},
		{"WebSocket", "GET", map[string]string{"Origin": "https://evil.example", "Upgrade": "websocket"}, true, 403},
		{"WebSocket from here", "GET", map[string]string{"Origin": "http://example.com", "Upgrade": "websocket"}, true, 200},
		{"header", "POST", map[string]string{"Sec-Fetch-Site": "cross-site"}, false, 200},
	} {
		r := httptest.NewRequest(tt.method, "http://example.com/", nil)
		for k, v := range tt.set {
			r.Header.Set(k, v)
		}
		if tt.cookie {
			r.AddCookie(&http.Cookie{Name: "__Host-sess", Value: cookie})
		} else {
			r.Header.Set("Authorization", "Session "+header)
		}
		if rec, passed := l.knock(r); rec.Code != tt.status || passed != (tt.status == 200) {
			t.Errorf("%s: %d %s", tt.name, rec.Code, rec.Body)
		}
	}
}

// Sessions act in live unless the request says otherwise; keys never listen.
func TestEnvironmentOfASession(t *testing.T) {
	l := newLobby(t)
	_, token := l.start()
	_, key := l.issue()
	for _, tt := range []struct {
		credential, asked, environment string
		status                         int
	}{
		{"Session " + token, "", "live", 200},
		{"Session " + token, "test", "test", 200},
		{"Session " + token, "live", "live", 200},
		{"Session " + token, "prod", "", 403},
		{"Bearer " + key, "test", "live", 200},
	} {
		r := request(tt.credential)
		if tt.asked != "" {
			r.Header.Set("X-Environment", tt.asked)
		}
		rec := httptest.NewRecorder()
		got := ""
		l.mw.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			p, _ := authn.FromContext(r.Context())
			got = p.Environment
			if p.Subject != account+"/"+p.Environment {
				t.Errorf("subject %q in %s", p.Subject, p.Environment)
			}
		})).ServeHTTP(rec, r)
		if rec.Code != tt.status || got != tt.environment {
			t.Errorf("%.10s asking for %q: %d in %q", tt.credential, tt.asked, rec.Code, got)
		}
	}
}

// case S15: a store that is down is 503, and the handler is not called.
func TestSessionStoreDown(t *testing.T) {
	l := newLobby(t)
	_, token := l.start()
	down := errors.New("down")
	l.spy.fail.Store(&down)
	if rec, passed := l.knock(request("Session " + token)); passed || rec.Code != 503 {
		t.Errorf("%d, passed %v", rec.Code, passed)
	}
}

func TestNewSessionsReportsEveryMistake(t *testing.T) {
	_, err := authn.NewSessions(authn.SessionsConfig{Idle: time.Second})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"Store", "Users", "Memberships", "Accounts", "Model", "Peppers", "Format", "Roles", "Idle"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not mention %s", err, want)
		}
	}
}

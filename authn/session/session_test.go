package session_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/internal/overlay"
	"medtwin.ai/tollgate/store"
)

func TestSessionPrincipal(t *testing.T) {
	l := newLobby(t)
	session, token := l.start()
	l.now = l.now.Add(time.Minute)
	p, err := l.enter(token)
	if err != nil {
		t.Fatal(err)
	}
	if p.Kind != authn.KindSession || p.ID != session.ID || p.User != userID || p.Account != account || p.Environment != "live" || p.Subject != account+"/live" ||
		!p.Proved.Equal(session.Created) || !p.Expires.Equal(session.Expires) {
		t.Errorf("principal %+v", p)
	}
	ask := authz.Request{Permission: "write", Endpoint: "x", Environment: "live"}
	if d := p.Rights.Decide(ask); !d.Allowed {
		t.Errorf("an editor may not write: %+v", d)
	}
	for _, tt := range []struct {
		name string
		c    authn.Credential
	}{
		{"bearer", authn.NewCredential("Bearer", token)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := l.sessions.Authenticate(t.Context(), tt.c, l.now); err != nil {
				t.Error(err)
			}
		})
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

// Of a grant that the model refuses nothing is allowed, and the others stand.
func TestSessionRoleOutsideTheModel(t *testing.T) {
	for _, tt := range []struct {
		permission string
		want       bool
	}{{"read", true}, {"fly", false}} {
		l := newLobby(t, func(c *session.Config) {
			good, bad := c.Model.Everything(), c.Model.Everything()
			good.Permissions, bad.Permissions = authz.Of("read"), authz.Of("read", "write", "fly")
			c.Roles = func(store.Membership) []authz.Grant { return []authz.Grant{good, bad} }
		})
		_, token := l.start()
		p, err := l.enter(token)
		if err != nil {
			t.Fatal(err)
		}
		for _, ask := range []string{tt.permission, "write"} {
			if d := p.Rights.Decide(authz.Request{Permission: ask, Endpoint: "x", Environment: "live"}); d.Allowed != (tt.want && ask == "read") {
				t.Errorf("%s is allowed: %v", ask, d.Allowed)
			}
		}
	}
}

// case S8: idle at the limit less a second passes, a second after it is 401;
// and a busy session dies at its absolute expiry.
func TestSessionExpiry(t *testing.T) {
	l := newLobby(t, func(c *session.Config) { c.Idle, c.Lifetime = time.Hour, 3*time.Hour })
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
		l := newLobby(t, func(c *session.Config) { c.Idle = idle })
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
		after := newLobby(t, func(c *session.Config) {
			c.Store, c.Idle = overlay.Sessions(l.store, l.spy), idle
		})
		after.now = last.Add(idle*3/4 - time.Second)
		if _, err := after.enter(token); err != nil {
			t.Errorf("a quarter of the idle time before it ends: %v", err)
		}
		cancel()
		synctest.Wait()
	})
}

// case A17: sessions act in live unless the request asks for another
// environment; a key acts in its own, and refuses a request for another one.
func TestEnvironmentOfASession(t *testing.T) {
	l := newLobby(t)
	_, token := l.start()
	key := l.issue()
	for _, tt := range []struct {
		credential, asked, environment string
		status                         int
	}{
		{"Session " + token, "", "live", 200},
		{"Session " + token, "test", "test", 200},
		{"Session " + token, "live", "live", 200},
		{"Session " + token, "prod", "", 403},
		{"Bearer " + key, "", "live", 200},
		{"Bearer " + key, "live", "live", 200},
		{"Bearer " + key, "test", "", 403},
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

func TestNewReportsEveryMistake(t *testing.T) {
	_, err := session.New(session.Config{Idle: time.Second, Most: 501})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"Store", "Model", "Peppers", "Format", "Roles", "Idle", "Most"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not mention %s", err, want)
		}
	}
}

// strict is somebody's authenticator around ours.
type strict struct {
	*session.Manager
	blocked bool
}

func (s *strict) Authenticate(ctx context.Context, c authn.Credential, now time.Time) (*authn.Principal, error) {
	if s.blocked {
		return nil, authn.ErrRejected
	}
	return s.Manager.Authenticate(ctx, c, now)
}

// held holds everybody up who is not remembered.
type held struct{ on bool }

func (h *held) Peek(string, time.Time) (int64, time.Duration) {
	if h.on {
		return 0, time.Minute
	}
	return 1, 0
}
func (*held) Count(string, time.Time) {}

// A session that is remembered is held up by nobody's failures, and yet passes
// no authenticator by that embeds the Manager: it may mean to refuse.
func TestMemoryPassesNobodyBy(t *testing.T) {
	l := newLobby(t)
	_, token := l.start()
	failures, outer := &held{}, &strict{Manager: l.sessions}
	door := func(a authn.Authenticator) *authn.Middleware {
		return must(authn.New(authn.Config{
			Authenticators: []authn.Authenticator{a}, Failures: failures, Now: func() time.Time { return l.now },
		}))
	}
	bare, decorated := door(l.sessions), door(outer)
	for _, tt := range []struct {
		name string
		mw   *authn.Middleware
	}{{"bare", bare}, {"decorated", decorated}} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := tt.mw.Check(request("Session " + token)); err != nil {
				t.Fatal(err)
			}
		})
	}
	outer.blocked = true
	if _, err := decorated.Check(request("Session " + token)); !errors.Is(err, authn.ErrRejected) {
		t.Errorf("past a decorator: %v", err)
	}
	failures.on = true
	if _, err := bare.Check(request("Session " + token)); err != nil {
		t.Errorf("a session that is remembered: %v", err)
	}
}

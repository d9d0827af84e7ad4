package session_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/internal/overlay"
	"medtwin.ai/tollgate/store"
)

// While any of the stores is down a known session goes on for the stated time,
// neither beyond its end nor after one that was heard of; and what asks afresh
// fails. case K9, case S15
func TestOutageLease(t *testing.T) {
	const lease = 10 * time.Minute
	for _, tt := range []struct {
		name   string
		change func(*session.Config)
		cookie bool
		after  time.Duration
		during func(l *lobby, by *authn.Principal) error
		want   error
	}{
		{name: "in time", after: lease - time.Second},
		{name: "off", change: func(c *session.Config) { c.OutageLease = 0 }, after: 5 * time.Second, want: authn.ErrUnavailable},
		{name: "too late", after: lease, want: authn.ErrUnavailable},
		{name: "idle", change: func(c *session.Config) { c.Idle = 3 * time.Minute }, after: 3 * time.Minute, want: authn.ErrExpired},
		{name: "expired", change: func(c *session.Config) { c.Idle, c.Lifetime = 3*time.Minute, 3*time.Minute }, after: 3 * time.Minute, want: authn.ErrExpired},
		{name: "ended here", after: time.Minute, during: func(l *lobby, by *authn.Principal) error { return l.sessions.Revoke(l.t.Context(), by, by.ID, l.now) }, want: authn.ErrRevoked},
		{name: "ended elsewhere", after: time.Minute, during: func(l *lobby, by *authn.Principal) error {
			return l.store.Sessions().Revoke(l.t.Context(), userID, by.ID, l.now)
		}, want: authn.ErrRevoked},
		{name: "its account, heard", after: time.Minute, during: func(l *lobby, by *authn.Principal) error { l.sessions.Forget(account); return nil }, want: authn.ErrUnavailable},
		{name: "the wrong transport", after: time.Minute, cookie: true, want: authn.ErrRejected},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // whose clock waits for the store
				users := &byHand{}
				l := newLobby(t, func(c *session.Config) {
					c.OutageLease = lease
					users.replace(c)
					if tt.change != nil {
						tt.change(c)
					}
				})
				_, token := l.start()
				by, err := l.enter(token)
				if err != nil {
					t.Fatal(err)
				}
				users.err = errors.New("connection refused")
				l.now = l.now.Add(tt.after)
				if tt.during != nil {
					if _, err := l.enter(token); err != nil {
						t.Errorf("%v before it", err)
					}
					if err := tt.during(l, by); err != nil {
						t.Fatal(err)
					}
				}
				c := authn.NewCredential("session", token)
				c.Cookie = tt.cookie
				for range 2 {
					if _, err := l.sessions.Authenticate(t.Context(), c, l.now); !errors.Is(err, tt.want) {
						t.Errorf("%v, want %v", err, tt.want)
					}
					if recalled := recall(l.sessions, c, l.now) != nil; recalled != (tt.want == nil) {
						t.Errorf("recalled %v", recalled)
					}
				}
				if _, err := l.sessions.Fresh(t.Context(), by, l.now); !errors.Is(err, authn.ErrUnavailable) {
					t.Errorf("Fresh says %v", err)
				}
			})
		})
	}
	if l := newLobby(t, func(c *session.Config) { c.OutageLease = lease }); l.sessions.MaxRevocationDelay() != lease+time.Minute {
		t.Errorf("the stated bound is %v", l.sessions.MaxRevocationDelay())
	}
}

type watchFunc func(context.Context, store.Watcher) error

func (f watchFunc) Watch(ctx context.Context, w store.Watcher) error { return f(ctx, w) }

// While the users' store hangs, its stream too, a log-out that the sessions' store
// tells of ends a session at once, whatever can be read. case K9, case K11
func TestLogOutWhileUsersHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		users := &byHand{}
		hung, cut := false, make(chan struct{})
		l := newLobby(t, func(c *session.Config) {
			c.OutageLease = time.Hour
			users.replace(c)
		})
		people := watchFunc(func(ctx context.Context, w store.Watcher) error {
			if !hung {
				w.Gap()
				<-cut
				return errors.New("cut")
			}
			<-ctx.Done()
			return ctx.Err()
		})
		changes := func(c *session.Config) {
			c.OutageLease = time.Hour
			c.Store = store.WithSessions(overlay.Changes(overlay.Users(l.store, users), people), l.spy, l.store)
		}
		node := newLobby(t, changes)
		ctx, cancel := context.WithCancel(t.Context())
		go node.sessions.Run(ctx)
		synctest.Wait()
		node.now, l.now = time.Now(), time.Now()
		s, token := l.start()
		if _, err := node.enter(token); err != nil {
			t.Fatal(err)
		}
		hung, users.err = true, errors.New("connection refused")
		close(cut)
		time.Sleep(time.Minute)
		node.now = time.Now()
		if _, err := node.enter(token); err != nil {
			t.Fatalf("before it: %v", err)
		}
		if err := l.store.Sessions().Revoke(t.Context(), userID, s.ID, node.now); err != nil {
			t.Fatal(err)
		}
		l.spy.fail.Store(&users.err) // it was told in time
		if p, err := node.enter(token); !errors.Is(err, authn.ErrUnavailable) {
			t.Errorf("after it: %v, %v", p, err)
		}
		l.spy.fail.Store(nil)
		if _, err := node.enter(token); !errors.Is(err, authn.ErrRevoked) {
			t.Errorf("with the sessions back: %v, want ErrRevoked", err)
		}
		cancel()
		synctest.Wait()
	})
}

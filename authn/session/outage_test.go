package session_test

import (
	"errors"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/session"
)

// While any of the stores is down a known session goes on for the stated time,
// neither beyond its end nor after one that was heard of; and what asks afresh
// fails. case K9, case S15
func TestOutageLease(t *testing.T) {
	const lease = 10 * time.Minute
	for name, tt := range map[string]struct {
		change func(*session.Config)
		cookie bool
		after  time.Duration
		during func(l *lobby, by *authn.Principal) error
		want   error
	}{
		"in time":             {after: lease - time.Second},
		"off":                 {change: func(c *session.Config) { c.OutageLease = 0 }, after: 5 * time.Second, want: authn.ErrUnavailable},
		"too late":            {after: lease, want: authn.ErrUnavailable},
		"idle":                {change: func(c *session.Config) { c.Idle = 3 * time.Minute }, after: 3 * time.Minute, want: authn.ErrUnavailable},
		"expired":             {change: func(c *session.Config) { c.Idle, c.Lifetime = 3*time.Minute, 3*time.Minute }, after: 3 * time.Minute, want: authn.ErrUnavailable},
		"ended here":          {after: time.Minute, during: func(l *lobby, by *authn.Principal) error { return l.sessions.Revoke(l.t.Context(), by, by.ID, l.now) }, want: authn.ErrUnavailable},
		"his account, heard":  {after: time.Minute, during: func(l *lobby, by *authn.Principal) error { l.sessions.Forget(account); return nil }, want: authn.ErrUnavailable},
		"the wrong transport": {after: time.Minute, cookie: true, want: authn.ErrRejected},
	} {
		users := &byHand{}
		l := newLobby(t, func(c *session.Config) {
			c.OutageLease = lease
			users.Users, c.Users = c.Users, users
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
				t.Errorf("%s: %v before it", name, err)
			}
			if err := tt.during(l, by); err != nil {
				t.Fatal(err)
			}
		}
		c := authn.NewCredential("session", token)
		c.Cookie = tt.cookie
		for range 2 {
			if _, err := l.sessions.Authenticate(t.Context(), c, l.now); !errors.Is(err, tt.want) {
				t.Errorf("%s: %v, want %v", name, err, tt.want)
			}
			if recalled := l.sessions.Recall(c, l.now) != nil; recalled != (tt.want == nil) {
				t.Errorf("%s: recalled %v", name, recalled)
			}
		}
		if _, err := l.sessions.Fresh(t.Context(), by, l.now); !errors.Is(err, authn.ErrUnavailable) {
			t.Errorf("%s: Fresh says %v", name, err)
		}
	}
	if l := newLobby(t, func(c *session.Config) { c.OutageLease = lease }); l.sessions.MaxRevocationDelay() != lease {
		t.Errorf("the stated bound is %v", l.sessions.MaxRevocationDelay())
	}
}

package authntest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/internal/overlay"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/memory"
	"medtwin.ai/tollgate/store/storetest"
)

// stored returns the record of a session as it is in the database.
func (n *node) stored(c credential) store.Session {
	n.Helper()
	s, err := n.Sessions().Get(n.Context(), user, c.id)
	n.must(err)
	return s
}

// logOut ends a session while a request with it is in flight on another node.
// That node has read the session before it ended, and records the use
// afterwards. Neither may bring the session back. case S7
func logOut(f *fleet) {
	a := f.node()
	late, g := f.gated()
	c := a.start()
	f.waitHeard()
	g.shut.Store(true)
	done := make(chan error)
	soon := time.Now().Add(time.Minute)
	go func() { done <- late.enter(c, soon) }()
	<-g.read
	// The log-out is committed while the read of the other node is on its way.
	f.must(a.sessions.Logout(f.Context(), authn.NewCredential("session", c.token), time.Now()))
	ended := a.stored(c)
	late.hears(c)
	g.letOut <- struct{}{}
	if err := <-done; err != nil {
		f.Errorf("the request under way: %v, so this shows nothing", err)
	}
	if err := late.enter(c, soon); !errors.Is(err, authn.ErrRevoked) {
		f.Errorf("the next request: %v, want ErrRevoked", err)
	}
	late.stop() // which records the use
	if s := a.stored(c); s != ended || s.Revoked.IsZero() {
		f.Errorf("the session was %+v and is %+v", ended, s)
	}
}

// countingSessions counts the writes of uses, and the uses in them.
type countingSessions struct {
	store.Sessions
	writes, uses *atomic.Int64
}

// Touch implements [store.Sessions].
func (c countingSessions) Touch(ctx context.Context, uses []store.Use) error {
	c.writes.Add(1)
	c.uses.Add(int64(len(uses)))
	return c.Sessions.Touch(ctx, uses)
}

// uses makes 10,000 requests of four sessions within one touch interval.
// Together they must be one write, of one use of each session. Requests whose
// time is earlier must not move the last use back. case S9
func uses(f *fleet) {
	const many, sessions = 10_000, 4
	var writes, uses atomic.Int64
	n := f.node(func(_ *apikey.Config, s *session.Config) {
		s.Store = overlay.Sessions(s.Store, countingSessions{s.Store.Sessions(), &writes, &uses})
	})
	other := f.node(func(_ *apikey.Config, s *session.Config) { s.Lease = 2 * lease })
	var all []credential
	for range sessions {
		all = append(all, n.start())
	}
	// The middle of a window, which is an eighth of what a session may be idle.
	const window = 24 * time.Hour / 8
	now := time.Now().Truncate(window).Add(window + window/2).UTC()
	var load sync.WaitGroup
	for g := range 4 {
		load.Go(func() {
			for i := g; i < many; i += 4 {
				if err := n.enter(all[i%sessions], now.Add(time.Duration(i)*time.Millisecond)); err != nil {
					f.Errorf("a request: %v", err)
					return
				}
			}
		})
	}
	load.Wait()
	// An eighth of the idle time earlier is another touch interval, so this use
	// is written too.
	for _, c := range all { // a clock goes back
		if err := other.enter(c, now.Add(-window)); err != nil {
			f.Errorf("a request of an earlier time: %v", err)
		}
	}
	n.stop()
	// The first of the window that comes is what is recorded, so any of them.
	seen := make(map[string]time.Time)
	for _, c := range all {
		at := other.stored(c).Seen
		if at.Before(now) || at.After(now.Add(many*time.Millisecond)) {
			f.Errorf("seen at %v, used from %v on", at, now)
		}
		seen[c.id] = at
	}
	if w, u := writes.Load(), uses.Load(); w != 1 || u != sessions {
		f.Errorf("%d requests of %d sessions are %d writes of %d uses, want one of each", many, sessions, w, u)
	}
	other.stop()
	for _, c := range all {
		if at := n.stored(c).Seen; !at.Equal(seen[c.id]) {
			f.Errorf("after an earlier use: seen at %v, was %v", at, seen[c.id])
		}
	}
}

// bornDead changes a user between the reading of the user and the start of the
// session. The session must be dead from its first moment, because its user's
// epoch is a new one. It does so with users and sessions in one backend, and
// with each of them in another one. case S11
func bornDead(f *fleet) {
	elsewhere := func() storetest.Backend {
		b := must(memory.New(memory.Config{}))
		f.found(b)
		return b
	}
	for _, tt := range []struct {
		what string
		end  func(store.Users) error
	}{
		{"log-out everywhere", func(u store.Users) error { _, err := u.EndSessions(f.Context(), user); return err }},
		{"a new password", func(u store.Users) error {
			was, err := u.Get(f.Context(), user)
			if err != nil {
				return err
			}
			_, err = u.SetPassword(f.Context(), was, was.Password+"x")
			return err
		}},
		{"suspension, though lifted", func(u store.Users) error {
			return errors.Join(u.SetStatus(f.Context(), user, authz.Suspended), u.SetStatus(f.Context(), user, authz.Active))
		}},
	} {
		for _, c := range []struct {
			where string
			split func(storetest.Backend) store.Store
		}{
			{"all here", func(b storetest.Backend) store.Store { return b }},
			{"sessions elsewhere", func(b storetest.Backend) store.Store {
				other := elsewhere()
				return store.WithSessions(b, other.Sessions(), other)
			}},
			{"users elsewhere", func(b storetest.Backend) store.Store { return store.WithSessions(elsewhere(), b.Sessions(), b) }},
		} {
			db := c.split(f.open())
			m := must(session.New(session.Config{Store: db, Model: f.model, Roles: f.roles, Format: f.sess, Peppers: f.peppers}))
			start := func(u store.User) error {
				_, token, err := m.Start(f.Context(), session.Spec{User: u, Account: account}, time.Now())
				f.must(err)
				_, err = m.Authenticate(f.Context(), authn.NewCredential("session", token.Reveal()), time.Now())
				return err
			}
			// This is the reading that a login makes before it verifies the
			// password.
			read, err := db.Users().Get(f.Context(), user)
			f.must(err)
			f.must(tt.end(db.Users()))
			if err := start(read); !errors.Is(err, authn.ErrRevoked) {
				f.Errorf("%s, %s: %v, want ErrRevoked", tt.what, c.where, err)
			}
			read, err = db.Users().Get(f.Context(), user)
			f.must(err)
			if err := start(read); err != nil {
				f.Errorf("%s, %s, read after it: %v", tt.what, c.where, err)
			}
		}
	}
}

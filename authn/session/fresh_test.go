package session_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/internal/overlay"
	"medtwin.ai/tollgate/store"
)

// suspend is a suspension that leaves the epoch.
func suspend(u *store.User) { u.Status = authz.Suspended }

// A status that was changed by hand ends sessions all the same, remembered or
// not.
func TestStatusByHand(t *testing.T) {
	users := &byHand{}
	l := newLobby(t, func(c *session.Config) { users.replace(c) })
	s, token := l.start()
	by, err := l.enter(token)
	if err != nil {
		t.Fatal(err)
	}
	users.do = suspend
	if _, err := l.sessions.Current(t.Context(), by, l.now); !errors.Is(err, authn.ErrRevoked) {
		t.Errorf("Current: %v, want ErrRevoked", err)
	}
	if _, err := l.sessions.Fresh(t.Context(), by, l.now); !errors.Is(err, authn.ErrRevoked) {
		t.Errorf("Fresh: %v, want ErrRevoked", err)
	}
	l.sessions.Forget(s.ID)
	if _, err := l.enter(token); !errors.Is(err, authn.ErrRevoked) {
		t.Errorf("Authenticate: %v, want ErrRevoked", err)
	}
}

// Fresh returns the principal that Authenticate would return without its cache, in the
// environment that the caller acts in.
func TestFresh(t *testing.T) {
	may := func(p *authn.Principal) (may []string) {
		for _, permission := range []string{"read", "write"} {
			if p.Rights.Decide(authz.Request{Permission: permission, Endpoint: "x", Environment: p.Environment, Writes: permission == "write"}).Allowed {
				may = append(may, permission)
			}
		}
		return may
	}
	for _, tt := range []struct {
		name   string
		change func(l *lobby) error
		may    int // of reading and writing
	}{
		{"unchanged", func(*lobby) error { return nil }, 2},
		{"narrowed", func(l *lobby) error {
			return l.store.Memberships().Put(l.t.Context(), store.Membership{User: userID, Account: account, Role: "viewer"})
		}, 1},
		{"removed", func(l *lobby) error { return l.store.Memberships().Remove(l.t.Context(), account, userID) }, 0},
		{"read-only account", func(l *lobby) error {
			return l.store.Accounts().SetStatus(l.t.Context(), account, authz.ReadOnly)
		}, 1},
		{"suspended account", func(l *lobby) error {
			return l.store.Accounts().SetStatus(l.t.Context(), account, authz.Suspended)
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLobby(t)
			_, token := l.start()
			c := authn.NewCredential("Session", token)
			c.Environment = "test"
			by, err := l.sessions.Authenticate(t.Context(), c, l.now)
			if err != nil {
				t.Fatal(err)
			}
			if err := tt.change(l); err != nil {
				t.Fatal(err)
			}
			remembered, err := l.sessions.Authenticate(t.Context(), c, l.now)
			if err != nil || len(may(remembered)) != 2 {
				t.Errorf("the cached principal may %v, %v; want both", may(remembered), err)
			}
			p, err := l.sessions.Fresh(t.Context(), by, l.now)
			if err != nil {
				t.Error(err)
				return
			}
			if got := may(p); len(got) != tt.may {
				t.Errorf("the fresh principal may %v, want %d of them", got, tt.may)
			}
			was, is := *by, *p
			was.Rights, is.Rights = nil, nil
			if diff := cmp.Diff(was, is); diff != "" {
				t.Errorf("the principal is another (-remembered +fresh):\n%s", diff)
			}
		})
	}
}

// broken are stores that can fail.
type broken struct {
	users   byHand
	members members
}

type members struct {
	store.Memberships
	err error
}

func (m *members) Get(ctx context.Context, account, user string) (store.Membership, error) {
	if m.err != nil {
		return store.Membership{}, m.err
	}
	return m.Memberships.Get(ctx, account, user)
}

// Fresh returns no principal for a session that has ended, for a caller without a
// session, or while the store cannot tell.
func TestFreshRefuses(t *testing.T) {
	down := errors.New("down")
	for _, tt := range []struct {
		name string
		do   func(l *lobby, b *broken, by *authn.Principal) error
		want error
	}{
		{"logged out", func(l *lobby, _ *broken, by *authn.Principal) error {
			return l.store.Sessions().Revoke(l.t.Context(), userID, by.ID, l.now)
		}, authn.ErrRevoked},
		{"everywhere", func(l *lobby, _ *broken, _ *authn.Principal) error {
			_, err := l.store.Users().EndSessions(l.t.Context(), userID)
			return err
		}, authn.ErrRevoked},
		{"over", func(l *lobby, _ *broken, by *authn.Principal) error { l.now = by.Expires; return nil }, authn.ErrRevoked},
		{"another's", func(_ *lobby, _ *broken, by *authn.Principal) error { by.User = "user_2"; return nil }, authn.ErrRevoked},
		{"key", func(_ *lobby, _ *broken, by *authn.Principal) error { by.Kind = authn.KindKey; return nil }, authn.ErrForbidden},
		{"operator", func(_ *lobby, _ *broken, by *authn.Principal) error { *by = *authn.Operator(account); return nil }, authn.ErrForbidden},
		{"environment", func(_ *lobby, _ *broken, by *authn.Principal) error { by.Environment = "prod"; return nil }, authn.ErrEnvironment},
		{"users down", func(_ *lobby, b *broken, _ *authn.Principal) error { b.users.err = down; return nil }, authn.ErrUnavailable},
		{"members down", func(_ *lobby, b *broken, _ *authn.Principal) error { b.members.err = down; return nil }, authn.ErrUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := &broken{}
			l := newLobby(t, func(c *session.Config) {
				b.users.replace(c)
				b.members.Memberships = c.Store.Memberships()
				c.Store = overlay.Memberships(c.Store, &b.members)
			})
			_, token := l.start()
			by, err := l.enter(token)
			if err != nil {
				t.Fatal(err)
			}
			if err := tt.do(l, b, by); err != nil {
				t.Fatal(err)
			}
			if p, err := l.sessions.Fresh(t.Context(), by, l.now); p != nil || !errors.Is(err, tt.want) {
				t.Errorf("%v, %v, want %v", p, err, tt.want)
			}
		})
	}
	if p, err := newLobby(t).sessions.Fresh(t.Context(), nil, time.Now()); p != nil || !errors.Is(err, authn.ErrForbidden) {
		t.Errorf("nobody: %v, %v, want ErrForbidden", p, err)
	}
}

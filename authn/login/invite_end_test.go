package login_test

import (
	"testing"
	"time"

	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// An invitation ends when it is used, when another is made, when the membership
// that it was made for is not what it was, and when a password is set, whether
// the user is new or has forgotten a password. What has ended does not come back.
// case S28
func TestInvitationEnds(t *testing.T) {
	const acme, second = "acct_1", "acct_2"
	put := func(account, role string, scope map[string]authz.Set, created time.Duration) func(*desk, string) error {
		return func(d *desk, id string) error {
			return d.store.Memberships().Put(t.Context(), store.Membership{
				User: id, Account: account, Role: role, Scope: scope, Created: d.now.Add(created),
			})
		}
	}
	remove := func(d *desk, id string) error { return d.store.Memberships().Remove(t.Context(), acme, id) }
	invite := func(d *desk, id string) error { _, err := d.logins.Invite(t.Context(), id, d.now); return err }
	set := func(d *desk, id string) error {
		_, err := d.store.Users().SetPassword(t.Context(), d.user(id), hashed())
		return err
	}
	clears := func(d *desk, id string) error {
		_, err := d.store.Users().SetPassword(t.Context(), d.user(id), "")
		return err
	}
	narrow := map[string]authz.Set{"projects": authz.Of("p1")}
	for _, c := range []struct {
		name  string
		do    []func(*desk, string) error
		lives bool
	}{
		{"nothing", nil, true},
		{"the same membership again", []func(*desk, string) error{put(acme, "viewer", nil, time.Hour)}, true},
		{"another invitation", []func(*desk, string) error{invite}, false},
		{"two more", []func(*desk, string) error{invite, invite}, false},
		{"removed", []func(*desk, string) error{remove}, false},
		{"removed and back", []func(*desk, string) error{remove, put(acme, "viewer", nil, time.Hour)}, false},
		{"removed, back and invited again", []func(*desk, string) error{remove, put(acme, "viewer", nil, time.Hour), invite}, false},
		{"removed and back with more", []func(*desk, string) error{remove, put(acme, "admin", nil, time.Hour)}, false},
		{"another role", []func(*desk, string) error{put(acme, "admin", nil, 0)}, false},
		{"other projects", []func(*desk, string) error{put(acme, "viewer", narrow, 0)}, false},
		{"another account", []func(*desk, string) error{put(second, "viewer", nil, 0)}, false},
		{"a password was set", []func(*desk, string) error{set}, false},
		{"a password was set and taken away", []func(*desk, string) error{set, clears}, false},
		{"none was taken away", []func(*desk, string) error{clears}, false},
		{"suspended and active", []func(*desk, string) error{
			func(d *desk, id string) error { return d.store.Users().SetStatus(t.Context(), id, authz.Suspended) },
			func(d *desk, id string) error { return d.store.Users().SetStatus(t.Context(), id, authz.Active) },
		}, false},
	} {
		for _, password := range []string{"", hashed()} {
			name := c.name + ", new"
			if password != "" {
				name = c.name + ", forgotten"
			}
			t.Run(name, func(t *testing.T) {
				d := newDesk(t)
				d.add("user_x", password, authz.Active)
				for _, id := range []string{acme, second} {
					if err := d.store.Accounts().Create(t.Context(), store.Account{ID: id, Status: authz.Active}); err != nil && err != store.ErrConflict {
						t.Fatal(err)
					}
				}
				if err := d.store.Memberships().Put(t.Context(), store.Membership{User: "user_x", Account: acme, Role: "viewer", Created: d.now}); err != nil {
					t.Fatal(err)
				}
				token := d.invite("user_x")
				for _, do := range c.do {
					if err := do(d, "user_x"); err != nil {
						t.Fatal(err)
					}
				}
				before := d.user("user_x")
				_, err := d.accept(token, other)
				if c.lives {
					if err != nil {
						t.Errorf("got %v, want none", err)
					}
					return
				}
				if err != login.ErrInvitation || d.user("user_x") != before {
					t.Errorf("got %v and %+v; want ErrInvitation and %+v", err, d.user("user_x"), before)
				}
			})
		}
	}
}

// The end of all invitations is also that of one which is being accepted, though
// the user has no password before and after. case S28
func TestInvitationEndsWhileAccepted(t *testing.T) {
	d := newDesk(t)
	d.add("user_x", "", authz.Active)
	token := d.invite("user_x")
	d.users.read = func() { // while the new password is being hashed
		d.users.read = nil
		if _, err := d.store.Users().EndSessions(t.Context(), "user_x"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.accept(token, other); err != login.ErrInvitation {
		t.Errorf("got %v, want ErrInvitation", err)
	}
	if got := d.user("user_x").Password; got != "" {
		t.Errorf("got the password %q, want none", got)
	}
}

package login_test

import (
	"testing"

	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/authz"
)

// A reset ends with whatever ends the sessions of its user, and with another reset. What
// has ended does not come back. A membership that begins or ends has no part in it: a
// reset makes nobody a member. case S28
func TestResetEnds(t *testing.T) {
	again := func(d *desk) error { _, err := d.logins.Reset(t.Context(), "user_x", d.now); return err }
	set := func(hash string) func(d *desk) error {
		return func(d *desk) error {
			_, err := d.store.Users().SetPassword(t.Context(), d.user("user_x"), hash)
			return err
		}
	}
	status := func(s authz.Status) func(d *desk) error {
		return func(d *desk) error { return d.store.Users().SetStatus(t.Context(), "user_x", s) }
	}
	tests := []struct {
		name  string
		do    []func(*desk) error
		lives bool
	}{
		{"nothing", nil, true},
		{"removed", []func(*desk) error{func(d *desk) error { return d.store.Memberships().Remove(t.Context(), account, "user_x") }}, true},
		{"another reset", []func(*desk) error{again}, false},
		{"two more", []func(*desk) error{again, again}, false},
		{"a password was set", []func(*desk) error{set("x")}, false},
		{"a password was set and taken away", []func(*desk) error{set("x"), set("")}, false},
		{"none was taken away", []func(*desk) error{set("")}, false},
		{"suspended and active", []func(*desk) error{status(authz.Suspended), status(authz.Active)}, false},
		{"logged out everywhere", []func(*desk) error{func(d *desk) error { _, err := d.store.Users().EndSessions(t.Context(), "user_x"); return err }}, false},
	}
	for _, tt := range tests {
		for _, had := range []struct{ name, hash string }{{"new", ""}, {"forgotten", hashed()}} {
			t.Run(tt.name+"/"+had.name, func(t *testing.T) {
				d := newDesk(t)
				d.add("user_x", had.hash, authz.Active)
				token := d.reset("user_x")
				for _, do := range tt.do {
					if err := do(d); err != nil {
						t.Fatal(err)
					}
				}
				before := d.user("user_x")
				_, err := d.accept(token, other)
				switch {
				case tt.lives && err != nil:
					t.Errorf("got %v, want none", err)
				case !tt.lives && (err != login.ErrToken || d.user("user_x") != before):
					t.Errorf("got %v and %+v; want ErrToken and %+v", err, d.user("user_x"), before)
				}
			})
		}
	}
}

// The end of all resets is also that of one which is being used, though the user has no
// password before and after. case S28
func TestResetEndsWhileAccepted(t *testing.T) {
	d := newDesk(t)
	d.add("user_x", "", authz.Active)
	token := d.reset("user_x")
	d.users.read = func() { // while the new password is being hashed
		d.users.read = nil
		if _, err := d.store.Users().EndSessions(t.Context(), "user_x"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.accept(token, other); err != login.ErrToken {
		t.Errorf("got %v, want ErrToken", err)
	}
	if got := d.user("user_x").Password; got != "" {
		t.Errorf("got the password %q, want none", got)
	}
}

package login_test

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/authn/password"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// reset returns a token that resets the password of a user.
func (d *desk) reset(id string) string {
	d.t.Helper()
	token, err := d.logins.Reset(d.t.Context(), id, d.now)
	if err != nil {
		d.t.Fatal(err)
	}
	return token
}

func (d *desk) accept(token, next string) (login.Accepted, error) {
	return d.logins.Accept(d.t.Context(), token, next, home, d.now)
}

// A reset sets the password of a user, once, also for one who has none, and ends their
// sessions.
func TestReset(t *testing.T) {
	d := newDesk(t)
	email := d.add("user_new", "", authz.Active)
	for _, tt := range []struct{ name, id, email string }{{"without a password", "user_new", email}, {"with one", ann, annEmail}} {
		t.Run(tt.name, func(t *testing.T) {
			var before login.Success
			if tt.id == ann {
				before = d.enter()
			}
			first, token := d.reset(tt.id), d.reset(tt.id)
			d.now = d.now.Add(time.Hour - 2*time.Second)
			if got, err := d.accept(token, other); err != nil || got != (login.Accepted{User: tt.id}) {
				t.Errorf("got %+v, %v, want the user %s", got, err, tt.id)
			}
			for _, gone := range []struct{ name, token string }{{"used", token}, {"overtaken", first}} {
				if got, err := d.accept(gone.token, right); err != login.ErrToken {
					t.Errorf("%s: got %+v, %v, want ErrToken", gone.name, got, err)
				}
			}
			if _, err := d.try(tt.email, other); err != nil {
				t.Errorf("got %v for the password they chose, want none", err)
			}
			if tt.id == ann {
				if _, err := d.who(before); err == nil {
					t.Error("a session outlives the password")
				}
			}
		})
	}
}

// What is wrong with a token is one error, and costs no hash.
func TestTokenNotValid(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(d *desk, token string) string
	}{
		{"none", func(*desk, string) string { return "" }},
		{"changed", func(_ *desk, token string) string { return "A" + token[1:] }},
		{"another secret", func(d *desk, _ string) string { return newDesk(t, otherSecret).reset(ann) }},
		{"no such user", func(*desk, string) string {
			d := newDesk(t)
			d.add("user_9", "", authz.Active)
			return d.reset("user_9")
		}},
		{"a device", func(d *desk, _ string) string { return d.enter().Device }},
		{"expired", func(d *desk, token string) string { d.now = d.now.Add(time.Hour); return token }},
		{"suspended", func(d *desk, token string) string { d.status(authz.Suspended); return token }},
		{"invitation of another account's store", func(*desk, string) string { _, token := newDesk(t).invite("cy@example.com"); return token }},
		{"invitation under another secret", func(*desk, string) string {
			_, token := newDesk(t, otherSecret).invite("cy@example.com")
			return token
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk(t)
			token := tt.spoil(d, d.reset(ann))
			epoch := d.user(ann).Epoch
			var err error
			if n := hashes(func() { _, err = d.accept(token, other) }); err != login.ErrToken || n != 0 {
				t.Errorf("got %v after %d Argon2id, want ErrToken after none", err, n)
			}
			if d.user(ann).Epoch != epoch {
				t.Error("something has changed")
			}
		})
	}
}

func otherSecret(c *login.Config) { c.Secret = []byte("another 0123456789abcdefghijklmn") }

func (d *desk) status(s authz.Status) {
	d.t.Helper()
	if err := d.store.Users().SetStatus(d.t.Context(), ann, s); err != nil {
		d.t.Fatal(err)
	}
}

// A password that nobody should have leaves the token good.
func TestResetPolicy(t *testing.T) {
	d := newDesk(t)
	token := d.reset(ann)
	for _, next := range []string{"short", "Ann Archer Ann Archer"} {
		var policy *password.PolicyError
		if _, err := d.accept(token, next); !errors.As(err, &policy) {
			t.Errorf("got %v, want a PolicyError", err)
		}
	}
	if _, err := d.accept(token, other); err != nil {
		t.Error(err)
	}
}

// Of two who accept at once one does.
func TestResetAtOnce(t *testing.T) {
	d := newDesk(t)
	token := d.reset(ann)
	var all sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		all.Go(func() { _, errs[i] = d.accept(token, fmt.Sprint(other, " ", i)) })
	}
	all.Wait()
	won := -1
	for i, err := range errs {
		switch {
		case err == nil && won < 0:
			won = i
		case err == nil:
			t.Errorf("%d and %d both accepted", won, i)
		case err != login.ErrToken:
			t.Error(err)
		}
	}
	if _, err := d.try(annEmail, fmt.Sprint(other, " ", won)); won < 0 || err != nil {
		t.Errorf("%d accepted, and has another password: %v", won, err)
	}
	if n := d.user(ann).Epoch; n != 1 {
		t.Errorf("epoch %d, want 1", n)
	}
}

// A password that a login rehashes while another one is on its way in is no
// reason to refuse that; one that was changed is.
func TestResetWhileRehashed(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(*desk) error
		want error
	}{
		{"rehashed", func(d *desk) error { return d.store.Users().Rehash(t.Context(), ann, hashed(), "third") }, nil},
		{"changed", func(d *desk) error {
			_, err := d.store.Users().SetPassword(t.Context(), d.user(ann), "third")
			return err
		}, login.ErrToken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk(t)
			token := d.reset(ann)
			d.users.read = func() {
				d.users.read = nil
				if err := tt.do(d); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := d.accept(token, other); err != tt.want {
				t.Errorf("%v, want %v", err, tt.want)
			}
			want := login.ErrFailed
			if tt.want == nil {
				want = nil
			}
			if _, err := d.try(annEmail, other); err != want {
				t.Errorf("a login with the new one: %v, want %v", err, want)
			}
		})
	}
}

// A client that tries tokens is throttled by its address, separately from logins.
// Outages and refusals by the policy are counted against nobody.
func TestResetThrottle(t *testing.T) {
	d := newDesk(t, func(c *login.Config) { c.Limits.Address = atMost(3) })
	token := d.reset(ann)
	d.users.err = errors.New("down")
	for range 4 {
		if _, err := d.accept(token, other); !errors.Is(err, authn.ErrUnavailable) {
			t.Errorf("%v, want ErrUnavailable", err)
		}
	}
	d.users.err = nil
	for range 4 {
		if _, err := d.accept(token, "short"); !errors.Is(err, password.ErrInvalid) {
			t.Errorf("%v, want ErrInvalid", err)
		}
	}
	for range 3 {
		if _, err := d.accept("x", other); err != login.ErrToken {
			t.Errorf("%v, want ErrToken", err)
		}
	}
	if _, err := d.accept(token, other); throttled(err) != 15*time.Minute {
		t.Errorf("%v, want to be held up", err)
	}
	d.enter()
	if _, err := d.logins.Accept(t.Context(), token, other, netip.MustParseAddr("203.0.113.1"), d.now); err != nil {
		t.Errorf("from elsewhere: %v", err)
	}
}

func TestResetRefuses(t *testing.T) {
	d := newDesk(t)
	if _, err := d.logins.Reset(t.Context(), "user_9", d.now); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("nobody: %v, want ErrNotFound", err)
	}
	d.status(authz.Suspended)
	if _, err := d.logins.Reset(t.Context(), ann, d.now); err != login.ErrSuspended {
		t.Errorf("suspended: %v, want ErrSuspended", err)
	}
	d.users.err = errors.New("down")
	if _, err := d.logins.Reset(t.Context(), ann, d.now); !errors.Is(err, authn.ErrUnavailable) {
		t.Errorf("down: %v, want ErrUnavailable", err)
	}
}

package login_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/authn/password"
)

func (d *desk) change(by *authn.Principal, current, next string) (login.Success, error) {
	return d.logins.ChangePassword(d.t.Context(), by, current, next, d.now)
}

// caller logs ann in and returns the principal of that session.
func (d *desk) caller(change ...func(*login.Attempt)) *authn.Principal {
	d.t.Helper()
	p, err := d.who(d.enter(change...))
	if err != nil {
		d.t.Fatal(err)
	}
	return p
}

// case S12: a change of password ends the other sessions at once and re-issues
// the caller's, in the same account and for the same transport, as proved now.
func TestChangePassword(t *testing.T) {
	for _, tt := range []struct {
		name      string
		transport func(*login.Attempt)
	}{{"header", func(*login.Attempt) {}}, {"cookie", cookie}} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk(t)
			own := d.enter(tt.transport, func(a *login.Attempt) { a.Account = "acct_0" })
			others := []login.Success{d.enter(), d.enter(cookie)}
			by, err := d.who(own)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range others {
				if _, err := d.who(s); err != nil {
					t.Fatal(err)
				}
			}
			d.now = d.now.Add(time.Second)
			var next login.Success
			n := hashes(func() { next, err = d.change(by, right, other) })
			if err != nil {
				t.Fatal(err)
			}
			if n != 2 {
				t.Errorf("%d Argon2id, want one to verify and one to hash", n)
			}
			if next.Session.ID == own.Session.ID || next.Session.Account != "acct_0" || next.Session.Cookie != own.Session.Cookie ||
				next.Session.Address != own.Session.Address || next.Session.Agent != own.Session.Agent {
				t.Errorf("%+v after %+v", next.Session, own.Session)
			}
			if p, err := d.who(next); err != nil || p.User != ann || !p.Proved.Equal(d.now) {
				t.Errorf("the new token: %v", err)
			}
			for i, s := range append(others, own) {
				if _, err := d.who(s); !errors.Is(err, authn.ErrRevoked) {
					t.Errorf("session %d: %v, want ErrRevoked", i, err)
				}
			}
			if _, err := d.try(annEmail, right); err != login.ErrFailed {
				t.Errorf("the old password: %v", err)
			}
			if _, err := d.try(annEmail, other); err != nil {
				t.Errorf("the new password: %v", err)
			}
		})
	}
}

// case A4: only a session changes a password, no matter which user a principal acts
// for. Other principals cost no hash.
func TestChangePasswordForbidden(t *testing.T) {
	d := newDesk(t)
	session := d.caller()
	key := *session
	key.Kind = authn.KindKey
	anonymous := *session
	anonymous.User = ""
	for _, tt := range []struct {
		name string
		by   *authn.Principal
	}{
		{"nobody", nil}, {"zero", &authn.Principal{}}, {"key", &key}, {"operator", authn.Operator(account)}, {"session of nobody", &anonymous},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var err error
			if n := hashes(func() { _, err = d.change(tt.by, right, other) }); !errors.Is(err, authn.ErrForbidden) || n != 0 {
				t.Errorf("%v after %d Argon2id, want ErrForbidden after none", err, n)
			}
		})
	}
	if d.user(ann).Password != hashed() {
		t.Error("the password was changed")
	}
}

// Wrong passwords are counted against the user, right ones are not; what
// nobody should have is refused, and nothing has changed then.
func TestChangePasswordRefused(t *testing.T) {
	d := newDesk(t)
	by := d.caller()
	for _, tt := range []struct{ name, next string }{{"too short", right[:14]}, {"their name", "Ann Archer Ann Archer"}, {"their address", "ann@example.com1"}, {"common", "passwordpassword"}} {
		t.Run(tt.name, func(t *testing.T) {
			var policy *password.PolicyError
			if _, err := d.change(by, right, tt.next); !errors.As(err, &policy) {
				t.Errorf("%v, want a PolicyError", err)
			}
		})
	}
	for i := range 5 {
		next := other
		if i == 0 {
			next = "short" // and nobody learns that
		}
		var err error
		n := hashes(func() { _, err = d.change(by, wrong, next) })
		if err != login.ErrFailed || n != 1 {
			t.Errorf("wrong: %v after %d Argon2id, want ErrFailed after 1", err, n)
		}
	}
	for _, by := range []*authn.Principal{by, d.caller()} {
		if _, err := d.change(by, right, other); throttled(err) != 15*time.Minute {
			t.Errorf("the sixth: %v", err)
		}
	}
	if u := d.user(ann); u.Password != hashed() || u.Epoch != 0 {
		t.Errorf("epoch %d, or another password", u.Epoch)
	}
	if _, err := d.who(d.enter()); err != nil { // logins are another matter
		t.Error(err)
	}
}

// case S11, for a change of password: what ends all sessions while it is on its
// way ends the one that it begins; and whose password is another one by then
// changes nothing. The same one, hashed anew, is no other.
func TestChangePasswordInFlight(t *testing.T) {
	users := func(d *desk) error { _, err := d.store.Users().EndSessions(t.Context(), ann); return err }
	third := func(d *desk) error {
		_, err := d.store.Users().SetPassword(t.Context(), d.user(ann), "third")
		return err
	}
	rehash := func(d *desk) error { return d.store.Users().Rehash(t.Context(), ann, hashed(), "third") }
	for _, tt := range []struct {
		name  string
		reads int // of the user, by when it happens; 0: after the password is replaced
		do    func(*desk) error
		want  error
		dead  bool
	}{
		{"ended before", 1, users, authn.ErrRevoked, false},
		{"ended while verifying", 2, users, nil, true},
		{"ended after", 0, users, nil, true},
		{"changed before", 1, third, authn.ErrRevoked, false},
		{"changed while verifying", 2, third, login.ErrFailed, false},
		{"rehashed, while verifying", 2, rehash, nil, false},
		{"rehashed, and ended", 2, func(d *desk) error { return errors.Join(rehash(d), users(d)) }, login.ErrFailed, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk(t)
			by := d.caller()
			left := tt.reads
			act := func() {
				if left--; left == 0 || tt.reads == 0 {
					if err := tt.do(d); err != nil {
						t.Fatal(err)
					}
				}
			}
			if tt.reads > 0 {
				d.users.read = act
			} else {
				d.users.replaced = act
			}
			s, err := d.change(by, right, other)
			d.users.read = nil
			if !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if changed := !strings.HasPrefix(d.user(ann).Password, hashed()) && d.user(ann).Password != "third"; changed != (tt.want == nil) {
				t.Errorf("the password was changed: %t", changed)
			}
			if tt.dead {
				if _, err := d.who(s); !errors.Is(err, authn.ErrRevoked) {
					t.Errorf("the session: %v, want ErrRevoked", err)
				}
			}
		})
	}
}

// A password that has been changed is changed, though no session could be had.
func TestChangePasswordWithoutSession(t *testing.T) {
	d := newDesk(t, fewStrangers)
	by := d.caller()
	d.full.err = errors.New("down")
	s, err := d.change(by, right, other)
	if err != nil || !s.Token.IsZero() {
		t.Errorf("%v, %v", s.Token, err)
	}
	d.full.err = nil
	if _, err := d.try(annEmail, other); err != nil {
		t.Error(err)
	}
	// Before that, an outage is one, and nothing has changed.
	by = d.callerWith(other)
	d.users.err = errors.New("down")
	if _, err := d.change(by, other, right); !errors.Is(err, authn.ErrUnavailable) {
		t.Errorf("%v, want ErrUnavailable", err)
	}
	d.users.err = nil
	d.known(other, s.Device)
}

func (d *desk) callerWith(text string) *authn.Principal {
	d.t.Helper()
	s, err := d.try(annEmail, text)
	if err != nil {
		d.t.Fatal(err)
	}
	return must(d.who(s))
}

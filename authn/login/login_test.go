package login_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// A login begins a session for the transport and in the account asked for, else in
// the account that the user has belonged to for longest.
func TestLogin(t *testing.T) {
	d := newDesk(t)
	for _, tt := range []struct {
		name    string
		change  func(*login.Attempt)
		account string
	}{
		{"plain", func(*login.Attempt) {}, account},
		{"cookie", cookie, account},
		{"typed", func(a *login.Attempt) { a.Email = " \tAnn@EXAMPLE.com\n" }, account},
		{"account", func(a *login.Attempt) { a.Account = "acct_0" }, "acct_0"},
	} {
		s := d.enter(tt.change)
		if s.Session.User != ann || s.Session.Account != tt.account || s.Session.Address != "192.0.2.1" || s.Session.Agent != "test" || s.Session.Cookie != (tt.name == "cookie") {
			t.Errorf("%s: %+v", tt.name, s.Session)
		}
		p, err := d.who(s)
		if err != nil || p.User != ann || p.Account != tt.account || !p.Proved.Equal(d.now) {
			t.Errorf("%s: %+v, %v", tt.name, p, err)
		}
	}
}

// case S6: a login gives a new token, whatever the client has already; the old
// session stays as it was.
func TestLoginTwice(t *testing.T) {
	d := newDesk(t)
	first := d.enter(cookie)
	second := d.enter(cookie, with(first.Device))
	if first.Token.Reveal() == second.Token.Reveal() || first.Session.ID == second.Session.ID {
		t.Error("the second login gave the first one's session")
	}
	for _, s := range []login.Success{first, second} {
		if p, err := d.who(s); err != nil || p.ID != s.Session.ID {
			t.Errorf("%s: %v", s.Session.ID, err)
		}
	}
}

// case S19: every failure looks the same and costs exactly one Argon2id, or two
// where the password is not in the form that is hashed: for every user alike.
// case S21: a stored hash that cannot be one is a failed login, and an alarm.
func TestLoginFailsAlike(t *testing.T) {
	d := newDesk(t, unlimited)
	device := d.enter().Device
	broken := d.add("user_broken", "$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHRzYWx0$a2V5a2V5a2V5a2V5a2V5", authz.Active)
	garbled := d.add("user_garbled", "$2b$99$nonsense", authz.Active)
	bare, suspended := d.add("user_bare", "", authz.Active), d.add("user_suspended", hashed(), authz.Suspended)
	const nfd = "cafe\u0301 au lait et miel"
	for _, tt := range []struct {
		name, email, password, device string
		hashes                        int // 0: one
		alarm                         bool
	}{
		{name: "unknown user", email: "nobody@example.com", password: right},
		{name: "wrong password", email: annEmail, password: wrong},
		{name: "known device", email: annEmail, password: wrong, device: device},
		{name: "empty password", email: annEmail},
		{name: "long password", email: annEmail, password: strings.Repeat("x", 1<<20)},
		{name: "user without password", email: bare, password: right},
		{name: "and none typed", email: bare},
		{name: "suspended, wrong", email: suspended, password: wrong},
		{name: "no email", password: right},
		{name: "long email", email: strings.Repeat("x", 1<<20) + "@example.com", password: right},
		{name: "NUL in it", email: annEmail + "\x00", password: right},
		{name: "not UTF-8", email: "\xff" + annEmail, password: right},
		{name: "hash of 4 GiB", email: broken, password: right, alarm: true},
		{name: "hash that is not one", email: garbled, password: right, alarm: true},
		{name: "NFD, unknown user", email: "nobody@example.com", password: nfd, hashes: 2},
		{name: "NFD, wrong", email: annEmail, password: nfd, hashes: 2},
		{name: "NFD, no password", email: bare, password: nfd, hashes: 2},
		{name: "NFD, suspended", email: suspended, password: nfd, hashes: 2},
		{name: "NFD, no email", password: nfd, hashes: 2},
		{name: "account that is absent", email: "nobody@example.com", password: wrong},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d.log.Reset()
			var s login.Success
			var err error
			n := hashes(func() { s, err = d.try(tt.email, tt.password, with(tt.device)) })
			if err != login.ErrFailed || !s.Token.IsZero() || s.Device != "" || s.Session.ID != "" {
				t.Errorf("%v, want ErrFailed itself", err)
			}
			if n != max(1, tt.hashes) {
				t.Errorf("%d Argon2id, want %d", n, max(1, tt.hashes))
			}
			if alarm := strings.Contains(d.log.String(), "level=ERROR"); alarm != tt.alarm || strings.Contains(d.log.String(), "level=WARN") {
				t.Errorf("alarm %t, want %t:\n%s", alarm, tt.alarm, &d.log)
			}
		})
	}
	for _, tt := range []struct {
		name string
		f    func() error
	}{
		{"right", func() error { _, err := d.try(annEmail, right); return err }},
		{"suspended, right", func() error {
			if _, err := d.try(suspended, right); err != login.ErrSuspended {
				t.Errorf("suspended: %v, want ErrSuspended", err)
			}
			return nil
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if n := hashes(func() {
				if err := tt.f(); err != nil {
					t.Error(err)
				}
			}); n != 1 {
				t.Errorf("%d Argon2id, want 1", n)
			}
		})
	}
}

// A user who belongs to no account, or not to that one, is told so only after they
// have proved their identity.
func TestLoginWithoutAccount(t *testing.T) {
	d := newDesk(t, unlimited)
	stray := d.add("user_stray", hashed(), authz.Active)
	if err := d.store.Memberships().Remove(t.Context(), account, "user_stray"); err != nil {
		t.Fatal(err)
	}
	elsewhere := func(a *login.Attempt) { a.Account = "acct_9" }
	for _, tt := range []struct {
		name, email, password string
		want                  error
	}{
		{"none", stray, right, login.ErrAccount},
		{"none, wrong", stray, wrong, login.ErrFailed},
		{"other", annEmail, right, login.ErrAccount},
		{"other, wrong", annEmail, wrong, login.ErrFailed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			change := elsewhere
			if tt.email == stray {
				change = func(*login.Attempt) {}
			}
			if _, err := d.try(tt.email, tt.password, change); err != tt.want {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
	if list := must(d.store.Sessions().List(t.Context(), ann)); len(list) != 0 {
		t.Errorf("%d sessions were begun", len(list))
	}
}

// case S11: a change that ends the sessions of a user after the login has read them
// also ends the session that the login begins.
func TestLoginBornDead(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(*desk) error
	}{
		{"everywhere", func(d *desk) error {
			_, err := d.store.Users().EndSessions(t.Context(), ann)
			return err
		}},
		{"password", func(d *desk) error {
			_, err := d.store.Users().SetPassword(t.Context(), d.user(ann), "another")
			return err
		}},
		{"suspension", func(d *desk) error { return d.store.Users().SetStatus(t.Context(), ann, authz.Suspended) }},
		{"suspension, undone", func(d *desk) error {
			return errors.Join(d.store.Users().SetStatus(t.Context(), ann, authz.Suspended),
				d.store.Users().SetStatus(t.Context(), ann, authz.Active))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk(t)
			d.users.read = func() {
				d.users.read = nil
				if err := tt.end(d); err != nil {
					t.Fatal(err)
				}
			}
			s := d.enter()
			if d.users.read != nil {
				t.Fatal("nothing happened in between")
			}
			if _, err := d.who(s); !errors.Is(err, authn.ErrRevoked) {
				t.Errorf("%v, want ErrRevoked", err)
			}
		})
	}
}

// case S22: an imported bcrypt hash lets its owner in once, and is an Argon2id
// afterwards; 73 bytes that begin with the right 72 do not.
func TestLoginImports(t *testing.T) {
	d := newDesk(t, unlimited)
	long := strings.Repeat("x7Q ", 18)
	imported := string(must(bcrypt.GenerateFromPassword([]byte(long), bcrypt.MinCost)))
	email := d.add("user_import", imported, authz.Active)
	for _, text := range []string{long + "!", long[1:]} {
		if _, err := d.try(email, text); err != login.ErrFailed {
			t.Errorf("%d bytes: %v, want ErrFailed", len(text), err)
		}
	}
	if d.user("user_import").Password != imported {
		t.Error("a failed login replaced the hash")
	}
	for range 2 {
		s, err := d.try(email, long)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.who(s); err != nil {
			t.Error(err)
		}
	}
	if got := d.user("user_import"); !strings.HasPrefix(got.Password, "$argon2id$v=19$m=19456,t=2,p=1$") || got.Epoch != 0 {
		t.Errorf("epoch %d, hash %.30s…", got.Epoch, got.Password)
	}
}

// case S23: a rehash that races a change of the password loses, and neither
// that nor an outage fails the login.
func TestRehashLoses(t *testing.T) {
	change := func(d *desk) error {
		_, err := d.store.Users().SetPassword(t.Context(), d.user("user_import"), hashed())
		return err
	}
	for _, tt := range []struct {
		name     string
		verified bool // it happens after the password was verified, else before
		do       func(*desk) error
		keeps    func(imported string) string
		dead     bool
		logged   int
	}{
		{"changed, verified", true, change, func(string) string { return hashed() }, true, 0},
		{"changed, read", false, change, func(string) string { return hashed() }, true, 0},
		{"rehashed", true, func(d *desk) error {
			return d.store.Users().Rehash(t.Context(), "user_import", d.user("user_import").Password, hashed())
		}, func(string) string { return hashed() }, false, 0},
		{"outage", true, func(*desk) error { return errors.New("read-only") }, func(old string) string { return old }, false, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk(t)
			imported := string(must(bcrypt.GenerateFromPassword([]byte(right), bcrypt.MinCost)))
			email := d.add("user_import", imported, authz.Active)
			ran := false
			do := func() error { ran = true; return tt.do(d) }
			if tt.verified {
				d.users.rehash = do
			} else {
				d.users.read = func() { d.users.read = nil; must(0, do()) }
			}
			s, err := d.try(email, right)
			if err != nil || !ran {
				t.Fatalf("%v, raced %t", err, ran)
			}
			if got := d.user("user_import").Password; got != tt.keeps(imported) {
				t.Errorf("%.30s… is stored", got)
			}
			if _, err := d.who(s); errors.Is(err, authn.ErrRevoked) != tt.dead {
				t.Errorf("the session: %v", err)
			}
			if n := strings.Count(d.log.String(), "level=WARN"); n != tt.logged {
				t.Errorf("%d warnings, want %d", n, tt.logged)
			}
		})
	}
}

// case S15, for logins: a store that cannot answer is an outage, never a wrong
// password, and counts against nobody.
func TestLoginOutage(t *testing.T) {
	d := newDesk(t, func(c *login.Config) { c.Limits.Source = atMost(1) })
	down := errors.New("down")
	for range 3 {
		d.users.err = down
		if _, err := d.try(annEmail, wrong); !errors.Is(err, authn.ErrUnavailable) || !errors.Is(err, down) {
			t.Errorf("users: %v, want ErrUnavailable", err)
		}
		d.users.err, d.full.err = nil, down
		if _, err := d.try(annEmail, right); !errors.Is(err, authn.ErrUnavailable) || !errors.Is(err, down) {
			t.Errorf("sessions: %v, want ErrUnavailable", err)
		}
		d.full.err = nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.logins.Login(ctx, login.Attempt{Email: annEmail, Password: wrong, Address: home}, d.now); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the context's", err)
	}
	d.enter()
}

func TestNewReportsEveryMistake(t *testing.T) {
	_, err := login.New(login.Config{Secret: []byte("short"), Device: -1})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"Store", "Sessions", "Passwords",
		"Secret", "openssl rand", "Device, Invitation and Reset",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not mention %s", err, want)
		}
	}
	if strings.Contains(err.Error(), "short") {
		t.Errorf("%q shows the secret", err)
	}
}

// case S30, and one address of RFC 5321 or none.
func TestEmail(t *testing.T) {
	label := strings.Repeat("x", 63)
	for _, tt := range []struct{ name, in, want string }{
		{"case and white space at the ends", " Ann@Example.COM\r\n", annEmail},
		{"NFC", "\u00c4NN@example.com", "\u00e4nn@example.com"},
		{"NFD", "A\u0308nn@example.com", "\u00e4nn@example.com"},
		{"NFD in the domain", "ann@exa\u0308mple.com", "ann@ex\u00e4mple.com"},
		{"all of atext", "a.b!#$%&'*+-/=?^_`{|}~9@example.com", "a.b!#$%&'*+-/=?^_`{|}~9@example.com"},
		{"a host", "root@localhost", "root@localhost"},
		{"longest local part", strings.Repeat("x", 64) + "@example.com", strings.Repeat("x", 64) + "@example.com"},
		{"longest", strings.Repeat("x", 62) + "@" + label + "." + label + "." + label, strings.Repeat("x", 62) + "@" + label + "." + label + "." + label},

		{"empty", "", ""},
		{"white space", "  ", ""},
		{"no @", "ann", ""},
		{"no local part", "@example.com", ""},
		{"no domain", "ann@", ""},
		{"two @", "a@b@example.com", ""},
		{"comma", "a@example.com,b@example.com", ""},
		{"semicolon", "a@example.com;b@example.com", ""},
		{"comma in the local part", "a,b@example.com", ""},
		{"display name", "Ann <ann@example.com>", ""},
		{"quoted display name", "\"x\"<ann@example.com>", ""},
		{"angle brackets", "<ann@example.com>", ""},
		{"mailto", "mailto:ann@example.com", ""},
		{"comment", "ann(work)@example.com", ""},
		{"comment in the domain", "ann@example.com(work)", ""},
		{"quoted local part", "\"ann\"@example.com", ""},
		{"backslash", "a\\nn@example.com", ""},
		{"inner space", "ann archer@example.com", ""},
		{"space before the domain", "ann@ example.com", ""},
		{"address literal", "ann@[192.0.2.1]", ""},
		{"route", "@a,@b:ann@example.com", ""},
		{"dot first", ".ann@example.com", ""},
		{"dot last", "ann.@example.com", ""},
		{"two dots", "a..b@example.com", ""},
		{"empty label", "ann@example..com", ""},
		{"dot at the end", "ann@example.com.", ""},
		{"hyphen first", "ann@-example.com", ""},
		{"hyphen last", "ann@example-.com", ""},
		{"underscore in the domain", "ann@ex_ample.com", ""},
		{"NUL", "ann@example.com\x00", ""},
		{"line end inside", "a\nb@example.com", ""},
		{"two lines", "ann@example.com\nBcc: b@example.com", ""},
		{"not UTF-8", "\xff@example.com", ""},
		{"other white space at the end", "\u2000ann@example.com", ""},
		{"no-break space inside", "a\u00a0b@example.com", ""},
		{"other direction", "a\u202eb@example.com", ""},
		{"zero width", "a\u200bb@example.com", ""},
		{"ideographic full stop", "ann@example\u3002com", ""},
		{"full-width @", "ann\uff20example.com", ""},
		{"kelvin sign", "\u212aate@example.com", ""},
		{"capital I with a dot", "\u0130nge@example.com", ""},
		{"Greek question mark", "a\u037eb@example.com", ""},
		{"65 bytes of local part", strings.Repeat("x", 65) + "@example.com", ""},
		{"64 bytes of label", "ann@" + label + "x.com", ""},
		{"255 bytes", strings.Repeat("x", 63) + "@" + label + "." + label + "." + label, ""},
		{"1 MB", strings.Repeat("x", 1<<20) + "@example.com", ""},
		{"letters that grow", strings.Repeat("\u023a", 22) + "@example.com", ""}, // 44 bytes, in lower case 66
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := login.Email(tt.in); got != tt.want {
				t.Errorf("Email(%.60q) = %.60q, want %.60q", tt.in, got, tt.want)
			}
		})
	}
}

// case S30: both forms of an address are one user, and both forms of a password
// one password.
func TestEveryFormLogsIn(t *testing.T) {
	d := newDesk(t)
	const nfc, nfd = "m\u00fcller@example.com", "mu\u0308ller@example.com"
	const password, typed = "caf\u00e9 au lait et miel", "cafe\u0301 au lait et miel"
	user := store.User{ID: "user_m", Email: login.Email(nfd), Password: must(d.config.Passwords.Hash(t.Context(), password)), Status: authz.Active, Created: d.now}
	if err := errors.Join(
		d.store.Users().Create(t.Context(), user),
		d.store.Memberships().Put(t.Context(), store.Membership{User: user.ID, Account: account, Role: "owner", Created: d.now}),
	); err != nil {
		t.Fatal(err)
	}
	user.ID, user.Email = "user_n", login.Email(nfc)
	if err := d.store.Users().Create(t.Context(), user); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a second user with the address in the other form: %v, want ErrConflict", err)
	}
	for _, tt := range []struct{ email, password string }{{nfc, password}, {nfc, typed}, {nfd, password}, {nfd, typed}} {
		if s, err := d.try(tt.email, tt.password); err != nil || s.Session.User != "user_m" {
			t.Errorf("%+q with %+q: %v", tt.email, tt.password, err)
		}
	}
}

func FuzzEmail(f *testing.F) {
	for _, s := range []string{" Ann@Example.COM", "İ@x", "K@x", "ẞ@x", "\u2028x", "e\u0301@x", "Σ\u0345@x", "\u0390@x", "a@\u0958"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if once := login.Email(s); login.Email(once) != once || len(once) > 254 {
			t.Errorf("%q becomes %q becomes %q", s, once, login.Email(once))
		}
	})
}

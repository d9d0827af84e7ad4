package login_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/authz"
)

// recorder is a Failures that keeps what it is told.
type recorder struct {
	authn.Failures
	told *bytes.Buffer
}

func (r recorder) Count(subject string, now time.Time) {
	fmt.Fprintln(r.told, subject)
	r.Failures.Count(subject, now)
}

// case T1, for logins: no password, token, email or address is in a log line,
// an error, a printed value or the name of a counter, but for the address as
// "client" of a line that tells of a failure (case T11).
func TestNothingLeaks(t *testing.T) {
	var out bytes.Buffer
	d := newDesk(t, func(c *login.Config) {
		c.Limits = login.Limits{Address: recorder{atMost(3), &out}, Source: recorder{atMost(2), &out}, Account: recorder{atMost(9), &out}, Device: recorder{atMost(1), &out}}
	})
	imported := string(must(bcrypt.GenerateFromPassword([]byte(right), bcrypt.MinCost)))
	email, broken := d.add("user_import", imported, authz.Active), d.add("user_broken", "$argon2id$"+hashed(), authz.Active)
	d.users.rehash = func() error { return errors.New("read-only") }
	json := slog.New(slog.NewJSONHandler(&out, nil))
	note := func(values ...any) {
		for _, v := range values {
			fmt.Fprintf(&out, "%v %+v %#v %s %q\n", v, v, v, v, v)
			json.Info("value", "v", v)
			slog.New(slog.NewTextHandler(&out, nil)).Info("value", "v", v)
		}
	}
	secrets := []string{right, wrong, other, annEmail, email, home.String(), "198.18.", hashed(), "0123456789abcdef"}
	s := d.enter()
	invitation := d.reset(ann)
	secrets = append(secrets, s.Token.Reveal(), s.Device, invitation)
	attempt := login.Attempt{Email: annEmail, Password: right, Device: s.Device, Address: home}
	note(attempt, &attempt, s.Token)
	for range 4 {
		for i, email := range []string{annEmail, email, broken} {
			_, err := d.try(email, wrong, from(fmt.Sprint("198.18.0.", i)))
			note(err)
			_, err = d.try(email, wrong, with(s.Device))
			note(err)
		}
	}
	d.now = d.now.Add(time.Hour)
	_, err := d.try(email, right)
	note(err)
	_, err = d.change(must(d.who(s)), wrong, other)
	note(err)
	_, err = d.change(must(d.who(s)), right, right[:9])
	note(err)
	d.full.err = errors.New("down")
	_, err = d.change(must(d.who(s)), right, other)
	note(err)
	_, err = d.accept(invitation, other)
	note(err)
	_, err = login.New(login.Config{Secret: []byte("0123456789abcdef")})
	note(err)
	d.users.err = errors.New("down")
	_, err = d.try(email, wrong)
	note(err)

	out.Write(regexp.MustCompile(` client=[0-9.]+ `).ReplaceAll(d.log.Bytes(), []byte(" ")))
	for _, secret := range secrets {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%q leaked", secret)
		}
	}
	for _, want := range []string{"cannot be verified", "not rehashed", "no session started", "too many", "login: failed", "not valid", "cannot tell who is calling"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("nothing was said of %q: the test has not come by there", want)
		}
	}
}

// A Manager that is printed by mistake shows no secret.
func TestManagerShowsNoSecret(t *testing.T) {
	d := newDesk(t)
	shown := fmt.Sprintf("%v %+v %#v", d.logins, d.logins, d.logins)
	for _, form := range []string{"%s", "%v", "%#v"} {
		if secret := strings.Trim(fmt.Sprintf(form, d.config.Secret), "[]"); strings.Contains(shown, secret) {
			t.Errorf("shown as %s", secret)
		}
	}
}

// case K5, for people: all that a database holds of a user lets nobody in, and
// makes no invitation and no known device.
func TestDatabaseOpensNoDoor(t *testing.T) {
	d := newDesk(t, func(c *login.Config) { c.Limits.Source = atMost(1) })
	s := d.enter()
	used := must(json.Marshal(s.Session))
	for _, stolen := range []string{hashed(), s.Session.ID, string(used), fmt.Sprintf("%x", s.Session.Digest.Sum)} {
		e := newDesk(t, unlimited)
		if _, err := e.try(annEmail, stolen); err != login.ErrFailed {
			t.Errorf("%.20s as password: %v", stolen, err)
		}
		if _, err := d.accept(stolen, other); err != login.ErrToken {
			t.Errorf("%.20s as invitation: %v", stolen, err)
		}
	}
	d.try(annEmail, wrong)
	for _, stolen := range []string{ann, s.Session.ID, hashed()} {
		if _, err := d.try(annEmail, right, with(stolen)); throttled(err) == 0 {
			t.Errorf("%.20s as device: %v", stolen, err)
		}
	}
}

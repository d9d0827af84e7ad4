package login_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/authn/password"
	"medtwin.ai/tollgate/authz"
)

// case S25: the sixth failure from one source is held up, whether there is such
// a user or not, without work, and for as long as it says. Other sources are
// not, nor is another account from there, nor who then types the right one.
func TestSource(t *testing.T) {
	for _, email := range []string{annEmail, "nobody@example.com", strings.Repeat("x", 300)} {
		d := newDesk(t)
		for i := range 5 {
			if _, err := d.try(email, wrong, from(fmt.Sprintf("2001:db8::%d", i))); err != login.ErrFailed {
				t.Fatalf("failure %d: %v", i, err)
			}
			d.now = d.now.Add(time.Second)
		}
		reads := d.users.reads.Load()
		var retry time.Duration
		n := hashes(func() {
			for _, text := range []string{wrong, right} {
				_, err := d.try(email, text, from("2001:db8::9"))
				if retry = throttled(err); retry != 15*time.Minute-5*time.Second {
					t.Errorf("%.20s: %v for %v", email, err, retry)
				}
			}
		})
		if n != 0 || d.users.reads.Load() != reads {
			t.Errorf("%.20s: %d Argon2id and %d reads for who is held up", email, n, d.users.reads.Load()-reads)
		}
		if _, err := d.try("somebody@example.com", wrong, from("2001:db8::1")); err != login.ErrFailed {
			t.Errorf("another account from there: %v", err)
		}
		if _, err := d.try(email, wrong, from("2001:db8:0:1::")); err != login.ErrFailed {
			t.Errorf("from elsewhere: %v", err)
		}
		d.now = d.now.Add(retry - time.Second)
		if _, err := d.try(email, wrong, from("2001:db8::1")); throttled(err) != time.Second {
			t.Errorf("a second too early: %v", err)
		}
		d.now = d.now.Add(time.Second)
		if _, err := d.try(email, wrong, from("2001:db8::1")); err != login.ErrFailed {
			t.Errorf("in time: %v", err)
		}
	}
}

// One address may fail on few accounts, no matter which. A known device at that address
// passes.
func TestAddress(t *testing.T) {
	d := newDesk(t, func(c *login.Config) { c.Limits.Address = atMost(3) })
	device := d.enter().Device
	for i := range 3 {
		if _, err := d.try(fmt.Sprint("user", i, "@example.com"), wrong); err != login.ErrFailed {
			t.Fatalf("failure %d: %v", i, err)
		}
	}
	for _, email := range []string{annEmail, "user9@example.com"} {
		if _, err := d.try(email, right); throttled(err) != 15*time.Minute {
			t.Errorf("%s: %v, want to be held up", email, err)
		}
	}
	d.enter(with(device))
	d.enter(from("203.0.113.1"))
	for range 3 {
		d.try("user9@example.com", wrong, func(a *login.Attempt) { a.Address = netip.Addr{} })
	}
	if _, err := d.try(annEmail, right, func(a *login.Attempt) { a.Address = netip.Addr{} }); throttled(err) == 0 {
		t.Errorf("those without an address are held up by nothing: %v", err)
	}
}

// case S25: of 50 guesses at once no more are verified than the limit.
func TestGuessesAtOnce(t *testing.T) {
	for _, tt := range []struct {
		name   string
		device bool
	}{{"unknown device", false}, {"known device", true}} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk(t)
			token := ""
			if tt.device {
				token = d.enter().Device
			}
			var all sync.WaitGroup
			var mu sync.Mutex
			failed, held := 0, 0
			n := hashes(func() {
				for range 50 {
					all.Go(func() {
						_, err := d.try(annEmail, wrong, with(token))
						mu.Lock()
						defer mu.Unlock()
						switch {
						case err == login.ErrFailed:
							failed++
						case throttled(err) > 0:
							held++
						default:
							t.Error(err)
						}
					})
				}
				all.Wait()
			})
			if n != 5 || failed != 5 || held != 45 {
				t.Errorf("%d Argon2id, %d failed, %d held up; want 5, 5 and 45", n, failed, held)
			}
		})
	}
}

// between is a Failures that does something before it looks and before it
// counts.
type between struct {
	authn.Failures
	peek, count func()
}

func (b *between) Peek(subject string, now time.Time) (int64, time.Duration) {
	b.peek()
	return b.Failures.Peek(subject, now)
}

func (b *between) Count(subject string, now time.Time) {
	b.count()
	b.Failures.Count(subject, now)
}

// case S25: an attempt counts at every moment, from before it looks at the
// failures until after it is one of them.
func TestGuessBetween(t *testing.T) {
	for _, at := range []string{"peek", "count"} {
		b := &between{Failures: atMost(1), peek: func() {}, count: func() {}}
		d := newDesk(t, func(c *login.Config) { c.Limits.Source = b })
		var second error
		again := func() {
			b.peek, b.count = func() {}, func() {}
			_, second = d.try(annEmail, wrong)
		}
		if at == "peek" {
			b.peek = again
		} else {
			b.count = again
		}
		if _, err := d.try(annEmail, wrong); err != login.ErrFailed || throttled(second) != time.Second {
			t.Errorf("%s: %v, and in between %v; want ErrFailed, and to be held up for a second", at, err, second)
		}
	}
}

// A successful attempt counts only while it is in flight, so it holds up others for a
// moment only.
func TestSuccessIsNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		for range 7 {
			d.enter()
		}
		gate := make(chan struct{})
		d.users.read = func() { <-gate }
		for range 5 {
			go d.enter()
		}
		synctest.Wait()
		if _, err := d.try(annEmail, right); throttled(err) != time.Second {
			t.Errorf("a sixth at once: %v, want to be held up for a second", err)
		}
		close(gate)
		synctest.Wait()
		d.enter()
	})
}

// case S20, for logins: an attempt that the gate sends away has not failed.
func TestBusyIsNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, func(c *login.Config) { c.Passwords = must(password.New(password.Config{Hashes: 1, Queue: 1})) })
		gate := make(chan struct{})
		d.users.read = func() { <-gate }
		var mu sync.Mutex
		failed, busy := 0, 0
		for range 5 {
			go func() {
				_, err := d.try(annEmail, wrong)
				mu.Lock()
				defer mu.Unlock()
				if _, ok := errors.AsType[*password.BusyError](err); ok {
					busy++
				} else if err == login.ErrFailed {
					failed++
				}
			}()
		}
		synctest.Wait()
		close(gate)
		synctest.Wait()
		if failed+busy != 5 || failed == 0 || busy == 0 {
			t.Fatalf("%d failed and %d were sent away, want 5 together and some of each", failed, busy)
		}
		for range busy {
			if _, err := d.try(annEmail, wrong); err != login.ErrFailed {
				t.Errorf("a place is missing: %v", err)
			}
		}
		if _, err := d.try(annEmail, wrong); throttled(err) == 0 {
			t.Errorf("%v, want to be held up", err)
		}
	})
}

// case S26: neither 1,000 addresses nor one beside the owner's lock the owner out on a
// device that they have logged in from. That device is no better a place to guess.
func TestKnownDevice(t *testing.T) {
	d := newDesk(t, func(c *login.Config) { c.Limits.Account = atMost(12) })
	owner, laptop := d.enter(), d.enter()
	verified := 0
	attack := func(addr string) {
		_, err := d.try(annEmail, wrong, from(addr))
		if err == login.ErrFailed {
			verified++
		} else if throttled(err) == 0 {
			t.Fatal(err)
		}
	}
	for range 10 {
		attack(home.String())
	}
	if verified != 5 {
		t.Errorf("%d guesses were verified from one address, want 5", verified)
	}
	for i := range 1000 {
		attack(netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}).String())
	}
	if verified != 12 {
		t.Errorf("%d guesses were verified in all, want 12", verified)
	}
	if _, err := d.try(annEmail, right, from("203.0.113.1")); throttled(err) == 0 {
		t.Errorf("from an unknown device: %v", err)
	}
	for range 3 {
		owner = d.enter(with(owner.Device))
	}

	for range 5 {
		if _, err := d.try(annEmail, wrong, with(owner.Device)); err != login.ErrFailed {
			t.Errorf("%v, want ErrFailed", err)
		}
	}
	if _, err := d.try(annEmail, right, with(owner.Device)); throttled(err) == 0 {
		t.Errorf("the sixth guess from a known device: %v", err)
	}
	d.enter(with(laptop.Device))
}

// case S26: a device is known only by a token that is genuine, young enough and
// the user's own.
func TestUnknownDevice(t *testing.T) {
	d := newDesk(t, func(c *login.Config) { c.Limits.Account, c.Device = atMost(1), time.Hour })
	bob := d.add("user_bob", hashed(), authz.Active)
	own := d.enter().Device
	bobs, err := d.try(bob, right)
	if err != nil {
		t.Fatal(err)
	}
	foreign := newDesk(t, func(c *login.Config) { c.Secret = []byte("another 0123456789abcdefghijklmn") }).enter().Device
	if _, err := d.try(annEmail, wrong); err != login.ErrFailed {
		t.Fatal(err)
	}
	d.enter(with(own))
	tokens := map[string]string{
		"none": "", "another user's": bobs.Device, "of another secret": foreign,
		"a reset": must(d.logins.Reset(t.Context(), ann, d.now)), "a session": bobs.Token.Reveal(), "long": strings.Repeat("x", 1<<20),
	}
	for i := range len(own) {
		forged := []byte(own)
		forged[i] ^= 1
		tokens[fmt.Sprint("changed at ", i)] = string(forged)
		tokens[fmt.Sprint("cut at ", i)] = own[:i]
	}
	for name, token := range tokens {
		if _, err := d.try(annEmail, right, with(token)); throttled(err) == 0 {
			t.Errorf("%s is a known device: %v", name, err)
		}
	}
	d.now = d.now.Add(time.Hour - time.Second)
	if _, err := d.try(annEmail, wrong, with("")); err != login.ErrFailed { // the window has passed
		t.Fatal(err)
	}
	renewed := d.enter(with(own)).Device
	d.now = d.now.Add(time.Second)
	if _, err := d.try(annEmail, right, with(own)); throttled(err) == 0 {
		t.Errorf("expired: %v", err)
	}
	d.enter(with(renewed))
}

// A device keeps its count through every login.
func TestDeviceKeepsItsCount(t *testing.T) {
	d := newDesk(t)
	device := d.enter().Device
	for i := range 5 {
		if _, err := d.try(annEmail, wrong, with(device)); err != login.ErrFailed {
			t.Fatal(err)
		}
		if i < 4 {
			device = d.enter(with(device)).Device
		}
	}
	if _, err := d.try(annEmail, right, with(device)); throttled(err) == 0 {
		t.Errorf("%v, want to be held up", err)
	}
}

// The device's cookie has the attributes of the session's and lasts as long as
// the device is known.
func TestDeviceCookie(t *testing.T) {
	d := newDesk(t)
	device := d.enter().Device
	c := d.logins.DeviceCookie("__Host-device", device, d.now)
	want := "__Host-device=" + device + "; Path=/; Expires=Sun, 21 Nov 2027 12:00:00 GMT; Max-Age=31536000; HttpOnly; Secure; SameSite=Lax"
	if err := c.Valid(); err != nil || c.String() != want {
		t.Errorf("%s\nwant %s; %v", c, want, err)
	}
}

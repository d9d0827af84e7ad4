package login_test

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/authn/password"
	"medtwin.ai/tollgate/authz"
)

// fewStrangers lets one failure from an unknown device close an account to all.
func fewStrangers(c *login.Config) { c.Limits.Account = atMost(1) }

// flood fails with ann's email until no unknown device may try any more.
func (d *desk) flood() {
	d.t.Helper()
	for i := range 2 {
		if _, err := d.try(annEmail, "of no user at all", from(netip.AddrFrom4([4]byte{198, 18, 9, byte(i)}).String())); throttled(err) > 0 {
			return
		}
	}
	d.t.Fatal("nobody is held up")
}

// known reports whether ann's device is, with ann's account closed to others.
func (d *desk) known(text, device string) {
	d.t.Helper()
	d.flood()
	if _, err := d.try(annEmail, text, with(device)); err != nil {
		d.t.Errorf("the device: %v", err)
	}
	if _, err := d.try(annEmail, text); throttled(err) == 0 {
		d.t.Errorf("no device: %v, want to be held up", err)
	}
}

// case S26: a device is known until all sessions of its user end, no matter who has
// its token by then. The user who changes the password gets a new token.
func TestDeviceEndsWithTheEpoch(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(*desk) (text, device string, err error)
	}{
		{"password", func(d *desk) (string, string, error) {
			s, err := d.change(d.caller(), right, other)
			return other, s.Device, err
		}},
		{"invitation", func(d *desk) (string, string, error) {
			_, err := d.accept(d.reset(ann), other)
			return other, "", err
		}},
		{"everywhere", func(d *desk) (string, string, error) {
			return right, "", d.sessions.RevokeAll(t.Context(), d.caller(), d.now)
		}},
		{"suspension", func(d *desk) (string, string, error) {
			d.status(authz.Suspended)
			d.status(authz.Active)
			return right, "", nil
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk(t, fewStrangers)
			before := d.enter().Device
			text, device, err := tt.end(d)
			if err != nil {
				t.Fatal(err)
			}
			d.flood()
			if _, err := d.try(annEmail, text, with(before)); throttled(err) == 0 {
				t.Errorf("the former device: %v, want to be held up", err)
			}
			if device != "" {
				d.known(text, device)
			}
			d.now = d.now.Add(15 * time.Minute)
			s, err := d.try(annEmail, text, with(before))
			if err != nil {
				t.Fatal(err)
			}
			d.known(text, s.Device)
		})
	}
}

// A known device is one wherever it is.
func TestDeviceTravels(t *testing.T) {
	d := newDesk(t)
	device := d.enter().Device
	for i := range 6 {
		_, err := d.try(annEmail, wrong, with(device), from(fmt.Sprintf("203.0.113.%d", i)))
		if i < 5 && err != login.ErrFailed || i == 5 && throttled(err) != 15*time.Minute {
			t.Errorf("failure %d: %v", i+1, err)
		}
	}
}

// Logins with the right password are not bounded by failures. So at most 8 of one
// user wait for a hash at once, from all of the user's known devices, and others get
// their turn.
func TestDevicesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, func(c *login.Config) {
			c.Passwords = must(password.New(password.Config{Hashes: 1, Queue: 16, Wait: time.Minute}))
		})
		bob := d.add("user_bob", hashed(), authz.Active)
		first, err := d.try(bob, right)
		if err != nil {
			t.Fatal(err)
		}
		bobs := first.Device
		var devices []string
		for range 16 {
			devices = append(devices, d.enter().Device)
		}
		// All are known before the first begins, and then stop short of the hash.
		var mu sync.Mutex
		known, begun := make(chan struct{}), make(chan struct{})
		reads := 0
		d.users.read = func() {
			mu.Lock()
			early := reads < 16*5
			reads++
			mu.Unlock()
			if early {
				<-known
			} else {
				<-begun
			}
		}
		var all sync.WaitGroup
		passed, held := 0, 0
		for _, device := range devices {
			for range 5 {
				all.Go(func() {
					_, err := d.try(annEmail, right, with(device))
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err == nil:
						passed++
					case throttled(err) == time.Second:
						held++
					default:
						t.Errorf("%v, want to be held up for a second", err)
					}
				})
			}
		}
		synctest.Wait()
		close(known)
		synctest.Wait()
		reads = 16*5 - 1 // another is known
		all.Go(func() {
			if _, err := d.try(bob, right, with(bobs)); err != nil {
				t.Errorf("another user: %v", err)
			}
		})
		synctest.Wait()
		all.Go(func() { // nor do strangers share that counter
			if _, err := d.try(annEmail, right); err != nil {
				t.Errorf("an unknown device: %v", err)
			}
		})
		synctest.Wait()
		close(begun)
		all.Wait()
		if passed != 8 || held != 72 {
			t.Errorf("%d passed and %d were held up, want 8 and 72", passed, held)
		}
		for _, device := range devices { // in turn it is not counted
			d.enter(with(device))
		}
	})
}

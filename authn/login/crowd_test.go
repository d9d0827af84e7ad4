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

	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/authn/password"
	"medtwin.ai/tollgate/authz"
)

// crowd holds logins up until they are let go, and counts how they end.
type crowd struct {
	*desk
	gate chan struct{}
	all  sync.WaitGroup
	mu   sync.Mutex
	ends map[string]int
}

func newCrowd(t *testing.T, c password.Config) *crowd {
	d := newDesk(t, func(l *login.Config) { l.Passwords = must(password.New(c)) })
	return &crowd{desk: d, gate: make(chan struct{}), ends: map[string]int{}}
}

// hold stops every login where it reads its user.
func (c *crowd) hold() { c.users.read = func() { <-c.gate } }

// login begins one whose end is counted under name.
func (c *crowd) login(name, email, text string, change ...func(*login.Attempt)) {
	c.all.Go(func() { c.wait(name, email, text, change...) })
}

// wait is login that returns when it has ended.
func (c *crowd) wait(name, email, text string, change ...func(*login.Attempt)) {
	_, err := c.try(email, text, change...)
	end := "in"
	if _, ok := errors.AsType[*password.BusyError](err); ok {
		end = "busy"
	} else if throttled(err) > 0 {
		end = "throttled"
	} else if err != nil {
		end = err.Error()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends[name+" "+end]++
}

// case S29, case S20: of one user at most 8 attempts are in flight, from however
// many networks, with the right password, and whether there is such a user or
// not. Others find room in the queue.
func TestRightPasswordsInFlight(t *testing.T) {
	for _, tt := range []struct{ name, email, end string }{
		{"a user", annEmail, "in"},
		{"nobody", "nobody@example.com", login.ErrFailed.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCrowd(t, password.Config{Hashes: 1, Queue: 16})
				bob := c.add("user_bob", hashed(), authz.Active)
				c.hold()
				for i := range 100 { // 5 from each of 20 networks
					c.login("crowd", tt.email, right, from(fmt.Sprintf("198.51.100.%d", i%20)))
				}
				synctest.Wait()
				if got := c.ends["crowd throttled"]; got != 92 {
					t.Errorf("%d of 100 were held up, want 92", got)
				}
				c.login("other", bob, right, from("203.0.113.1"))
				close(c.gate)
				c.all.Wait()
				if got := c.ends["crowd "+tt.end]; got != 8 {
					t.Errorf("%d of 100 were verified, want 8: %v", got, c.ends)
				}
				if c.ends["other in"] != 1 {
					t.Errorf("another user is kept out: %v", c.ends)
				}
			})
		})
	}
}

// case S29, case S26: a queue full of attempts from unknown devices, with right
// passwords, keeps nobody out on a known one.
func TestKnownDeviceInACrowd(t *testing.T) {
	const crowd, queue = 30, 8
	c := newCrowd(t, password.Config{Hashes: 1, Queue: queue, Wait: time.Minute})
	device := c.enter().Device
	slow := c.add("user_slow", slowHash, authz.Active)
	var emails []string
	for i := range crowd {
		emails = append(emails, c.add(fmt.Sprint("user_", i), hashed(), authz.Active))
	}
	begun := make(chan struct{}, 1)
	c.users.read = func() { begun <- struct{}{} }
	c.login("slow", slow, wrong) // takes the one place for a while
	<-begun
	c.users.read = nil
	ended := make(chan struct{}, crowd)
	for i, email := range emails {
		c.all.Go(func() {
			c.wait("crowd", email, right, from(fmt.Sprintf("198.51.100.%d", i)))
			ended <- struct{}{}
		})
	}
	for range crowd - queue { // the others fill the queue
		<-ended
	}
	for range 5 {
		c.login("owner", annEmail, right, with(device), from("203.0.113.1"))
	}
	c.all.Wait()
	if c.ends["owner in"] != 5 {
		t.Errorf("known devices: %v, want 5 in", c.ends)
	}
	if c.ends["crowd busy"] == 0 {
		t.Errorf("the queue was never full: %v", c.ends)
	}
}

// slowHash is of the greatest cost that can be imported, and of no password.
var slowHash = "$argon2id$v=19$m=65536,t=10,p=1$" + strings.Repeat("A", 22) + "$" + strings.Repeat("A", 43)

// An invitation is accepted by at most 8 at once, from however many networks.
func TestInvitationInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, password.Config{Hashes: 1, Queue: 64})
		token := must(c.logins.Reset(t.Context(), ann, c.now))
		c.hold()
		held := 0
		for i := range 40 {
			c.all.Go(func() {
				_, err := c.logins.Accept(t.Context(), token, other, netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), c.now)
				c.mu.Lock()
				defer c.mu.Unlock()
				if throttled(err) > 0 {
					held++
				}
			})
		}
		synctest.Wait()
		if held != 32 {
			t.Errorf("%d of 40 were held up, want 32", held)
		}
		close(c.gate)
		c.all.Wait()
	})
}

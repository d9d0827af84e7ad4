package portal_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/portal"
	"medtwin.ai/tollgate/store"
)

// A mailbox keeps the mail that it is given.
type mailbox struct {
	mu    sync.Mutex
	mails []portal.Mail
}

func (m *mailbox) Send(_ context.Context, mail portal.Mail) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mails = append(m.mails, mail)
	return nil
}

// about returns the addresses to which mail with that text went, sorted.
func (m *mailbox) about(text string) (to []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, mail := range m.mails {
		if strings.Contains(mail.Subject+mail.Text, text) {
			to = append(to, mail.To)
		}
	}
	slices.Sort(to)
	return to
}

// working runs the background work of the gates until the test ends.
func working(t *testing.T, all ...*desk) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, d := range all {
		running.Go(func() { d.gate.Run(ctx) })
	}
	t.Cleanup(func() { cancel(); running.Wait() })
}

// inBubble lets a desk use the clock of a bubble, and mail.
func inBubble(mails *mailbox) func(*desk) {
	return func(d *desk) {
		d.setNow(time.Now())
		d.config.Now, d.portal.Mail = time.Now, mails
	}
}

func (d *desk) warnings(key string) (n int) {
	d.t.Helper()
	for _, e := range d.events("acct_1") {
		if e.Kind == "key.expiring" && e.Subject == key {
			n++
		}
	}
	return n
}

// A key is warned of a week before its end, once, and again when that is moved; by
// several processes too. Its owner gets a mail, once.
func TestWarnOfExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mails mailbox
		d := newDesk(t, inBubble(&mails))
		another := newDesk(t, inBubble(&mails), func(o *desk) { o.config.Store, o.config.Secrets = d.config.Store, d.config.Secrets })
		working(t, d, another)
		pass := func(by time.Duration) {
			time.Sleep(by)
			synctest.Wait()
			d.setNow(time.Now())
		}
		user, owner := d.joins("acct_1", "editor")
		const week = 7 * 24 * time.Hour
		expires := func(in time.Duration) string { return d.time().Add(in).UTC().Format(time.RFC3339) }
		key := d.makes(owner, `{"name":"ci","permissions":["read"],"expires_at":"`+expires(week+2*time.Hour)+`"}`)
		for _, step := range []struct {
			name string
			pass time.Duration
			want int
		}{
			{"more than a week before", time.Hour + 30*time.Minute, 0},
			{"a week before", time.Hour, 1},
			{"later", 2 * time.Hour, 1},
		} {
			pass(step.pass)
			if got := d.warnings(key.ID); got != step.want {
				t.Errorf("%s: got %d warnings, want %d", step.name, got, step.want)
			}
		}
		d.must(200, "PATCH", "/api-keys/"+key.ID, owner, `{"expires_at":"`+expires(week+90*time.Minute)+`"}`)
		pass(time.Hour)
		if got := d.warnings(key.ID); got != 1 {
			t.Errorf("given more time: got %d warnings, want 1", got)
		}
		pass(time.Hour)
		if got := d.warnings(key.ID); got != 2 {
			t.Errorf("when that is nearly over: got %d warnings, want 2", got)
		}
		short := d.makes(owner, `{"name":"short","permissions":["read"],"expires_at":"`+expires(48*time.Hour)+`"}`)
		pass(time.Hour)
		d.must(200, "PATCH", "/api-keys/"+short.ID, owner, `{"expires_at":"`+expires(72*time.Hour)+`"}`)
		pass(time.Hour)
		if got := d.warnings(short.ID); got != 2 {
			t.Errorf("of two days, given a day more: got %d warnings, want 2", got)
		}
		address := login.Email(user + "@example.com")
		if got := mails.about(`"ci" (` + key.Hint + `)`); !slices.Equal(got, []string{address, address}) {
			t.Errorf("got mail to %q, want one to the owner for each end", got)
		}
		if got := mails.about(key.Key[8:31]); len(got) > 0 { // case T1
			t.Errorf("the key is in the mail to %q", got)
		}
	})
}

// A key of the account is its maker's to look after, and without them the owners'.
func TestWhoIsWarned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mails mailbox
		d := newDesk(t, inBubble(&mails))
		_, owner := d.joins("acct_1", "owner")
		first, _ := d.joins("acct_1", "owner")
		d.joins("acct_1", "viewer")
		maker, administrator := d.joins("acct_1", "admin")
		left, leaver := d.joins("acct_1", "admin")
		ends := d.time().Add(48 * time.Hour).UTC().Format(time.RFC3339)
		body := func(name, more string) string {
			return `{"name":"` + name + `","permissions":["read"],"expires_at":"` + ends + `"` + more + `}`
		}
		d.makes(administrator, body("of the maker", `,"service":true`))
		d.makes(leaver, body("of one who left", `,"service":true`))
		d.makes(leaver, body("dead", ""))
		mine := d.makes(owner, body("mine", ""))
		if err := d.config.Store.Memberships().Remove(t.Context(), "acct_1", left); err != nil {
			t.Fatal(err)
		}
		working(t, d)
		time.Sleep(time.Hour)
		synctest.Wait()
		owners := []string{login.Email(mine.Owner + "@example.com"), login.Email(first + "@example.com")}
		slices.Sort(owners)
		for _, tt := range []struct {
			key  string
			want []string
		}{
			{"of the maker", []string{login.Email(maker + "@example.com")}},
			{"of one who left", owners},
			{"dead", nil},
			{"mine", []string{login.Email(mine.Owner + "@example.com")}},
		} {
			if got := mails.about(`"` + tt.key + `"`); !slices.Equal(got, tt.want) {
				t.Errorf("%s: got mail to %q, want %q", tt.key, got, tt.want)
			}
		}
	})
}

// A key that cannot be told of is tried again, and does not keep others from being told.
func TestWarningFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mails mailbox
		var mu sync.Mutex
		broken, heard := "", map[string]int{}
		d := newDesk(t, inBubble(&mails), func(d *desk) {
			d.config.OnEvent = func(_ context.Context, e store.Event) error {
				mu.Lock()
				defer mu.Unlock()
				if e.Subject == broken {
					return errors.New("the queue is full")
				}
				if e.Kind == "key.expiring" {
					heard[e.Subject]++
				}
				return nil
			}
		})
		_, owner := d.joins("acct_1", "owner")
		makes := func(in time.Duration) string {
			ends := d.time().Add(in).UTC().Format(time.RFC3339)
			return d.makes(owner, `{"name":"k","permissions":["read"],"expires_at":"`+ends+`"}`).ID
		}
		first, second := makes(24*time.Hour), makes(48*time.Hour)
		broken = first
		working(t, d)
		synctest.Wait()
		if heard[first] != 0 || heard[second] != 1 {
			t.Errorf("while one fails: got %v, want the second to be heard of", heard)
		}
		mu.Lock()
		broken = ""
		mu.Unlock()
		time.Sleep(time.Hour + time.Minute)
		synctest.Wait()
		if heard[first] != 1 {
			t.Errorf("an hour later: got %v, want the first to be heard of", heard)
		}
	})
}

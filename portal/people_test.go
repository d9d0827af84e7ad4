package portal_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"medtwin.ai/tollgate/portal"
	"medtwin.ai/tollgate/store"
)

const (
	goodPassword  = "glacier mango tutor velvet"
	otherPassword = "harbour violin cactus ninety"
)

// inbox is a mailer that keeps what it is given.
type inbox chan portal.Mail

func (m inbox) Send(ctx context.Context, mail portal.Mail) error {
	select {
	case m <- mail:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// withMail has the portal send mail, and its gate run.
func withMail(d *desk) { d.portal.Mail = make(inbox, 4096) }

// newMailDesk returns a desk whose mail arrives.
func newMailDesk(t *testing.T, set ...func(*desk)) *desk {
	t.Helper()
	d := newDesk(t, append([]func(*desk){withMail}, set...)...)
	d.runs()
	return d
}

// runs does the gate's work in the background until the test ends.
func (d *desk) runs() {
	ctx, cancel := context.WithCancel(d.t.Context())
	ended := make(chan struct{})
	go func() {
		d.gate.Run(ctx)
		close(ended)
	}()
	d.t.Cleanup(func() {
		cancel()
		<-ended
	})
}

// mail returns the next mail.
func (d *desk) mail() portal.Mail {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 10*time.Second)
	defer cancel()
	select {
	case m := <-d.portal.Mail.(inbox):
		return m
	case <-ctx.Done():
		d.t.Fatal("got no mail")
	}
	return portal.Mail{}
}

var mailedToken = regexp.MustCompile(`[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_.-]{40,}`)

// token returns the token of the next mail to that address. Mails to others, as
// the warning that a key expires, may come before it.
func (d *desk) token(to string) string {
	d.t.Helper()
	m := d.mail()
	for m.To != to {
		m = d.mail()
	}
	token := mailedToken.FindString(m.Text)
	if token == "" {
		d.t.Fatalf("got a mail to %s: %q; want one with a token", m.To, m.Text)
	}
	return token
}

// invites invites an address and returns the id of the invitation and the token of the mail.
func (d *desk) invites(auth, email, role string) (id, token string) {
	d.t.Helper()
	d.setNow(d.time().Add(time.Millisecond))
	a := d.must(202, "POST", "/team", auth, `{"email":"`+email+`","role":"`+role+`"}`)
	return field(d.t, a, "id"), d.token(strings.ToLower(email))
}

func (d *desk) accepts(status int, token, password string) answer {
	d.t.Helper()
	body := `{"token":"` + token + `"}`
	if password != "" {
		body = `{"token":"` + token + `","password":"` + password + `"}`
	}
	return d.must(status, "POST", "/auth/accept", "", body)
}

// logsIn logs a person in and returns what they send to be known.
func (d *desk) logsIn(email, password string) (auth string) {
	d.t.Helper()
	return "Session " + field(d.t, d.must(200, "POST", "/auth/login", "", `{"email":"`+email+`","password":"`+password+`"}`), "session_token")
}

// person makes a member of acct_1 by invitation and logs them in.
func (d *desk) person(by, email, role string) (auth string) {
	d.t.Helper()
	_, token := d.invites(by, email, role)
	d.accepts(204, token, goodPassword)
	return d.logsIn(email, goodPassword)
}

// The story of an invitation: the mail, the password, the login, the team.
func TestInviteAndAccept(t *testing.T) {
	d := newMailDesk(t)
	_, owner := d.joins("acct_1", "owner")
	invited := d.must(202, "POST", "/team", owner, `{"email":"Ann@Example.com","role":"editor","name":"Ann","scope":{"projects":["proj_abc123"]}}`)
	mail := d.mail()
	token := mailedToken.FindString(mail.Text)
	if mail.To != "ann@example.com" || !strings.Contains(mail.Text, "acct_1") || !strings.Contains(mail.Text, "/v1/auth/accept") {
		t.Errorf("got the mail %+v", mail)
	}
	if token == "" || strings.Contains(invited.body, token) {
		t.Errorf("got %s and the token %q, want it in the mail alone", invited.body, token)
	}
	if list, _ := d.must(200, "GET", "/team/invitations", owner, "").list(t); len(list) != 1 || list[0]["email"] != "ann@example.com" || list[0]["status"] != "pending" {
		t.Errorf("got the invitations %v", list)
	}
	if list, _ := d.must(200, "GET", "/team", owner, "").list(t); len(list) != 1 {
		t.Errorf("got the team %v, want the owner alone", list)
	}
	if got := d.accepts(400, token, ""); got.code() != "password_required" {
		t.Errorf("got %s, want password_required", got.body)
	}
	if got := d.accepts(400, token, "short"); got.code() != "password_too_short" {
		t.Errorf("got %s, want password_too_short", got.body)
	}
	d.accepts(204, token, goodPassword)
	if got := d.accepts(400, token, goodPassword); got.code() != "invalid_token" {
		t.Errorf("again: got %s, want invalid_token", got.body)
	}
	ann := d.logsIn("ann@example.com", goodPassword)
	if got := d.must(200, "GET", "/whoami", ann, ""); !strings.Contains(got.body, `"account":"acct_1"`) {
		t.Errorf("got %s, want the account", got.body)
	}
	d.must(200, "GET", "/projects/proj_abc123", ann, "")
	d.must(403, "GET", "/projects/proj_def456", ann, "")
	list, _ := d.must(200, "GET", "/team", owner, "").list(t)
	if len(list) != 2 {
		t.Fatalf("got the team %v, want two", list)
	}
	if list, _ := d.must(200, "GET", "/team/invitations", owner, "").list(t); len(list) != 0 {
		t.Errorf("got the invitations %v, want none", list)
	}
	var kinds []string
	for _, e := range d.events("acct_1") {
		kinds = append(kinds, e.Kind)
	}
	slices.Sort(kinds) // those of one millisecond have no order
	if got := strings.Join(kinds, " "); got != "member.added member.invited session.started" {
		t.Errorf("got the events %s", got)
	}
}

// An address belongs to the person who reads its mail: no account can take it for them,
// the answer to an account says nothing of others, and removal releases it. case S28
func TestAddressBelongsToItsReader(t *testing.T) {
	d := newMailDesk(t)
	_, first := d.joins("acct_1", "owner")
	d.account("acct_2", "standard")
	_, second := d.joins("acct_2", "owner")
	ann := d.person(first, "ann@example.com", "editor")

	_, token := d.invites(second, "ann@example.com", "viewer")
	if got := d.do("POST", "/auth/login", "", `{"email":"ann@example.com","password":"`+goodPassword+`","account":"acct_2"}`); got.code() != "not_a_member" {
		t.Errorf("before accepting: got %s, want not_a_member", got.body)
	}
	if got := d.accepts(409, token, otherPassword); got.code() != "password_not_wanted" {
		t.Errorf("with a password: got %s, want password_not_wanted", got.body)
	}
	d.must(200, "GET", "/whoami", ann, "") // nothing has ended
	d.accepts(204, token, "")
	d.must(200, "POST", "/auth/login", "", `{"email":"ann@example.com","password":"`+goodPassword+`","account":"acct_2"}`)

	user := field(t, d.must(200, "GET", "/whoami", ann, ""), "user")
	d.must(204, "DELETE", "/team/"+user, first, "")
	d.must(204, "DELETE", "/team/"+user, second, "")
	if got := d.do("POST", "/auth/login", "", `{"email":"ann@example.com","password":"`+goodPassword+`"}`); got.code() != "not_a_member" {
		t.Errorf("removed from both: got %s, want not_a_member", got.body)
	}
	_, again := d.invites(first, "ann@example.com", "admin")
	d.accepts(204, again, "")
	d.logsIn("ann@example.com", goodPassword)
}

// An invitation ends when it is withdrawn, made again, expired, or when the member who
// made it changes or leaves. case S28
func TestInvitationEnds(t *testing.T) {
	tests := []struct {
		name string
		do   func(d *desk, owner, id string)
	}{
		{"withdrawn", func(d *desk, owner, id string) { d.must(204, "DELETE", "/team/invitations/"+id, owner, "") }},
		{"made again", func(d *desk, owner, _ string) { d.invites(owner, "ann@example.com", "viewer") }},
		{"expired", func(d *desk, _, _ string) { d.setNow(d.time().Add(72 * time.Hour)) }},
		{"its maker was removed", func(d *desk, owner, _ string) { d.must(204, "DELETE", "/team/"+d.admin, owner, "") }},
		{"its maker may do less", func(d *desk, owner, _ string) { d.must(200, "PATCH", "/team/"+d.admin, owner, `{"role":"viewer"}`) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newMailDesk(t)
			_, owner := d.joins("acct_1", "owner")
			user, admin := d.joins("acct_1", "admin")
			d.admin = user
			id, token := d.invites(admin, "ann@example.com", "editor")
			tt.do(d, owner, id)
			if got := d.accepts(400, token, goodPassword); got.code() != "invalid_token" {
				t.Errorf("got %s, want invalid_token", got.body)
			}
			if _, err := d.config.Store.Users().ByEmail(t.Context(), "ann@example.com"); err != store.ErrNotFound {
				t.Errorf("got %v, want no user", err)
			}
		})
	}
}

// A forgotten password is reset by mail. That ends the sessions, and works once.
func TestReset(t *testing.T) {
	d := newMailDesk(t)
	_, owner := d.joins("acct_1", "owner")
	ann := d.person(owner, "ann@example.com", "editor")
	asked := d.must(202, "POST", "/auth/reset", "", `{"email":"ann@example.com"}`)
	if unknown := d.must(202, "POST", "/auth/reset", "", `{"email":"nobody@example.com"}`); unknown.body != asked.body {
		t.Errorf("got %s for an unknown address, and %s for a known one", unknown.body, asked.body)
	}
	token := d.token("ann@example.com")
	d.must(200, "GET", "/whoami", ann, "")
	d.accepts(204, token, otherPassword)
	d.accepts(400, token, goodPassword)
	d.must(401, "GET", "/whoami", ann, "")
	d.logsIn("ann@example.com", otherPassword)
	for _, want := range []string{"password.reset", "password.changed"} {
		if !slices.ContainsFunc(d.events("acct_1"), func(e store.Event) bool { return e.Kind == want }) {
			t.Errorf("got no event %s", want)
		}
	}
}

// Nobody can have a inbox filled, or many of them, with mail that they ask for.
func TestResetIsLimited(t *testing.T) {
	d := newMailDesk(t)
	for i := range 6 {
		want := 202
		if i == 5 {
			want = 429
		}
		if got := d.must(want, "POST", "/auth/reset", "", `{"email":"ann@example.com"}`); want == 429 && got.header.Get("Retry-After") == "" {
			t.Error("got no Retry-After")
		}
	}
	for i := range 16 {
		want := 202
		if i > 13 { // 20 by this client
			want = 429
		}
		d.must(want, "POST", "/auth/reset", "", `{"email":"ann`+string(rune('a'+i))+`@example.com"}`)
	}
}

// No account can fill somebody's mailbox with invitations.
func TestInvitationsAreLimited(t *testing.T) {
	d := newMailDesk(t)
	_, owner := d.joins("acct_1", "owner")
	for i := range 6 {
		want := 202
		if i == 5 {
			want = 429
		}
		d.must(want, "POST", "/team", owner, `{"email":"ann@example.com","role":"viewer"}`)
	}
	d.must(202, "POST", "/team", owner, `{"email":"bob@example.com","role":"viewer"}`)
}

// A mail that cannot be sent is tried again, and given up without its text in the log.
func TestMailFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := &failing{}
		d := newDesk(t, func(d *desk) { d.config.Now, d.portal.Mail = time.Now, broken })
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { d.gate.Run(ctx) })
		d.setNow(time.Now())
		_, owner := d.joins("acct_1", "owner")
		d.must(202, "POST", "/team", owner, `{"email":"ann@example.com","role":"viewer"}`)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		cancel()
		running.Wait()
		if got := broken.tries.Load(); got != 4 {
			t.Errorf("tried %d times, want 4", got)
		}
		if log := d.log.String(); !strings.Contains(log, "mail not sent: it has to be asked for again") || strings.Contains(log, "Your token") {
			t.Errorf("got the log %s", log)
		}
	})
}

// failing sends nothing.
type failing struct{ tries atomic.Int64 }

func (f *failing) Send(context.Context, portal.Mail) error {
	f.tries.Add(1)
	return errors.New("no connection")
}

// A change of password ends the other sessions and goes on in a new one. case S12
func TestChangePassword(t *testing.T) {
	d := newMailDesk(t)
	_, owner := d.joins("acct_1", "owner")
	ann := d.person(owner, "ann@example.com", "editor")
	elsewhere := d.logsIn("ann@example.com", goodPassword)
	d.makes(ann, `{"name":"k","permissions":["read"]}`)
	tests := []struct{ name, body, code string }{
		{"wrong", `{"current_password":"x","new_password":"` + otherPassword + `"}`, "wrong_password"},
		{"weak", `{"current_password":"` + goodPassword + `","new_password":"x"}`, "password_too_short"},
		{"days", `{"current_password":"` + goodPassword + `","new_password":"` + otherPassword + `","revoke_keys_days":0}`, "invalid_field"},
	}
	for _, tt := range tests {
		if got := d.must(400, "POST", "/auth/password", ann, tt.body); got.code() != tt.code {
			t.Errorf("%s: got %s, want %s", tt.name, got.body, tt.code)
		}
	}
	got := d.must(200, "POST", "/auth/password", ann, `{"current_password":"`+goodPassword+`","new_password":"`+otherPassword+`","revoke_keys_days":1}`)
	if !strings.Contains(got.body, `"made":1,"revoked":1`) {
		t.Errorf("got %s, want the key revoked", got.body)
	}
	for _, old := range []string{ann, elsewhere} {
		d.must(401, "GET", "/whoami", old, "")
	}
	d.must(200, "GET", "/whoami", "Session "+field(t, got, "session_token"), "")
	d.must(403, "POST", "/auth/password", "Bearer "+d.key, `{"current_password":"x","new_password":"y"}`) // case A4
}

// A login into a cookie sets it as it must be, keeps the token out of the body, and is
// refused to pages of other origins. Logging out ends it. case S14, S16, S17
func TestCookie(t *testing.T) {
	d := newMailDesk(t)
	_, owner := d.joins("acct_1", "owner")
	d.person(owner, "ann@example.com", "editor")
	body := `{"email":"ann@example.com","password":"` + goodPassword + `","cookie":true}`
	if got := d.must(403, "POST", "/auth/login", "", body, "Sec-Fetch-Site", "cross-site"); got.code() != "cross_origin" || len(got.header["Set-Cookie"]) > 0 {
		t.Errorf("cross-site: got %s", got.body)
	}
	got := d.must(200, "POST", "/auth/login", "", body)
	cookies := (&http.Response{Header: got.header}).Cookies()
	if strings.Contains(got.body, "session_token") || len(cookies) != 2 {
		t.Fatalf("got %s and %v, want the session and the device in cookies", got.body, cookies)
	}
	for _, c := range cookies {
		if !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || !strings.HasPrefix(c.Name, "__Host-") {
			t.Errorf("got %v", c)
		}
	}
	send := func(method, path, site string) answer {
		r := httptest.NewRequest(method, "/v1"+path, nil)
		for _, c := range cookies {
			r.AddCookie(c)
		}
		r.Header.Set("Sec-Fetch-Site", site)
		return d.serve(r)
	}
	if got := send("GET", "/whoami", "same-origin"); got.status != 200 || got.header.Get("Cache-Control") != "private, no-store" {
		t.Errorf("got %d %v, want 200 that is not cached", got.status, got.header)
	}
	if got := send("POST", "/auth/logout", "cross-site"); got.status != 403 {
		t.Errorf("logged out by another site: got %d, want 403", got.status)
	}
	if got := send("POST", "/auth/logout", "same-origin"); got.status != 204 || !strings.Contains(got.header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("got %d %v, want the cookie cleared", got.status, got.header)
	}
	if got := send("GET", "/whoami", "same-origin"); got.status != 401 || len(got.header["Set-Cookie"]) > 0 {
		t.Errorf("logged out: got %d %v, want 401 and the cookie left alone", got.status, got.header)
	}
	if got := send("POST", "/auth/logout", "same-origin"); got.status != 204 {
		t.Errorf("logged out twice: got %d, want 204", got.status)
	}
}

// Failed logins tell nothing, and are limited. case S19, S25
func TestLoginFails(t *testing.T) {
	d := newMailDesk(t)
	_, owner := d.joins("acct_1", "owner")
	d.person(owner, "ann@example.com", "editor")
	wrong := d.must(401, "POST", "/auth/login", "", `{"email":"ann@example.com","password":"wrong"}`)
	nobody := d.must(401, "POST", "/auth/login", "", `{"email":"bob@example.com","password":"wrong"}`)
	if wrong.body != nobody.body || wrong.code() != "login_failed" {
		t.Errorf("got %s and %s, want the same", wrong.body, nobody.body)
	}
	for range 4 {
		d.must(401, "POST", "/auth/login", "", `{"email":"ann@example.com","password":"wrong"}`)
	}
	if got := d.must(429, "POST", "/auth/login", "", `{"email":"ann@example.com","password":"`+goodPassword+`"}`); got.header.Get("Retry-After") == "" {
		t.Error("got no Retry-After")
	}
}

// With a login of its own the application has no routes of passwords and teams here, and
// without mail they say what to do.
func TestWithoutMail(t *testing.T) {
	own := newDesk(t, ownLogin)
	_, auth := own.joins("acct_1", "owner")
	for _, path := range []string{"/auth/login", "/auth/logout", "/auth/reset", "/auth/accept", "/auth/password", "/team"} {
		own.must(404, "POST", path, auth, "{}")
	}
	d := newDesk(t)
	_, owner := d.joins("acct_1", "owner")
	for _, tt := range []struct{ path, auth, body string }{
		{"/team", owner, `{"email":"ann@example.com","role":"viewer"}`},
		{"/auth/reset", "", `{"email":"ann@example.com"}`},
	} {
		if got := d.must(501, "POST", tt.path, tt.auth, tt.body); got.code() != "no_mail" || !strings.Contains(got.body, "ask its operator") {
			t.Errorf("got %s, want what to do", got.body)
		}
	}
}

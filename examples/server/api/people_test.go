package api

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/authn/password"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

const secret = "seven wet otters juggle" // of everybody in these tests

// login returns the token of a new session.
func (p *process) login(email, password string, header ...string) string {
	p.t.Helper()
	a := p.do("POST", "/v1/auth/login", "", credentialsBody(email, password), header...)
	token := text(a.body, "session_token")
	if a.status != 200 || token == "" {
		p.t.Fatalf("login: %d %s", a.status, a.body)
	}
	return token
}

func credentialsBody(email, password string) string {
	b, _ := json.Marshal(map[string]string{"email": email, "password": password})
	return string(b)
}

// text returns a member of a JSON object, or of one within, "" where there is
// none.
func text(body string, path ...string) string {
	var v any
	json.Unmarshal([]byte(body), &v)
	for _, name := range path {
		object, _ := v.(map[string]any)
		v = object[name]
	}
	s, _ := v.(string)
	return s
}

// hashedSecret is what the store holds of secret, made once.
var hashedSecret = sync.OnceValue(func() string {
	hasher, err := password.New(password.Config{})
	if err != nil {
		panic(err)
	}
	hash, err := hasher.Hash(context.Background(), secret)
	if err != nil {
		panic(err)
	}
	return hash
})

// person makes a member of acct_1 with the password that all have.
func (c *clocked) person(email, role string) store.User {
	c.t.Helper()
	return c.personOf("acct_1", email, role)
}

func (c *clocked) personOf(account, email, role string) store.User {
	c.t.Helper()
	user := store.User{ID: keyfmt.NewID("user_", c.now), Email: login.Email(email), Password: hashedSecret(), Created: c.now}
	err := c.Users().Create(context.Background(), user)
	if err == nil {
		err = c.Memberships().Put(context.Background(), store.Membership{User: user.ID, Account: account, Role: role, Created: c.now})
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return user
}

// do sends a request to the handler. The pseudo-header "From" is the address
// of the client.
func (c *clocked) do(method, path, body string, header ...string) answer {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "From" {
			r.RemoteAddr = header[i+1] + ":1234"
			continue
		}
		r.Header.Add(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	c.handler.ServeHTTP(rec, r)
	return answer{rec.Code, rec.Header(), strings.TrimSpace(rec.Body.String())}
}

func (c *clocked) login(email, password string, header ...string) answer {
	return c.do("POST", "/v1/auth/login", credentialsBody(email, password), header...)
}

// session returns the Authorization header of a new session.
func (c *clocked) session(email string) string {
	c.t.Helper()
	a := c.login(email, secret)
	if a.status != 200 {
		c.t.Fatalf("login: %d %s", a.status, a.body)
	}
	return "Session " + text(a.body, "session_token")
}

// Logging in and out, with the bytes of seed 001.
func TestLogin(t *testing.T) {
	p := start(t, t.TempDir())
	a := p.do("POST", "/v1/auth/login", "", credentialsBody(p.Email, p.Password))
	form := regexp.MustCompile(`^\{"session_token":"sess_[0-9A-Za-z]{29}","expires_at":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"\}$`)
	if a.status != 200 || !form.MatchString(a.body) || a.header.Get("Cache-Control") != "private, no-store" {
		t.Fatalf("%d %s %v", a.status, a.body, a.header)
	}
	session := "Session " + text(a.body, "session_token")
	if a := p.get("/v1/projects", "", "Authorization", session); a.status != 200 || !strings.Contains(a.body, "Study A (live)") {
		t.Errorf("projects: %d %s", a.status, a.body)
	}
	if a := p.get("/v1/projects", "", "Authorization", session, "X-Environment", "test"); !strings.Contains(a.body, "Study A (test)") {
		t.Errorf("projects of test: %d %s", a.status, a.body)
	}
	for range 2 { // case S14
		if a := p.do("POST", "/v1/auth/logout", "", "", "Authorization", session); a.status != 204 || a.body != "" {
			t.Errorf("logout: %d %s", a.status, a.body)
		}
	}
	if a := p.get("/v1/projects", "", "Authorization", session); a.status != 401 || a.body != endedSession {
		t.Errorf("after the logout: %d %s", a.status, a.body)
	}
}

// While a leaked key has burnt the plan, its owner can still log in and out.
func TestLoginBeyondThePlan(t *testing.T) {
	c := newClocked(t, "enterprise", "1-D")
	c.person("o@example.com", roleOwner)
	if first, second := c.get(), c.get(); first.Code != 200 || second.Code != 429 {
		t.Fatalf("the key: %d, %d", first.Code, second.Code)
	}
	session := c.session("o@example.com")
	for _, tt := range []struct {
		path   string
		status int
	}{{"/v1/projects", 429}, {"/v1/auth/sessions", 200}, {"/v1/team", 200}} {
		if a := c.do("GET", tt.path, "", "Authorization", session); a.status != tt.status {
			t.Errorf("%s: %d %s", tt.path, a.status, a.body)
		}
	}
	if a := c.do("POST", "/v1/auth/logout", "", "Authorization", session); a.status != 204 {
		t.Errorf("logout: %d", a.status)
	}
}

// case S19: a login that fails gets the same answer, whatever the reason.
func TestLoginTellsNothing(t *testing.T) {
	c := newClocked(t, "standard", "")
	ctx := context.Background()
	c.person("o@example.com", roleOwner)
	suspended := c.person("s@example.com", roleViewer)
	if err := c.Users().SetStatus(ctx, suspended.ID, authz.Suspended); err != nil {
		t.Fatal(err)
	}
	if err := c.Users().Create(ctx, store.User{ID: "user_none", Email: "invited@example.com"}); err != nil { // without a password
		t.Fatal(err)
	}
	first := c.login("o@example.com", "another password")
	if first.status != 401 || first.body != loginFailed {
		t.Fatalf("wrong password: %d %s", first.status, first.body)
	}
	for _, tt := range []struct {
		name string
		a    answer
	}{
		{"unknown", c.login("nobody@example.com", secret)},
		{"without password", c.login("invited@example.com", "")},
		{"suspended", c.login("s@example.com", "another password")},
		{"no email", c.login("", secret)},
		{"odd email", c.login("o@example.com\x00", secret)},
		{"long password", c.login("o@example.com", strings.Repeat("x", 10_000))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			first.header.Del("X-Request-Id")
			tt.a.header.Del("X-Request-Id")
			if diff := cmp.Diff(first, tt.a, cmp.AllowUnexported(answer{})); diff != "" {
				t.Errorf("%s differs from a wrong password (-want +got):\n%s", tt.name, diff)
			}
		})
	}
	a := c.login("s@example.com", secret)
	if a.status != 403 || a.body != nested403 || a.header.Get("X-Denied-Reason") != "account_suspended" {
		t.Errorf("suspended, right password: %d %s", a.status, a.body)
	}
	for name, header := range a.header {
		if name == "Set-Cookie" {
			t.Errorf("a suspended user gets %v", header)
		}
	}
	if a := c.do("POST", "/v1/auth/login", `{"email":"o@example.com","password":"`+secret+`","account":"acct_2"}`); a.status != 403 || a.header.Get("X-Denied-Reason") != "not_a_member" {
		t.Errorf("another account: %d %s", a.status, a.body)
	}
	if a := c.do("POST", "/v1/auth/login", `{"email":"o@example.com","password":"`+secret+`","role":"owner"}`); a.status != 400 {
		t.Errorf("an unknown field: %d %s", a.status, a.body)
	}
}

// case S25: the sixth failure from one source is 429, also for an unknown user.
// Many at once get no further.
func TestGuessing(t *testing.T) {
	c := newClocked(t, "standard", "")
	c.person("o@example.com", roleOwner)
	for i, email := range []string{"o@example.com", "nobody@example.com"} {
		from := fmt.Sprintf("203.0.113.%d", i)
		for range 5 {
			if a := c.login(email, "wrong", "From", from); a.status != 401 {
				t.Fatalf("%s: %d %s", email, a.status, a.body)
			}
		}
		a := c.login(email, secret, "From", from)
		retry, _ := strconv.Atoi(a.header.Get("Retry-After"))
		if want := fmt.Sprintf(`{"error":{"code":"TOO_MANY_FAILURES","message":"Too many failed attempts. Retry after %d seconds.","retry_after":%[1]d}}`, retry); a.status != 429 || retry < 1 || a.body != want {
			t.Errorf("%s, the sixth: %d, Retry-After %d, %s", email, a.status, retry, a.body)
		}
		began := c.now
		c.now = c.now.Add(time.Duration(retry-1) * time.Second)
		if a := c.login(email, secret, "From", from); a.status != 429 {
			t.Errorf("%s, a second too soon: %d", email, a.status)
		}
		c.now = c.now.Add(time.Second)
		if a := c.login(email, secret, "From", from); a.status == 429 {
			t.Errorf("%s, after %ds: %d", email, retry, a.status)
		}
		c.now = began
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := map[int]int{}
	for range 50 {
		wg.Go(func() {
			a := c.login("o@example.com", "wrong", "From", "198.51.100.7")
			mu.Lock()
			defer mu.Unlock()
			seen[a.status]++
		})
	}
	wg.Wait()
	if seen[401] < 1 || seen[401] > 5 || seen[401]+seen[429] != 50 {
		t.Errorf("50 guesses at once: %v, want 5 verified at most and the others 429", seen)
	}
}

// case S26: failures from a thousand addresses lock out others who guess, and not
// the device that the owner has logged in from.
func TestKnownDevice(t *testing.T) {
	c := newClocked(t, "standard", "")
	c.person("o@example.com", roleOwner)
	a := c.login("o@example.com", secret)
	device := cookieOf(t, a, "__Host-device")
	if device.Value == "" || !device.HttpOnly || !device.Secure || device.SameSite != http.SameSiteLaxMode || device.MaxAge != 365*86400 || device.Domain != "" {
		t.Errorf("the device's cookie: %v", device)
	}
	verified := 0
	for i := range 1000 {
		if a := c.login("o@example.com", "wrong", "From", fmt.Sprintf("198.18.%d.%d", i/250, i%250)); a.status == 401 {
			verified++
		}
	}
	if verified != 100 {
		t.Errorf("%d guesses from a thousand addresses were verified, want 100", verified)
	}
	if a := c.login("o@example.com", secret, "From", "192.0.2.200"); a.status != 429 {
		t.Errorf("an unknown device: %d", a.status)
	}
	if a := c.login("o@example.com", secret, "Cookie", "__Host-device"+"="+device.Value, "From", "192.0.2.201"); a.status != 200 {
		t.Errorf("the owner's device: %d %s", a.status, a.body)
	}
	if a := c.login("o@example.com", secret, "Cookie", "__Host-device"+"="+device.Value+"x"); a.status != 429 {
		t.Errorf("a device that is made up: %d", a.status)
	}
}

// case S20: a hundred logins at once with a gate of 2 stay under 256 MiB, and
// each ends in 200, 401, 429 or 503. The gate is half the processors. What the
// race detector needs is not the program's: it is built without.
func TestHundredLogins(t *testing.T) {
	t.Setenv("GOMAXPROCS", "4")
	dir := t.TempDir()
	p := startUnraced(t, dir, "--trusted-proxies", "127.0.0.1")
	answers := make([]answer, 100)
	began := time.Now()
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			email := fmt.Sprintf("nobody%d@example.com", i)
			if i%2 == 0 {
				email = p.Email
			}
			answers[i] = p.do("POST", "/v1/auth/login", "", credentialsBody(email, p.Password), "X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i))
		})
	}
	wg.Wait()
	took, peak := time.Since(began), highWater(t, p.cmd.Process.Pid)
	seen := map[int]int{}
	for _, a := range answers {
		seen[a.status]++
		if !slices.Contains([]int{200, 401, 429, 503}, a.status) || a.status == 503 && a.header.Get("Retry-After") == "" {
			t.Errorf("%d %s, Retry-After %q", a.status, a.body, a.header.Get("Retry-After"))
		}
	}
	t.Logf("100 logins in %v: %v, VmHWM %d KiB", took.Round(time.Millisecond), seen, peak)
	if seen[200] == 0 || seen[401] == 0 || peak > 256<<10 {
		t.Errorf("%v, VmHWM %d KiB", seen, peak)
	}
	p.login(p.Email, p.Password)
}

// highWater is the most memory that a process has had, in KiB.
func highWater(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	kib, err := strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib
}

// case S12: a new password ends the other sessions and gives the caller's a
// new token; and nothing else does as proof but the present one.
func TestChangePassword(t *testing.T) {
	c := newClocked(t, "standard", "")
	c.person("o@example.com", roleOwner)
	mine, other := c.session("o@example.com"), c.session("o@example.com")
	change := func(auth, current, next string) answer {
		b, _ := json.Marshal(map[string]string{"current_password": current, "new_password": next})
		return c.do("POST", "/v1/auth/password", string(b), "Authorization", auth)
	}
	const next = "nine dry badgers whistle"
	if a := change(mine, "wrong", next); a.status != 400 || !strings.Contains(a.body, "WRONG_PASSWORD") {
		t.Errorf("wrong password: %d %s", a.status, a.body)
	}
	for _, tt := range []struct{ weak, code string }{ // case S24
		{strings.Repeat("xy ", 4) + "zz", "PASSWORD_TOO_SHORT"},
		{strings.Repeat("ab3", 86), "PASSWORD_TOO_LONG"},
		{"medtwin tollgate medtwin", "PASSWORD_GUESSABLE"},
		{"example.com2026!", "PASSWORD_GUESSABLE"}, // the user's own address
	} {
		if a := change(mine, secret, tt.weak); a.status != 400 || !strings.Contains(a.body, tt.code) {
			t.Errorf("%q: %d %s, want %s", tt.weak, a.status, a.body, tt.code)
		}
	}
	if a := change("Bearer "+c.key, secret, next); a.status != 403 || a.body != nested403 { // case A4
		t.Errorf("by a key: %d %s", a.status, a.body)
	}
	a := change(mine, secret, next)
	again := "Session " + text(a.body, "session_token")
	if a.status != 200 || a.header.Get("Cache-Control") != "private, no-store" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	for _, tt := range []struct {
		name, auth string
		status     int
	}{{"the new token", again, 200}, {"the old token", mine, 401}, {"another session", other, 401}} {
		t.Run(tt.name, func(t *testing.T) {
			if a := c.do("GET", "/v1/auth/sessions", "", "Authorization", tt.auth); a.status != tt.status {
				t.Errorf("%d, want %d", a.status, tt.status)
			}
		})
	}
	if a := c.login("o@example.com", secret); a.status != 401 {
		t.Errorf("the old password: %d", a.status)
	}
	if a := c.login("o@example.com", next); a.status != 200 {
		t.Errorf("the new password: %d", a.status)
	}
}

// case S13: lists of sessions have no token or digest, and another user's
// session is as missing.
func TestSessions(t *testing.T) {
	c := newClocked(t, "standard", "")
	c.person("o@example.com", roleOwner)
	c.person("v@example.com", roleViewer)
	first := c.login("o@example.com", secret, "User-Agent", "Firefox", "From", "203.0.113.9")
	c.now = c.now.Add(time.Hour)
	mine := c.session("o@example.com")
	theirs := c.session("v@example.com")
	a := c.do("GET", "/v1/auth/sessions", "", "Authorization", mine)
	var list struct {
		Data []map[string]any
		Next string
	}
	if err := json.Unmarshal([]byte(a.body), &list); err != nil || a.status != 200 || len(list.Data) != 2 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	for _, hidden := range []string{text(first.body, "session_token"), mine[8:], "token", "digest", "sess_"} {
		if strings.Contains(a.body, hidden) {
			t.Errorf("the list shows %q: %s", hidden, a.body)
		}
	}
	want := map[string]any{
		"id": list.Data[1]["id"], "account": "acct_1", "created_at": "2026-11-21T09:00:00Z", "last_seen_at": "2026-11-21T09:00:00Z",
		"expires_at": "2026-12-21T09:00:00Z", "address": "203.0.113.9", "agent": "Firefox", "current": false,
	}
	if diff := cmp.Diff(want, list.Data[1]); diff != "" || list.Data[0]["current"] != true {
		t.Errorf("%v\n-want +got:\n%s", list.Data[0], diff)
	}
	page := c.do("GET", "/v1/auth/sessions?limit=1", "", "Authorization", mine)
	if next := text(page.body, "next"); next != list.Data[0]["id"] {
		t.Errorf("the page of one: %s", page.body)
	} else if a := c.do("GET", "/v1/auth/sessions?limit=1&after="+next, "", "Authorization", mine); !strings.Contains(a.body, "Firefox") || text(a.body, "next") != "" {
		t.Errorf("the page after: %s", a.body)
	}
	id := list.Data[1]["id"].(string)
	missing := c.do("DELETE", "/v1/auth/sessions/ses_none", "", "Authorization", mine)
	foreign := c.do("DELETE", "/v1/auth/sessions/"+id, "", "Authorization", theirs)
	if missing.status != 404 || foreign.status != 404 || missing.body != foreign.body {
		t.Errorf("missing: %d %s; another's: %d %s", missing.status, missing.body, foreign.status, foreign.body)
	}
	if a := c.do("DELETE", "/v1/auth/sessions/"+id, "", "Authorization", mine); a.status != 204 {
		t.Errorf("one's own: %d %s", a.status, a.body)
	}
	if a := c.do("GET", "/v1/auth/sessions", "", "Authorization", "Session "+text(first.body, "session_token")); a.status != 401 {
		t.Errorf("the session that was ended: %d", a.status)
	}
	another := c.session("o@example.com")
	if a := c.do("POST", "/v1/auth/sessions/revoke-others", "", "Authorization", mine); a.status != 200 || a.body != `{"revoked":1}` {
		t.Errorf("others: %d %s", a.status, a.body)
	}
	if a := c.do("POST", "/v1/auth/sessions/revoke-all", "", "Authorization", another); a.status != 401 {
		t.Errorf("the other: %d", a.status)
	}
	if a := c.do("POST", "/v1/auth/sessions/revoke-all", "", "Authorization", mine); a.status != 204 {
		t.Errorf("all: %d %s", a.status, a.body)
	}
	if mine, theirs := c.do("GET", "/v1/auth/sessions", "", "Authorization", mine), c.do("GET", "/v1/auth/sessions", "", "Authorization", theirs); mine.status != 401 || theirs.status != 200 {
		t.Errorf("after all: %d, another user's %d", mine.status, theirs.status)
	}
	for _, path := range []string{"GET /v1/auth/sessions", "DELETE /v1/auth/sessions/" + id, "POST /v1/auth/sessions/revoke-others", "POST /v1/auth/sessions/revoke-all"} {
		method, path, _ := strings.Cut(path, " ")
		if a := c.do(method, path, "", "Authorization", "Bearer "+c.key); a.status != 403 || a.body != nested403 || a.header.Get("X-Denied-Reason") != "person_required" {
			t.Errorf("%s %s by a key: %d %s", method, path, a.status, a.body)
		}
	}
}

// case A10: a member of a suspended account still sees and ends their sessions.
// Nothing else works for them until the account is unsuspended.
func TestSuspended(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	session := p.login(p.Email, p.Password)
	statuses := func(status int) func(answer) bool { return func(a answer) bool { return a.status == status } }
	console(t, dir, "accounts", "suspend", p.AccountID)
	if a := p.within(time.Second, "/v1/projects", session, statuses(403)); a.status != 403 || a.header.Get("X-Denied-Reason") != "account_suspended" {
		t.Errorf("a second after the suspension: %d %s", a.status, a.body)
	}
	got := map[string]int{}
	for _, path := range []string{"/v1/whoami", "/v1/auth/sessions", "/v1/team", "/v1/rubrics"} {
		got[path] = p.get(path, session).status
	}
	if want := map[string]int{"/v1/whoami": 200, "/v1/auth/sessions": 200, "/v1/team": 403, "/v1/rubrics": 403}; !maps.Equal(got, want) {
		t.Errorf("suspended: %v, want %v", got, want)
	}
	another := p.login(p.Email, p.Password) // to revoke what has leaked
	console(t, dir, "accounts", "unsuspend", p.AccountID)
	if a := p.within(time.Second, "/v1/projects", another, statuses(200)); a.status != 200 {
		t.Errorf("a second after: %d %s", a.status, a.body)
	}
}

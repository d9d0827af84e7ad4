package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

const (
	operatorEmail = "operator@example.com"
	wantsAccess   = `{"organization":"Charité","use_case":"Trial matching","expected_volume":"5,000 a day","email":"Ada@Example.org","name":"Ada"}`
)

// member reads a text out of a JSON answer.
func (a answer) member(t *testing.T, name string) string {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%v: %d %s", err, a.status, a.body)
	}
	text, ok := v[name].(string)
	if !ok {
		t.Fatalf("no %s in %d %s", name, a.status, a.body)
	}
	return text
}

// list reads the page of a JSON answer.
func (a answer) list(t *testing.T) (data []map[string]any, next string) {
	t.Helper()
	var v struct {
		Data []map[string]any
		Next string
	}
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || a.status != 200 {
		t.Fatalf("%v: %d %s", err, a.status, a.body)
	}
	return v.Data, v.Next
}

// call is do with the token of a key or session.
func (c *clocked) call(method, path, token, body string) answer {
	if token == "" {
		return c.do(method, path, body)
	}
	return c.do(method, path, body, "Authorization", "Bearer "+token)
}

// enter returns the token of a new session.
func (c *clocked) enter(email string) string {
	c.t.Helper()
	return c.login(email, secret).member(c.t, "session_token")
}

// operator makes an operator and returns the token of their session.
func (c *clocked) operator() string {
	c.t.Helper()
	err := c.Accounts().Create(context.Background(), store.Account{ID: operators, Created: c.now})
	if err != nil && !errors.Is(err, store.ErrConflict) {
		c.t.Fatal(err)
	}
	c.personOf(operators, operatorEmail, roleOperator)
	return c.enter(operatorEmail)
}

// owner makes an owner of acct_1 and returns the token of their session.
func (c *clocked) owner() string {
	c.t.Helper()
	return c.enter(c.person("owner@example.com", roleOwner).Email)
}

// keyIn issues a key as the operator does.
func (c *clocked) keyIn(account string, permissions ...string) string {
	c.t.Helper()
	grant := c.everything()
	grant.Permissions = authz.Of(permissions...)
	_, token, err := c.keys.Issue(context.Background(), authn.Operator(account), apikey.Spec{Name: "k", Environment: live, Grant: grant}, c.now)
	if err != nil {
		c.t.Fatal(err)
	}
	return token.Reveal()
}

// fillRequests has so many wait.
func (c *clocked) fillRequests(n int) {
	c.t.Helper()
	if _, err := c.db.Exec(c.t.Context(), `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
		INSERT INTO tollgate_server.access_requests (id, organization, use_case, expected_volume, email, name, created)
		SELECT 'req_' || i, '', '', '', '', '', 0 FROM n`, n); err != nil {
		c.t.Fatal(err)
	}
}

// bothWays is how a request for access is decided.
var bothWays = []struct{ name, body string }{{"/approve", `{}`}, {"/reject", `{"reason":"x"}`}}

// asked is the id of a request for access that has been made.
func (c *clocked) asked() string {
	c.t.Helper()
	return c.call("POST", "/v1/access-requests", "", wantsAccess).member(c.t, "id")
}

// What a stranger asks is kept whole, and nothing that is not asked as
// documented.
func TestAskForAccess(t *testing.T) {
	c := newClocked(t, "standard", "")
	operator := c.operator()
	for _, tt := range []struct {
		body   string
		status int
	}{
		{wantsAccess, 202},
		{`{"organization":"A","use_case":"B\nB","expected_volume":"C","email":"a@b.c"}`, 202},
		{`{"use_case":"B","expected_volume":"C","email":"a@b.c"}`, 400},
		{`{"organization":" ","use_case":"B","expected_volume":"C","email":"a@b.c"}`, 400},
		{`{"organization":"A","use_case":"B","expected_volume":"C"}`, 400},
		{`{"organization":"A","use_case":"B","expected_volume":"C","email":"a@b.c,d@b.c"}`, 400},
		{`{"organization":"A","use_case":"B","expected_volume":"C","email":"a@b@b.c"}`, 400},
		{`{"organization":"A","use_case":"B","expected_volume":"C","email":"A <a@b.c>"}`, 400},
		{`{"organization":"A","use_case":"B","expected_volume":"C","email":"nobody"}`, 400},
		{`{"organization":"A","use_case":"B","expected_volume":1,"email":"a@b.c"}`, 400},
		{`{"organization":"A","use_case":"B","expected_volume":"C","email":"a@b.c","plan":"enterprise"}`, 400}, // case A6
		{`{"organization":"\u001b[2J","use_case":"B","expected_volume":"C","email":"a@b.c"}`, 400},
		{`{"organization":"A\nB","use_case":"B","expected_volume":"C","email":"a@b.c"}`, 400},
		{`{"organization":"\u202e","use_case":"B","expected_volume":"C","email":"a@b.c"}`, 400},
		{`{"organization":"` + strings.Repeat("x", 201) + `","use_case":"B","expected_volume":"C","email":"a@b.c"}`, 400},
		{`{"organization":"A","use_case":"B","expected_volume":"C","email":"a@b.c","email":"d@e.f"}`, 400},
		{`{"organization":"A","use_case":"` + strings.Repeat("x", 70_000) + `","expected_volume":"C","email":"a@b.c"}`, 413},
	} {
		if a := c.call("POST", "/v1/access-requests", "", tt.body); a.status != tt.status {
			t.Errorf("%.100s: %d %s, want %d", tt.body, a.status, a.body, tt.status)
		}
	}
	data, next := c.call("GET", "/v1/operator/access-requests?status=pending&limit=1", operator, "").list(t)
	more, last := c.call("GET", "/v1/operator/access-requests?after="+next, operator, "").list(t)
	if data = append(data, more...); len(data) != 2 || last != "" {
		t.Fatalf("%d requests: %v", len(data), data)
	}
	for _, q := range data {
		if q["organization"] == "Charité" && (q["email"] != "ada@example.org" || q["use_case"] != "Trial matching" ||
			q["expected_volume"] != "5,000 a day" || q["name"] != "Ada" || q["created_at"] != "2026-11-21T09:00:00Z") {
			t.Errorf("%v", q)
		}
	}
	if data, _ := c.call("GET", "/v1/operator/access-requests?status=approved", operator, "").list(t); len(data) != 0 {
		t.Errorf("approved: %v", data)
	}
	if a := c.call("GET", "/v1/operator/access-requests?status=x", operator, ""); a.status != 400 {
		t.Errorf("another status: %d", a.status)
	}
}

// Five an hour and address; and however many addresses there are, no more than
// can be kept.
func TestAskingIsBounded(t *testing.T) {
	c := newClocked(t, "standard", "")
	for i := range 5 {
		if a := c.call("POST", "/v1/access-requests", "", wantsAccess); a.status != 202 {
			t.Fatalf("request %d: %d %s", i+1, a.status, a.body)
		}
	}
	a := c.call("POST", "/v1/access-requests", "", wantsAccess)
	wait, err := strconv.Atoi(a.header.Get("Retry-After"))
	if a.status != 429 || err != nil || wait < 1 || wait > 3600+3600/16 {
		t.Fatalf("the sixth: %d, Retry-After %q", a.status, a.header.Get("Retry-After"))
	}
	c.now = c.now.Add(time.Duration(wait-1) * time.Second)
	if a := c.call("POST", "/v1/access-requests", "", wantsAccess); a.status != 429 {
		t.Errorf("a second before Retry-After: %d", a.status)
	}
	c.now = c.now.Add(time.Second)
	if a := c.call("POST", "/v1/access-requests", "", wantsAccess); a.status != 202 {
		t.Errorf("at Retry-After: %d", a.status)
	}
	c.fillRequests(maxPending - 6)
	c.now = c.now.Add(2 * time.Hour)
	if a := c.call("POST", "/v1/access-requests", "", wantsAccess); a.status != 503 || a.header.Get("Retry-After") == "" || !strings.Contains(a.body, supportContact) {
		t.Errorf("beyond what is kept: %d %s", a.status, a.body)
	}
}

// Seed 000: after approval there is a key, its limits, and an address to write
// to. The person who asked can log in.
func TestApprove(t *testing.T) {
	c := newClocked(t, "standard", "")
	operator, id := c.operator(), c.asked()
	path := "/v1/operator/access-requests/" + id
	for _, tt := range []struct {
		body   string
		status int
	}{
		{`{"plan":"gold"}`, 400},
		{`{"limits":"many"}`, 400},
		{`{"environment":"staging"}`, 400},
		{`{"permissions":[]}`, 400},
		{`{"permissions":["read","operate"]}`, 400}, // case A2: nobody is given what runs the service
		{`{"account":"acct_1"}`, 400},               // case A6
		{`{"plan":"standard","Plan":"free"}`, 400},
		{`{"plan":"standard"} {"plan":"free"}`, 400},
	} {
		if a := c.call("POST", path+"/approve", operator, tt.body); a.status != tt.status {
			t.Errorf("%s: %d %s", tt.body, a.status, a.body)
		}
	}
	a := c.call("POST", path+"/approve", operator, `{"plan":"standard","permissions":["read","admin"]}`)
	if a.status != 200 || a.header.Get("Cache-Control") != "private, no-store" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	const limits = `"limits":[{"name":"minute","quota":60,"window_seconds":60},{"name":"day","quota":10000,"window_seconds":86400}],"support_contact":"api-access@medtwin.ai"`
	if !strings.Contains(a.body, `"plan":"standard",`+limits) {
		t.Errorf("%s", a.body)
	}
	key, account := a.member(t, "key"), a.member(t, "account_id")
	who := c.call("GET", "/v1/whoami", key, "")
	if who.status != 200 || !strings.Contains(who.body, account) || !strings.HasPrefix(key, "mt_live_") {
		t.Errorf("the key: %d %s", who.status, who.body)
	}
	if a := c.call("POST", "/v1/projects", key, `{"name":"P"}`); a.status != 403 {
		t.Errorf("the key may write: %d", a.status)
	}
	accept := fmt.Sprintf(`{"token":%q,"password":%q}`, a.member(t, "invitation"), secret)
	if a := c.call("POST", "/v1/auth/accept", "", accept); a.status != 204 {
		t.Fatalf("the invitation: %d %s", a.status, a.body)
	}
	session := c.enter("ada@example.org")
	if a := c.call("GET", "/v1/audit-log", session, ""); a.status != 200 || strings.Contains(a.body, key) ||
		!strings.Contains(a.body, "account.created") || !strings.Contains(a.body, "member.invited") || !strings.Contains(a.body, "member.added") || !strings.Contains(a.body, "key.created") {
		t.Errorf("the owner's audit log: %d %s", a.status, a.body)
	}
	for _, tt := range bothWays {
		if a := c.call("POST", path+tt.name, operator, tt.body); a.status != 409 {
			t.Errorf("%s again: %d %s", tt.name, a.status, a.body)
		}
	}
	for _, nothing := range []string{"req_0", "acct_1"} {
		if a := c.call("POST", "/v1/operator/access-requests/"+nothing+"/approve", operator, `{}`); a.status != 404 {
			t.Errorf("%s: %d %s", nothing, a.status, a.body)
		}
	}

	// A known person is invited to one more account, and keeps their password.
	second := c.call("POST", "/v1/operator/access-requests/"+c.asked()+"/approve", operator, `{"environment":"test"}`)
	if second.status != 200 || !strings.HasPrefix(second.member(t, "key"), "mt_test_") {
		t.Fatalf("%d %s", second.status, second.body)
	}
	login := fmt.Sprintf(`{"email":"ada@example.org","password":%q,"account":%q}`, secret, second.member(t, "account_id"))
	if a := c.call("POST", "/v1/auth/login", "", login); a.status != 403 {
		t.Errorf("before accepting: got %d %s, want 403", a.status, a.body)
	}
	if a := c.call("POST", "/v1/auth/accept", "", fmt.Sprintf(`{"token":%q}`, second.member(t, "invitation"))); a.status != 204 {
		t.Fatalf("the second invitation: %d %s", a.status, a.body)
	}
	if a := c.call("POST", "/v1/auth/login", "", login); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestReject(t *testing.T) {
	c := newClocked(t, "standard", "")
	operator, id := c.operator(), c.asked()
	path := "/v1/operator/access-requests/" + id
	for _, tt := range []struct {
		body   string
		status int
	}{{`{}`, 400}, {`{"reason":""}`, 400}, {`{"reason":"\u0007"}`, 400}, {`{"why":"x"}`, 400}} {
		if a := c.call("POST", path+"/reject", operator, tt.body); a.status != tt.status {
			t.Errorf("%s: %d %s", tt.body, a.status, a.body)
		}
	}
	if a := c.call("POST", path+"/reject", operator, `{"reason":"no such organisation"}`); a.status != 204 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := c.call("POST", path+"/approve", operator, `{}`); a.status != 409 {
		t.Errorf("approved after that: %d %s", a.status, a.body)
	}
	data, _ := c.call("GET", "/v1/operator/access-requests?status=rejected", operator, "").list(t)
	if len(data) != 1 || data[0]["reason"] != "no such organisation" || !strings.HasPrefix(fmt.Sprint(data[0]["decided_by"]), "user_") {
		t.Errorf("%v", data)
	}
	if a := c.call("GET", "/v1/operator/audit-log", operator, ""); !strings.Contains(a.body, "access_request.created") ||
		!strings.Contains(a.body, "access_request.rejected") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// Of many approvals at once one makes an account, an owner and a key; the
// others make nothing.
func TestApproveOnce(t *testing.T) {
	c := newClocked(t, "standard", "")
	operator, id := c.operator(), c.asked()
	var group sync.WaitGroup
	answers := make([]answer, 20)
	for i := range answers {
		group.Go(func() {
			answers[i] = c.call("POST", "/v1/operator/access-requests/"+id+"/approve", operator, `{}`)
		})
	}
	group.Wait()
	count := map[int]int{}
	var done answer
	for _, a := range answers {
		if count[a.status]++; a.status == 200 {
			done = a
		}
	}
	if count[200] != 1 || count[409] != 19 {
		t.Fatalf("%v", count)
	}
	if a := c.call("GET", "/v1/whoami", done.member(t, "key"), ""); a.status != 200 {
		t.Errorf("the key: %d %s", a.status, a.body)
	}
	if keys, err := c.KeyAdmin().List(t.Context(), done.member(t, "account_id"), "", 10); err != nil || len(keys) != 1 {
		t.Errorf("%v, %d keys", err, len(keys))
	}
	accounts, err := c.Accounts().List(t.Context(), "", 10)
	if err != nil || len(accounts) != 3 { // with acct_1 and the operators'
		t.Errorf("%v, %d accounts", err, len(accounts))
	}
}

// An approval that died half-way keeps others out for a minute. Then it is done
// again, in the same account, and what it made the first time is void.
func TestApproveAfterCrash(t *testing.T) {
	c := newClocked(t, "standard", "")
	operator, id := c.operator(), c.asked()
	died, err := c.requests.claim(t.Context(), id, c.now)
	if err != nil {
		t.Fatal(err)
	}
	if err := (accessDesk{c.server}).makeAccount(t.Context(), died, terms{Plan: "free"}, c.now); err != nil {
		t.Fatal(err)
	}
	lost := c.keyIn(died.Account, read)
	path := "/v1/operator/access-requests/" + id
	for _, tt := range bothWays {
		if a := c.call("POST", path+tt.name, operator, tt.body); a.status != 409 {
			t.Errorf("%s while it may be under way: %d %s", tt.name, a.status, a.body)
		}
	}
	c.now = c.now.Add(claimed)
	a := c.call("POST", path+"/approve", operator, `{"plan":"standard"}`)
	if a.status != 200 || a.member(t, "account_id") != died.Account {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if account, err := c.Accounts().Get(t.Context(), died.Account); err != nil || account.Plan != "standard" {
		t.Errorf("%v, %+v", err, account)
	}
	if a := c.call("GET", "/v1/whoami", lost, ""); a.status != 401 {
		t.Errorf("the key that nobody was shown: %d", a.status)
	}
	// A late approval finds that it has lost the claim, and undoes its part.
	if err := c.requests.approved(t.Context(), id, "user_1", c.now.Add(-claimed), c.now); err != errDecided {
		t.Errorf("the first approval ended with %v", err)
	}
}

// What an approval has left that failed is closed by rejecting.
func TestRejectAfterFailure(t *testing.T) {
	c := newClocked(t, "standard", "")
	operator, id := c.operator(), c.asked()
	path := "/v1/operator/access-requests/" + id
	q, err := c.requests.claim(t.Context(), id, c.now)
	if err == nil {
		err = accessDesk{c.server}.makeAccount(t.Context(), q, terms{Plan: "free"}, c.now)
	}
	if err == nil {
		err = c.requests.release(t.Context(), id, c.now)
	}
	if err != nil {
		t.Fatal(err)
	}
	if a := c.call("POST", path+"/reject", operator, `{"reason":"x"}`); a.status != 204 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	data, _ := c.call("GET", "/v1/operator/access-requests?status=rejected", operator, "").list(t)
	account, err := c.Accounts().Get(t.Context(), fmt.Sprint(data[0]["account_id"]))
	if err != nil || account.Status.String() != "suspended" {
		t.Errorf("%v, %+v", err, account)
	}
}

// The same on the command line, beside a server: what the operator does there
// is written down and holds in the server.
func TestRequestsConsole(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	asked := p.do("POST", "/v1/access-requests", "", wantsAccess).member(t, "id")
	refused := p.do("POST", "/v1/access-requests", "", wantsAccess).member(t, "id")
	if out := console(t, dir, "requests", "list"); !strings.Contains(out, asked) || !strings.Contains(out, `"Charité"`) || !strings.Contains(out, `"Trial matching"`) {
		t.Errorf("%s", out)
	}
	out := console(t, dir, "requests", "approve", asked, "--plan", "enterprise", "--limits", "7-M", "--permissions", "read")
	fields := map[string]string{}
	for line := range strings.Lines(out) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			fields[name] = strings.TrimSpace(value)
		}
	}
	if fields["plan"] != "enterprise" || fields["limit"] != "7 per minute" || fields["support"] != supportContact || fields["invitation"] == "" {
		t.Errorf("%s", out)
	}
	if a := p.get("/v1/rubrics", fields["key"]); a.status != 200 || a.header.Get("X-RateLimit-Limit") != "7" {
		t.Errorf("%d %s", a.status, a.body)
	}
	console(t, dir, "requests", "reject", refused, "--reason", "twice")
	for _, args := range [][]string{{"approve", asked}, {"reject", asked, "--reason", "x"}, {"reject", refused}, {"approve", "req_0"}, {"list", "--status", "x"}} {
		if out, err := program(t, dir, append([]string{"requests"}, args...)...).CombinedOutput(); err == nil {
			t.Errorf("%v: %s", args, out)
		}
	}
	if out := console(t, dir, "requests", "list", "--status", "all"); !strings.Contains(out, "approved") || !strings.Contains(out, "rejected") || strings.Contains(out, "pending") {
		t.Errorf("%s", out)
	}

	id, key := makeKey(t, dir, "--account", fields["account"])
	console(t, dir, "keys", "rotate", id, "--grace", "1h")
	console(t, dir, "keys", "revoke", id, "--reason", "old")
	console(t, dir, "accounts", "plan", fields["account"], "--plan", "standard", "--limits", "none")
	console(t, dir, "accounts", "suspend", fields["account"])
	p.within(5*time.Second, "/v1/rubrics", fields["key"], func(a answer) bool { return a.status == 403 })
	console(t, dir, "accounts", "unsuspend", fields["account"])
	if a := p.within(5*time.Second, "/v1/rubrics", fields["key"], func(a answer) bool { return a.status == 200 }); a.status != 200 { // case A10
		t.Errorf("unsuspended: %d %s", a.status, a.body)
	}
	operator := p.login(p.OperatorEmail, p.OperatorPassword)
	events, _ := p.get("/v1/operator/audit-log?account="+fields["account"], operator).list(t)
	var kinds []string
	for _, e := range events {
		if kinds = append(kinds, fmt.Sprint(e["kind"])); e["actor"] != "operator" {
			t.Errorf("%v", e)
		}
	}
	slices.Sort(kinds) // within a millisecond their order is of no account
	want := "account.created account.plan_changed account.suspended account.unsuspended key.created key.created key.revoked key.rotated member.invited"
	if got := strings.Join(kinds, " "); got != want {
		t.Errorf("events: %s\nwant:   %s", got, want)
	}
	p.stop()
	if strings.Contains(p.logs.String(), key[8:]) || strings.Contains(p.logs.String(), fields["key"][8:]) {
		t.Error("a key is in the log")
	}
}

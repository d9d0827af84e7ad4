package api

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The life of a customer over HTTP, on the real program: access is requested
// and approved, the key is used, a scoped one is made, refused elsewhere,
// rotated and revoked, a leaked one burns the plan while its owner logs in and
// ends it, the account is suspended and comes back, and its owner logs out
// everywhere. All of it survives a restart.
func TestStory(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	must := func(status int, a answer) answer {
		t.Helper()
		if a.status != status {
			t.Fatalf("%d %s, want %d\n%s", a.status, a.body, status, p.logs)
		}
		return a
	}
	must401 := func(body string, a answer) {
		t.Helper()
		if must(401, a).body != body {
			t.Errorf("401: %s, want %s", a.body, body)
		}
	}

	// Request access, approve it.
	asked := must(202, p.do("POST", "/v1/access-requests", "", `{"organization":"Charité","use_case":"Trial matching",
		"expected_volume":"5,000 a day","email":"ada@example.org","name":"Ada"}`)).member(t, "id")
	operator := p.login(p.OperatorEmail, p.OperatorPassword)
	approved := must(200, p.do("POST", "/v1/operator/access-requests/"+asked+"/approve", operator, `{"plan":"enterprise","limits":"1000-M, 100000-D"}`))
	account, key := approved.member(t, "account_id"), approved.member(t, "key")
	if got := approved.member(t, "support_contact"); got != "api-access@medtwin.ai" || !strings.Contains(approved.body, `"limits"`) {
		t.Errorf("approval: %s", approved.body)
	}
	must(409, p.do("POST", "/v1/operator/access-requests/"+asked+"/approve", operator, `{}`))

	// The key works.
	must(200, p.get("/v1/rubrics", key))
	a := must(201, p.do("POST", "/v1/projects", key, `{"name":"Study A"}`)).member(t, "id")
	b := must(201, p.do("POST", "/v1/projects", key, `{"name":"Study B"}`)).member(t, "id")

	// Its owner sets a password and logs in, exactly as seed 001 shows.
	const password = "seven wet otters juggle"
	invitation := fmt.Sprintf(`{"token":%q,"password":%q}`, approved.member(t, "invitation"), password)
	must(204, p.do("POST", "/v1/auth/accept", "", invitation))
	must(400, p.do("POST", "/v1/auth/accept", "", invitation))
	in := must(200, p.do("POST", "/v1/auth/login", "", fmt.Sprintf(`{"email": "ada@example.org", "password": %q}`, password)))
	if !regexp.MustCompile(`^\{"session_token":"sess_[0-9A-Za-z]{29}","expires_at":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"\}$`).MatchString(in.body) {
		t.Errorf("login: %s", in.body)
	}
	session := in.member(t, "session_token")
	as := func(method, path, body string) answer {
		return p.do(method, path, "", body, "Authorization", "Session "+session)
	}

	// A scoped key, refused elsewhere.
	made := must(201, as("POST", "/v1/api-keys", fmt.Sprintf(`{"name":"Study A Server","permissions":["read","write"],"scope":{"projects":[%q]}}`, a)))
	id, scoped := made.member(t, "id"), made.member(t, "key")
	must(200, p.get("/v1/projects/"+a, scoped))
	if refused := must(403, p.get("/v1/projects/"+b, scoped)); refused.body != nested403 || refused.header.Get("X-Denied-Reason") != "out_of_scope" {
		t.Errorf("another project: %s %s", refused.header.Get("X-Denied-Reason"), refused.body)
	}
	if missing := p.get("/v1/projects/proj_missing", scoped); missing.status != 403 || missing.body != nested403 {
		t.Errorf("a project that is not: %d %s", missing.status, missing.body)
	}
	must(403, p.get("/v1/api-keys", scoped)) // keys do not manage keys

	// Rotate: both work, the grace begins with the first use of the new one, and
	// ends.
	rotated := must(201, as("POST", "/v1/api-keys/"+id+"/rotate", `{"grace_seconds":1}`))
	next := rotated.member(t, "key")
	must(200, p.get("/v1/projects/"+a, scoped))
	must(200, p.get("/v1/projects/"+a, next))
	must401(nested401, p.within(5*time.Second, "/v1/projects/"+a, scoped, func(a answer) bool { return a.status == 401 }))
	must(200, p.get("/v1/projects/"+a, next))

	// Revoke: 401.
	must(204, as("DELETE", "/v1/api-keys/"+rotated.member(t, "id"), ""))
	must401(revokedKey, p.within(time.Second, "/v1/projects/"+a, next, func(a answer) bool { return a.status == 401 }))

	// A leaked key burns the plan. Its owner can still log in, see it and end it.
	must(200, p.do("PUT", "/v1/operator/accounts/"+account+"/plan", operator, `{"plan":"enterprise","limits":"20-M, 100-D"}`))
	burnt := p.within(10*time.Second, "/v1/rubrics", key, func(a answer) bool { return a.status == 429 })
	must(429, burnt)
	session = p.login("ada@example.org", password)
	keys, _ := must(200, as("GET", "/v1/api-keys", "")).list(t)
	var leaked string
	for _, k := range keys {
		if hint, _ := k["hint"].(string); strings.HasSuffix(hint, key[len(key)-4:]) {
			leaked, _ = k["id"].(string)
		}
	}
	must(204, as("DELETE", "/v1/api-keys/"+leaked, ""))
	if gone := p.within(time.Second, "/v1/rubrics", key, func(a answer) bool { return a.status == 401 }); gone.body != `{"error":"revoked","message":"The API key has been revoked or disabled."}` {
		t.Errorf("revoked: %d %s", gone.status, gone.body)
	}
	must(200, p.do("PUT", "/v1/operator/accounts/"+account+"/plan", operator, `{"plan":"enterprise","limits":"1000-M, 100000-D"}`))
	key = must(201, as("POST", "/v1/api-keys", `{"name":"Production Server","permissions":["read","write"]}`)).member(t, "key")
	must(200, p.get("/v1/projects", key))

	// Suspend: 403, and back.
	must(200, p.do("POST", "/v1/operator/accounts/"+account+"/suspend", operator, `{}`))
	suspended := p.within(time.Second, "/v1/projects", key, func(a answer) bool { return a.status == 403 })
	if must(403, suspended).body != nested403 || suspended.header.Get("X-Denied-Reason") != "account_suspended" {
		t.Errorf("suspended: %s %s", suspended.header.Get("X-Denied-Reason"), suspended.body)
	}
	must(200, p.do("POST", "/v1/operator/accounts/"+account+"/unsuspend", operator, `{}`))
	must(200, p.within(time.Second, "/v1/projects", key, func(a answer) bool { return a.status == 200 }))

	// Log out, here and everywhere.
	here := p.login("ada@example.org", password)
	for range 2 {
		must(204, p.do("POST", "/v1/auth/logout", "", "", "Authorization", "Session "+here))
	}
	must401(endedSession, p.get("/v1/projects", here))
	there := p.login("ada@example.org", password)
	must(204, as("POST", "/v1/auth/sessions/revoke-all", ""))
	must401(endedSession, as("GET", "/v1/projects", ""))
	must401(endedSession, p.get("/v1/projects", there))

	// What was ended stays so, what was not goes on.
	p.stop()
	p = start(t, dir)
	must401(endedSession, p.get("/v1/projects", there))
	must401(revokedKey, p.get("/v1/projects", next))
	must(200, p.get("/v1/projects", key))
	session = p.login("ada@example.org", password)
	must(200, as("GET", "/v1/projects/"+a, ""))
	events, _ := must(200, as("GET", "/v1/audit-log?limit=200", "")).list(t)
	var kinds []string
	for _, e := range events {
		kinds = append(kinds, fmt.Sprint(e["kind"]))
	}
	for _, want := range []string{"key.created", "key.rotated", "key.revoked", "session.started", "session.ended", "account.suspended", "account.unsuspended"} {
		if !strings.Contains(strings.Join(kinds, " "), want) {
			t.Errorf("the audit log has no %s: %v", want, kinds)
		}
	}
}

package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate/store"
)

// case A2: what runs the service is for operators alone, in person, and what
// changes something asks for a fresh proof of who they are.
func TestOperatorsOnly(t *testing.T) {
	c := newClocked(t, "standard", "")
	operator, owner := c.operator(), c.owner()
	keyOfOperators := c.keyIn(operators, operate)
	id := c.asked()
	for _, rt := range []struct {
		method, path, body string
		changes            bool
	}{
		{"GET", "/v1/operator/access-requests", "", false},
		{"GET", "/v1/operator/accounts", "", false},
		{"GET", "/v1/operator/audit-log?account=acct_1", "", false},
		{"POST", "/v1/operator/access-requests/" + id + "/approve", `{}`, true},
		{"POST", "/v1/operator/access-requests/" + id + "/reject", `{"reason":"x"}`, true},
		{"POST", "/v1/operator/accounts/acct_1/suspend", "", true},
		{"POST", "/v1/operator/accounts/acct_1/unsuspend", "", true},
		{"PUT", "/v1/operator/accounts/acct_1/plan", `{"plan":"enterprise"}`, true},
	} {
		for _, tt := range []struct{ who, token string }{{"owner", owner}, {"key", c.key}} {
			if a := c.call(rt.method, rt.path, tt.token, rt.body); a.status != 403 || a.body != nested403 || a.header.Get("X-Required-Permission") != operate {
				t.Errorf("%s %s by the %s of a customer: %d %s", rt.method, rt.path, tt.who, a.status, a.body)
			}
		}
		if a := c.call(rt.method, rt.path, "", rt.body); a.status != 401 {
			t.Errorf("%s %s by nobody: %d", rt.method, rt.path, a.status)
		}
		if a := c.call(rt.method, rt.path, keyOfOperators, rt.body); a.status != 403 && a.status != 401 {
			t.Errorf("%s %s by a key: %d", rt.method, rt.path, a.status)
		}
		c.now = c.now.Add(time.Hour + time.Second)
		a := c.call(rt.method, rt.path, operator, rt.body)
		if rt.changes && (a.status != 401 || !strings.Contains(a.header.Get("WWW-Authenticate"), "insufficient_user_authentication")) {
			t.Errorf("%s %s an hour after the login: %d %s", rt.method, rt.path, a.status, a.header.Get("WWW-Authenticate"))
		}
		if !rt.changes && a.status != 200 {
			t.Errorf("%s %s: %d %s", rt.method, rt.path, a.status, a.body)
		}
		operator = c.enter(operatorEmail)
	}
	if a, err := c.Accounts().Get(t.Context(), "acct_1"); err != nil || a.Plan != "standard" || a.Status.String() != "active" {
		t.Errorf("%v, %+v", err, a)
	}
	if a := c.call("POST", "/v1/operator/accounts/"+operators+"/suspend", operator, ""); a.status != 409 {
		t.Errorf("the operators shut themselves out: %d %s", a.status, a.body)
	}
}

// case A10: of a suspended account everything is 403, but what it needs to see
// where it stands; unsuspending restores it, within the bound.
func TestSuspend(t *testing.T) {
	c := newClocked(t, "standard", "")
	operator, owner := c.operator(), c.owner()
	ask := func(token, path string) answer { return c.call("GET", path, token, "") }
	for _, path := range []string{"/v1/rubrics", "/v1/projects"} {
		if a := ask(c.key, path); a.status != 200 {
			t.Fatalf("%s: %d %s", path, a.status, a.body)
		}
	}
	for range 2 { // the second time it is so already
		if a := c.call("POST", "/v1/operator/accounts/acct_1/suspend", operator, ""); a.status != 200 || a.member(t, "status") != "suspended" {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	c.now = c.now.Add(c.keys.MaxRevocationDelay())
	for _, tt := range []struct {
		token string
		paths []string
	}{
		{c.key, []string{"/v1/rubrics", "/v1/projects", "/v1/audit-log"}},
		{owner, []string{"/v1/rubrics", "/v1/audit-log", "/v1/webhooks", "/v1/team"}},
	} {
		for _, path := range tt.paths {
			if a := ask(tt.token, path); a.status != 403 || a.header.Get("X-Denied-Reason") != "account_suspended" {
				t.Errorf("%s: %d %s", path, a.status, a.header.Get("X-Denied-Reason"))
			}
		}
		if a := ask(tt.token, "/v1/whoami"); a.status != 200 {
			t.Errorf("whoami: %d", a.status)
		}
	}
	if a := ask(owner, "/v1/billing"); a.status != 200 {
		t.Errorf("billing: %d", a.status)
	}
	if a := c.call("POST", "/v1/operator/accounts/acct_1/unsuspend", operator, ""); a.status != 200 || a.member(t, "status") != "active" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	c.now = c.now.Add(c.keys.MaxRevocationDelay())
	for _, path := range []string{"/v1/rubrics", "/v1/projects"} {
		if a := ask(c.key, path); a.status != 200 {
			t.Errorf("afterwards, %s: %d %s", path, a.status, a.body)
		}
	}
	events, _ := c.call("GET", "/v1/audit-log", owner, "").list(t)
	var kinds []string
	for _, e := range events {
		if kind := fmt.Sprint(e["kind"]); strings.HasPrefix(kind, "account.") {
			kinds = append(kinds, kind)
		}
	}
	if got := strings.Join(kinds, " "); got != "account.unsuspended account.suspended" {
		t.Errorf("the log, newest first: %s", got)
	}
}

func TestAccountPlan(t *testing.T) {
	c := newClocked(t, "free", "")
	operator := c.operator()
	for _, tt := range []struct {
		body   string
		status int
	}{{`{}`, 400}, {`{"plan":"gold"}`, 400}, {`{"plan":"free","limits":"x"}`, 400}} {
		if a := c.call("PUT", "/v1/operator/accounts/acct_1/plan", operator, tt.body); a.status != tt.status {
			t.Errorf("%s: %d %s", tt.body, a.status, a.body)
		}
	}
	if a := c.call("PUT", "/v1/operator/accounts/acct_0/plan", operator, `{"plan":"free"}`); a.status != 404 {
		t.Errorf("an account that there is not: %d", a.status)
	}
	a := c.call("PUT", "/v1/operator/accounts/acct_1/plan", operator, `{"plan":"enterprise","limits":"7-M"}`)
	if a.status != 200 || a.member(t, "limits") != "7-M" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	c.now = c.now.Add(c.keys.MaxRevocationDelay())
	if a := c.call("GET", "/v1/rubrics", c.key, ""); a.header.Get("X-RateLimit-Limit") != "7" {
		t.Errorf("%d, X-RateLimit-Limit %q", a.status, a.header.Get("X-RateLimit-Limit"))
	}
	data, next := c.call("GET", "/v1/operator/accounts?limit=1", operator, "").list(t)
	if len(data) != 1 || data[0]["id"] != "acct_1" || data[0]["plan"] != "enterprise" || next != "acct_1" {
		t.Errorf("%v, next %q", data, next)
	}
}

// case A15: out of scope is 403 whether or not the thing exists; what is
// missing and what is another account's are 404, by the same bytes.
func TestMissingOrForeign(t *testing.T) {
	c := newClocked(t, "standard", "")
	operator, owner := c.operator(), c.owner()
	other := c.call("POST", "/v1/operator/access-requests/"+c.asked()+"/approve", operator, `{"permissions":["read","write","admin"]}`).member(t, "key")
	mine := c.call("POST", "/v1/projects", c.key, `{"name":"mine"}`).member(t, "id")
	hidden := c.call("POST", "/v1/projects", c.key, `{"name":"hidden"}`).member(t, "id")
	foreign := c.call("POST", "/v1/projects", other, `{"name":"foreign"}`).member(t, "id")
	made := c.call("POST", "/v1/api-keys", owner, `{"name":"scoped","permissions":["read"],"scope":{"projects":["`+mine+`"]}}`)
	scoped := made.member(t, "key")
	if a := c.call("GET", "/v1/projects/"+mine, scoped, ""); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	for _, id := range []string{hidden, foreign, "proj_none"} {
		if a := c.call("GET", "/v1/projects/"+id, scoped, ""); a.status != 403 || a.body != nested403 || a.header.Get("X-Denied-Reason") != "out_of_scope" {
			t.Errorf("out of scope, %s: %d %s", id, a.status, a.body)
		}
	}
	missing := c.call("GET", "/v1/projects/proj_none", c.key, "")
	if missing.status != 404 {
		t.Fatalf("%d %s", missing.status, missing.body)
	}
	hook, _, err := c.hooks.Add(t.Context(), operators, "https://hooks.example.com/", nil, c.now)
	if err != nil {
		t.Fatal(err)
	}
	for _, rt := range [][3]string{
		{"GET", "/v1/projects/" + foreign, c.key},
		{"GET", "/v1/projects/" + foreign + "/data", c.key},
		{"DELETE", "/v1/projects/" + foreign, c.key},
		{"DELETE", "/v1/webhooks/" + hook.ID, owner},
		{"DELETE", "/v1/webhooks/whk_none", owner},
		{"DELETE", "/v1/api-keys/key_none", owner},
		{"POST", "/v1/operator/accounts/acct_none/suspend", operator},
		{"GET", "/v1/nowhere", owner},
	} {
		if a := c.call(rt[0], rt[1], rt[2], ""); a.status != 404 || a.body != missing.body || a.header.Get("Content-Type") != missing.header.Get("Content-Type") {
			t.Errorf("%s %s: %d %s", rt[0], rt[1], a.status, a.body)
		}
	}
}

// case T1: the audit log of an account is its own, has no key in it though
// people wrote some into it, and cannot be read by what is for tests.
func TestAuditLog(t *testing.T) {
	c := newClocked(t, "standard", "")
	operator, owner := c.operator(), c.owner()
	made := c.call("POST", "/v1/api-keys", owner, `{"name":"ci","permissions":["read","admin"],"environment":"test"}`)
	id, key := made.member(t, "id"), made.member(t, "key")
	if a := c.call("GET", "/v1/audit-log", key, ""); a.status != 403 || a.header.Get("X-Denied-Reason") != "environment_not_allowed" {
		t.Errorf("by a test key: %d %s", a.status, a.header.Get("X-Denied-Reason"))
	}
	reason := strings.NewReplacer("+", "%2B", " ", "%20").Replace("found " + key + " and " + owner + " in a log")
	if a := c.call("DELETE", "/v1/api-keys/"+id+"?reason="+reason, owner, ""); a.status != 204 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	c.now = c.now.Add(time.Second)
	c.gate.Record(t.Context(), store.Event{Account: "acct_1", Actor: "user_1", Kind: "key.revoked", Subject: id, Note: "again " + key})
	all, _ := c.call("GET", "/v1/audit-log", c.key, "").list(t)
	if len(all) < 4 || all[0]["note"] != "again mt_test_…" {
		t.Fatalf("%v", all)
	}
	if text := fmt.Sprint(all); strings.Contains(text, key[8:]) || strings.Contains(text, owner[5:]) || strings.Contains(text, c.key[8:]) {
		t.Errorf("there is a secret in it: %s", text)
	}
	var paged []map[string]any
	for after := ""; ; {
		data, next := c.call("GET", "/v1/audit-log?limit=1&after="+after, owner, "").list(t)
		if paged = append(paged, data...); next == "" {
			break
		}
		after = next
	}
	if fmt.Sprint(paged) != fmt.Sprint(all) {
		t.Errorf("by pages: %v", paged)
	}
	if theirs, _ := c.call("GET", "/v1/operator/audit-log", operator, "").list(t); strings.Contains(fmt.Sprint(theirs), id) {
		t.Errorf("in the operator's own log: %v", theirs)
	}
	if a := c.call("GET", "/v1/operator/audit-log?account=acct_1", operator, ""); !strings.Contains(a.body, id) {
		t.Errorf("of the account, for the operator: %s", a.body)
	}
	if a := c.call("GET", "/v1/audit-log", c.enter(c.person("viewer@example.com", roleViewer).Email), ""); a.status != http.StatusForbidden {
		t.Errorf("by a viewer: %d", a.status)
	}
}

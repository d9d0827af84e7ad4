package api

import "testing"

// What belongs to the account as a whole is closed to test keys, whatever they
// may do, and open to people who look at test data. case A19
func TestAccountIsClosedToTestKeys(t *testing.T) {
	d := newDesk(t)
	_, owner := d.joins("acct_1", roleOwner)
	tester := d.makes(owner, `{"name":"k","permissions":["read","write","delete","admin"],"environment":"test","service":true}`)
	liver := d.makes(owner, `{"name":"k","permissions":["read","write","delete","admin"],"service":true}`)
	for _, c := range []struct {
		method, path string
		ofLive       int // what a live key gets
	}{
		{"GET", "/v1/team", 200},
		{"POST", "/v1/team", 403}, // it is no person
		{"PATCH", "/v1/team/user_x", 403},
		{"DELETE", "/v1/team/user_x", 403},
		{"GET", "/v1/webhooks", 200},
		{"POST", "/v1/webhooks", 403},
		{"DELETE", "/v1/webhooks/whk_x", 403},
		{"GET", "/v1/audit-log", 200},
		{"GET", "/v1/billing", 200},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			a := d.do(c.method, c.path, "Bearer "+tester.Key, "")
			if got := a.header.Get("X-Denied-Reason"); a.status != 403 || got != "environment_not_allowed" {
				t.Errorf("a test key: got %d %q, want 403 environment_not_allowed", a.status, got)
			}
			if a := d.do(c.method, c.path, "Bearer "+liver.Key, ""); a.status != c.ofLive {
				t.Errorf("a live key: got %d, want %d", a.status, c.ofLive)
			}
			if c.method == "GET" {
				if a := d.do(c.method, c.path, owner, "", "X-Environment", test); a.status != 200 {
					t.Errorf("a person who looks at test data: got %d, want 200", a.status)
				}
			}
		})
	}
}

// What costs nothing of the plan, and what was denied, have one budget for all
// keys of an account and environment, and one for each person. case L4, case L30
func TestFreeAndDeniedBudgets(t *testing.T) {
	d := newDesk(t, func(c *config) { c.limits = nil })
	_, owner := d.joins("acct_1", roleOwner)
	first := d.makes(owner, seedCreate)
	rotated := keyIn(t, d.must(201, "POST", "/v1/api-keys/"+first.ID+"/rotate", owner, ""))
	another := d.makes(owner, seedCreate)
	tester := d.makes(owner, `{"name":"k","permissions":["read"],"environment":"test"}`)
	for _, path := range []string{"/v1/whoami", "/v1/team"} { // free; denied
		spent := 0
		for d.do("GET", path, "Bearer "+first.Key, "").status != 429 {
			if spent++; spent > 1000 {
				t.Fatalf("%s is not limited", path)
			}
		}
		if spent < 30 {
			t.Errorf("%s: %d requests before 429, want about 60", path, spent)
		}
		for _, c := range []struct {
			name, auth string
			limited    bool
		}{
			{"the successor", "Bearer " + rotated.Key, true},
			{"a new key", "Bearer " + another.Key, true},
			{"a key of the other environment", "Bearer " + tester.Key, false},
			{"the owner", owner, false},
		} {
			t.Run(path+" by "+c.name, func(t *testing.T) {
				if a := d.do("GET", path, c.auth, ""); (a.status == 429) != c.limited {
					t.Errorf("got %d, want limited: %v", a.status, c.limited)
				}
			})
		}
	}
}

package api

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// Failures behind the address of an owner, or with a key of the owner's account,
// do not lock the owner out.
func TestOwnerUnderSiege(t *testing.T) {
	c := newClocked(t, "standard", "")
	owner := c.person("o@example.com", roleOwner)
	for range 25 { // the address is burnt
		c.do("GET", "/v1/projects", "", "From", "198.51.100.7", "Authorization", "Bearer mt_live_wrong")
	}
	if a := c.do("GET", "/v1/projects", "", "From", "198.51.100.7", "Authorization", "Bearer mt_live_wrong"); a.status != 429 {
		t.Fatalf("the address: %d", a.status)
	}
	in := c.login(owner.Email, secret, "From", "198.51.100.7")
	session := text(in.body, "session_token")
	if a := c.do("GET", "/v1/api-keys", "", "From", "198.51.100.7", "Authorization", "Session "+session); a.status != 200 {
		t.Errorf("after logging in from there: %d %s", a.status, a.body)
	}
	readOnly := c.keyIn("acct_1", read)
	for range 70 { // denials of the account's keys are held back
		c.call("POST", "/v1/projects", readOnly, `{"name":"x"}`)
	}
	if a := c.call("POST", "/v1/projects", readOnly, `{"name":"x"}`); a.status != 429 {
		t.Fatalf("the key's denials: %d", a.status)
	}
	if a := c.do("GET", "/v1/operator/accounts", "", "Authorization", "Session "+session); a.status != 403 {
		t.Errorf("the owner is not told why: %d %s", a.status, a.body)
	}
}

// case K19: on the command line too, an expiry that is none is an error.
func TestConsoleExpiry(t *testing.T) {
	dir := t.TempDir()
	start(t, dir)
	for _, expires := range []string{"0001-01-01T00:00:00Z", "2020-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "soon", "-1h"} {
		out, err := program(t, dir, "keys", "create", "--name", "test", "--expires", expires).CombinedOutput()
		if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || strings.Contains(string(out), "mt_live_") {
			t.Errorf("--expires %s: %v\n%s", expires, err, out)
		}
	}
}

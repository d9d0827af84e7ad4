package api

import "testing"

// Tokens that nobody has cost a look-up each, at the log-out too: of one address
// as many as may fail anywhere. Sessions that are known pass all the same.
func TestLogoutIsBounded(t *testing.T) {
	c := newClocked(t, "standard", "")
	c.person("o@example.com", roleOwner)
	session := c.session("o@example.com")
	logout := func(auth, from string) int {
		return c.do("POST", "/v1/auth/logout", "", "Authorization", auth, "From", from).status
	}
	got := map[int]int{}
	for range 30 {
		got[logout("Session "+c.session0(), "198.51.100.1")]++
	}
	if got[204] != 20 || got[429] != 10 {
		t.Errorf("30 tokens that nobody has: got %v, want 20 of 204 and 10 of 429", got)
	}
	if got := logout("Session "+c.session0(), "198.51.100.2"); got != 204 {
		t.Errorf("from elsewhere: got %d, want 204", got)
	}
	if got := logout(session, "198.51.100.1"); got != 204 {
		t.Errorf("a session that is known: got %d, want 204", got)
	}
}

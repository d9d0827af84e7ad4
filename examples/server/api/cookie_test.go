package api

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// cookiesSet returns the Set-Cookie lines of an answer, sorted, with their
// values left out.
func cookiesSet(t *testing.T, a answer) []string {
	t.Helper()
	var lines []string
	for _, line := range a.header["Set-Cookie"] {
		name, rest, _ := strings.Cut(line, "=")
		value, attributes, _ := strings.Cut(rest, ";")
		if value != "" {
			value = "…"
		}
		lines = append(lines, name+"="+value+";"+attributes)
	}
	slices.Sort(lines)
	return lines
}

// case S16: every cookie that the server sets, and by what it sets it, to the
// last attribute; none has a Domain, and nothing else sets one.
func TestCookieAttributes(t *testing.T) {
	const (
		begin  = "; Path=/; Expires=Mon, 21 Dec 2026 09:00:00 GMT; Max-Age=2592000; HttpOnly; Secure; SameSite=Lax"
		end    = "; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; HttpOnly; Secure; SameSite=Lax"
		device = "; Path=/; Expires=Sun, 21 Nov 2027 09:00:00 GMT; Max-Age=31536000; HttpOnly; Secure; SameSite=Lax"
	)
	c := newClocked(t, "standard", "")
	c.person("o@example.com", roleOwner)
	login := strings.TrimSuffix(credentialsBody("o@example.com", secret), "}")
	header := c.session("o@example.com")
	cookie := c.cookie("o@example.com")
	changed := `{"current_password":"` + secret + `","new_password":"another good long secret"}`
	for _, tt := range []struct {
		name, path, body string
		header           []string
		status           int
		want             []string
	}{
		{"login", "/v1/auth/login", login + "}", nil, 200, []string{"__Host-device=…" + device}},
		{"login with a cookie", "/v1/auth/login", login + `,"cookie":true}`, nil, 200, []string{"__Host-device=…" + device, "__Host-sess=…" + begin}},
		{"failed login", "/v1/auth/login", credentialsBody("o@example.com", "wrong"), []string{"Cookie", cookie}, 401, nil},
		{"logout with a header", "/v1/auth/logout", "", []string{"Authorization", header}, 204, nil},
		{"change of password with a cookie", "/v1/auth/password", changed, []string{"Cookie", cookie}, 200, []string{"__Host-device=…" + device, "__Host-sess=…" + begin}},
		{"the cookie that ended by that", "/v1/auth/sessions/revoke-all", "", []string{"Cookie", cookie}, 401, nil},
		{"logout with a cookie", "/v1/auth/logout", "", []string{"Cookie", cookie}, 204, []string{"__Host-sess=" + end}},
		{"logout without", "/v1/auth/logout", "", nil, 204, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := c.do("POST", tt.path, tt.body, tt.header...)
			if diff := cmp.Diff(tt.want, cookiesSet(t, a)); diff != "" || a.status != tt.status {
				t.Errorf("%d %s, want %d; Set-Cookie (-want +got):\n%s", a.status, a.body, tt.status, diff)
			}
		})
	}
}

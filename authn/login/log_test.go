package login_test

import (
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/authz"
)

// case T11: the line of a failed login has the client's address, and the id of
// the user whose password was not given. What was typed is not in it.
func TestFailedLoginsAreLogged(t *testing.T) {
	var out strings.Builder
	d := newDesk(t, func(c *login.Config) { c.Logger = slog.New(slog.NewTextHandler(&out, nil)) })
	suspended := d.add("user_2", hashed(), authz.Suspended)
	for _, tt := range []struct {
		name, email, password, user string
	}{
		{"wrong password", annEmail, "typed", "user=" + ann + " "},
		{"nobody", "nobody@example.com", "typed", `user="" `},
		{"suspended", suspended, right, "user=user_2 "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out.Reset()
			_, err := d.try(tt.email, tt.password, from("203.0.113.9"))
			if err == nil {
				t.Fatal("logged in")
			}
			got := out.String()
			for _, want := range []string{`msg="login failed"`, "client=203.0.113.9 ", tt.user} {
				if !strings.Contains(got, want) {
					t.Errorf("got %q, want it to have %q", got, want)
				}
			}
			if strings.Contains(got, "typed") || strings.Contains(got, "@") {
				t.Errorf("got %q, which has what was typed", got)
			}
		})
	}
	t.Run("invitation", func(t *testing.T) {
		out.Reset()
		_, err := d.logins.Accept(t.Context(), "made.up", "whatever", netip.MustParseAddr("203.0.113.9"), d.now)
		if got := out.String(); err == nil || !strings.Contains(got, `msg="token not accepted"`) || !strings.Contains(got, "client=203.0.113.9 ") {
			t.Errorf("got %v and %q", err, got)
		}
	})
}

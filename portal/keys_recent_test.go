package portal_test

import (
	"strings"
	"testing"
	"time"
)

// Making, rotating and enabling a key asks for a recent login, by the answer of
// RFC 9470, and taking one away does not. case K25
func TestKeysTakeARecentLogin(t *testing.T) {
	desks(t, func(t *testing.T, d *desk) {
		_, owner := d.joins("acct_1", "owner")
		mine := d.makes(owner, seedCreate)
		service := d.makes(owner, `{"name":"k","permissions":["read"],"service":true}`)
		other := d.makes(owner, `{"name":"k","permissions":["read"],"service":true}`)
		const disable, enable = `{"enabled":false}`, `{"enabled":true}`
		for _, hours := range []int{1, 12} { // and one second: what is too old by then
			age := time.Duration(hours)*time.Hour + time.Second
			d.setNow(time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC).Add(age))
			for _, c := range []struct {
				name, method, path, body string
				bound                    int // in hours; 0: any age
				status                   int
			}{
				{"make", "POST", "/api-keys", seedCreate, 12, 201},
				{"make for the account", "POST", "/api-keys", `{"name":"k","permissions":["read"],"service":true}`, 1, 201},
				{"make an admin", "POST", "/api-keys", `{"name":"k","permissions":["admin"]}`, 1, 201},
				{"disable", "PATCH", "/api-keys/" + mine.ID, disable, 0, 200},
				{"enable", "PATCH", "/api-keys/" + mine.ID, enable, 12, 200},
				{"rotate the account's", "POST", "/api-keys/" + other.ID + "/rotate", "", 1, 201},
				{"disable the account's", "PATCH", "/api-keys/" + service.ID, disable, 0, 200},
				{"enable the account's", "PATCH", "/api-keys/" + service.ID, enable, 1, 200},
				{"make one an admin", "PATCH", "/api-keys/" + mine.ID, `{"permissions":["admin"]}`, 1, 200},
				{"list", "GET", "/api-keys", "", 0, 200},
			} {
				a := d.do(c.method, c.path, owner, c.body)
				if c.bound == 0 || c.bound > hours {
					if a.status != c.status {
						t.Errorf("%s after %v: got %d %s, want %d", c.name, age, a.status, a.body, c.status)
					}
					continue
				}
				challenge := a.header.Get("WWW-Authenticate")
				want := map[int]string{1: `max_age="3600"`, 12: `max_age="43200"`}[c.bound]
				if a.status != 401 || !strings.Contains(challenge, `error="insufficient_user_authentication"`) || !strings.Contains(challenge, want) {
					t.Errorf("%s after %v: got %d %q, want 401 with %s", c.name, age, a.status, challenge, want)
				}
			}
		}
		d.must(204, "DELETE", "/api-keys/"+mine.ID, owner, "")
	})
}

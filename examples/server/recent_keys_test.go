package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// Making, rotating and enabling a key asks for a recent login, by the answer of
// RFC 9470, and taking one away does not. case K25
func TestKeysTakeARecentLogin(t *testing.T) {
	d := newDesk(t)
	_, owner := d.joins("acct_1", roleOwner)
	mine := d.makes(owner, seedCreate)
	service := d.makes(owner, `{"name":"k","permissions":["read"],"service":true}`)
	other := d.makes(owner, `{"name":"k","permissions":["read"],"service":true}`)
	const disable, enable = `{"enabled":false}`, `{"enabled":true}`
	for _, hours := range []int{1, 12} { // and one second: what is too old by then
		age := time.Duration(hours)*time.Hour + time.Second
		d.now = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC).Add(age)
		for _, c := range []struct {
			name, method, path, body string
			bound                    int // in hours; 0: any age
			status                   int
		}{
			{"make", "POST", "/v1/api-keys", seedCreate, 12, 201},
			{"make for the account", "POST", "/v1/api-keys", `{"name":"k","permissions":["read"],"service":true}`, 1, 201},
			{"make an admin", "POST", "/v1/api-keys", `{"name":"k","permissions":["admin"]}`, 1, 201},
			{"disable", "PATCH", "/v1/api-keys/" + mine.ID, disable, 0, 200},
			{"enable", "PATCH", "/v1/api-keys/" + mine.ID, enable, 12, 200},
			{"rotate the account's", "POST", "/v1/api-keys/" + other.ID + "/rotate", "", 1, 201},
			{"disable the account's", "PATCH", "/v1/api-keys/" + service.ID, disable, 0, 200},
			{"enable the account's", "PATCH", "/v1/api-keys/" + service.ID, enable, 1, 200},
			{"make one an admin", "PATCH", "/v1/api-keys/" + mine.ID, `{"permissions":["admin"]}`, 1, 200},
			{"list", "GET", "/v1/api-keys", "", 0, 200},
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
	d.must(204, "DELETE", "/v1/api-keys/"+mine.ID, owner, "")
}

// A change of password tells how many keys the person has made lately, in all
// their accounts, and revokes them where it is asked to. case K25
func TestPasswordChangeRevokesRecentKeys(t *testing.T) {
	for _, c := range []struct {
		name, days string // of the request
		want       recentKeys
		live       []string
	}{
		{"count", "", recentKeys{Days: 30, Made: 4}, []string{"old", "lately", "service", "elsewhere", "another's", "viewed", "today"}},
		{"of a week", `,"revoke_keys_days":7`, recentKeys{Days: 7, Made: 3, Revoked: 3}, []string{"old", "another's", "viewed", "lately"}},
		{"of a month", `,"revoke_keys_days":31`, recentKeys{Days: 31, Made: 4, Revoked: 4}, []string{"old", "another's", "viewed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t)
			d.another("acct_2")
			user := d.person("ann@example.com", roleAdmin)
			_, colleague := d.joins("acct_1", roleOwner)
			keys := map[string]shownKey{}
			makes := func(name, auth, body string) { keys[name] = d.makes(auth, body) }
			later := func(by time.Duration) string { d.now = d.now.Add(by); return d.session("ann@example.com") }
			makes("another's", colleague, seedCreate)
			makes("old", later(time.Second), seedCreate)
			makes("lately", later(40*24*time.Hour), seedCreate)
			ann := later(20 * 24 * time.Hour)
			makes("today", ann, seedCreate)
			makes("service", ann, `{"name":"k","permissions":["read"],"service":true}`)
			ended := d.makes(ann, seedCreate)
			d.must(204, "DELETE", "/v1/api-keys/"+ended.ID, ann, "")
			d.becomes(user.ID, "acct_2", roleAdmin)
			there := "Session " + text(d.clocked.do("POST", "/v1/auth/login",
				`{"email":"ann@example.com","password":"`+secret+`","account":"acct_2"}`).body, "session_token")
			makes("elsewhere", there, `{"name":"k","permissions":["read"]}`)
			makes("viewed", there, `{"name":"k","permissions":["read"],"service":true}`)
			d.becomes(user.ID, "acct_2", roleViewer) // who may not revoke the account's own any more

			a := d.must(200, "POST", "/v1/auth/password", ann,
				`{"current_password":"`+secret+`","new_password":"nine dry badgers whistle"`+c.days+`}`)
			var got struct {
				Token string     `json:"session_token"`
				Keys  recentKeys `json:"recent_keys"`
			}
			if err := json.Unmarshal([]byte(a.body), &got); err != nil || got.Token == "" || got.Keys != c.want {
				t.Errorf("got %s, %v; want %+v", a.body, err, c.want)
			}
			live := map[string]bool{}
			for _, name := range c.live {
				live[name] = true
			}
			for name, key := range keys {
				if a := d.do("GET", "/v1/whoami", "Bearer "+key.Key, ""); (a.status == 200) != live[name] {
					t.Errorf("the key %q: got %d, want live: %v", name, a.status, live[name])
				}
			}
			events := 0
			for _, account := range []string{"acct_1", "acct_2"} {
				list, err := d.Events().List(t.Context(), account, "", 100)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range list {
					if e.Kind == "key.revoked" && e.Note == passwordChanged && e.Actor == user.ID {
						events++
					}
				}
			}
			if events != c.want.Revoked {
				t.Errorf("got %d events, want %d", events, c.want.Revoked)
			}
		})
	}
	d := newDesk(t)
	d.person("ann@example.com", roleAdmin)
	for _, days := range []string{"0", "-1", "366", `"7"`, "1.5"} {
		d.must(400, "POST", "/v1/auth/password", d.session("ann@example.com"),
			`{"current_password":"`+secret+`","new_password":"nine dry badgers whistle","revoke_keys_days":`+days+`}`)
	}
	if a := d.login("ann@example.com", secret); a.status != 200 {
		t.Errorf("after what was refused, the login: got %d, want 200", a.status)
	}
}

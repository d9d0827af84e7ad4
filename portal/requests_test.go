package portal_test

import (
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/portal"
)

// case T10: no route passes over a parameter, be it one that takes none.
func TestQueriesOfAllRoutes(t *testing.T) {
	desks(t, func(t *testing.T, d *desk) {
		_, owner := d.joins("acct_1", "owner")
		routes := 0
		for _, rt := range d.gate.Table() {
			method, path, _ := strings.Cut(strings.Replace(rt.Pattern, d.portal.Prefix, "", 1), " ")
			path = strings.NewReplacer("{id}", "key_1", "{user}", "user_1").Replace(path)
			if strings.HasPrefix(path, "/projects") || path == "/rubrics" {
				continue // of the application
			}
			routes++
			for _, c := range []struct{ query, code string }{
				{"verbose=1", "unknown_parameter"}, {"verbose=%zz", "unknown_parameter"}, {"limit=%zz", "_parameter"}, {"limit=5&limit=6", "_parameter"},
			} {
				t.Run(rt.Pattern+"?"+c.query, func(t *testing.T) {
					a := d.do(method, path+"?"+c.query, owner, "")
					name, _, _ := strings.Cut(c.query, "=")
					if a.status != 400 || !strings.Contains(a.code(), c.code) || !strings.Contains(a.body, name+": ") {
						t.Errorf("got %d %s, want 400 %s that names %s", a.status, a.body, c.code, name)
					}
				})
			}
		}
		if routes < 10 {
			t.Errorf("got %d routes of the portal, want 10 and more", routes)
		}
	})
}

// A request has a body if there is a byte of it, however its length is told.
func TestOptionalBody(t *testing.T) {
	d := newDesk(t)
	_, owner := d.joins("acct_1", "owner")
	for _, c := range []struct {
		name, body string
		length     int64
		media      string
		status     int
	}{
		{"none", "", 0, "", 201},
		{"none, with a type", "", 0, "application/json", 201},
		{"empty chunks", "", -1, "", 201},
		{"empty chunks with a type", "", -1, "text/plain", 201},
		{"chunks", `{"grace_seconds":0}`, -1, "application/json", 201},
		{"chunks of another type", `{"grace_seconds":0}`, -1, "text/plain", 415},
		{"chunks of nonsense", `{"grace_seconds":`, -1, "application/json", 400},
		{"an unknown field", `{"grace":0}`, 11, "application/json", 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			key := d.makes(owner, seedCreate)
			r := httptest.NewRequest("POST", "/v1/api-keys/"+key.ID+"/rotate", struct{ io.Reader }{strings.NewReader(c.body)})
			r.ContentLength = c.length
			r.Header.Set("Authorization", owner)
			if c.media != "" {
				r.Header.Set("Content-Type", c.media)
			}
			if a := d.serve(r); a.status != c.status {
				t.Errorf("got %d %s, want %d", a.status, a.body, c.status)
			}
		})
	}
}

// Every time that a caller sends is read by RFC 3339 to the letter. case K19
func TestTimesOfCallers(t *testing.T) {
	d := newDesk(t)
	_, owner := d.joins("acct_1", "owner")
	key := d.makes(owner, seedCreate)
	for _, text := range []string{"2027-01-31T1:00:00Z", "2027-01-31T01:00:00,5Z", "2027-01-31T01:00:00-24:00", "2027-01-31T01:00:00-00:60"} {
		for _, c := range []struct{ name, method, path, body, code string }{
			{"create", "POST", "/api-keys", `{"name":"k","permissions":["read"],"expires_at":"` + text + `"}`, "invalid_expiry"},
			{"update", "PATCH", "/api-keys/" + key.ID, `{"expires_at":"` + text + `"}`, "invalid_expiry"},
			{"revoke many", "POST", "/api-keys/revoke", `{"reason":"r","created_before":"` + text + `"}`, "invalid_time"},
			{"list", "GET", "/api-keys?expiring_before=" + text, "", "invalid_time"},
		} {
			t.Run(c.name+" "+text, func(t *testing.T) {
				if a := d.do(c.method, c.path, owner, c.body); a.status != 400 || a.code() != c.code {
					t.Errorf("got %d %s, want 400 %s", a.status, a.body, c.code)
				}
			})
		}
	}
}

// The sentences of errors have the words of the application, and say what is expected.
func TestWordsOfTheApplication(t *testing.T) {
	d := newDesk(t, func(d *desk) {
		d.config.Permissions, d.config.ReadOnly = []string{"notes:read", "notes:write"}, []string{"notes:read"}
		d.config.Environments, d.config.EnvironmentPlans, d.config.Resources = []string{"prod", "stage"}, nil, []string{"shelves"}
		d.projects = nil
		d.portal.Exists = nil
	}, withoutRoutes)
	_, owner := d.joins("acct_1", "owner")
	key := d.makes(owner, `{"name":"k","permissions":["notes:read"],"scope":{"shelves":["s1"]}}`)
	if key.Environment != "prod" || key.Key[:8] != "mt_prod_" {
		t.Errorf("got a key for %q, want the first environment", key.Environment)
	}
	for _, c := range []struct{ name, body, code, want string }{
		{"permission", `{"name":"k","permissions":["read"]}`, "invalid_permissions", "permissions must list one or more of notes:read or notes:write."},
		{"environment", `{"name":"k","permissions":["notes:read"],"environment":"live"}`, "unknown_environment", "environment must be prod or stage."},
		{"kind", `{"name":"k","permissions":["notes:read"],"scope":{"projects":["p"]}}`, "unknown_field", "scope.projects: there is no such field here; expected shelves or endpoints."},
		{"key for a kind", `{"name":"k","permissions":["notes:read"],"scope":{"` + key.Key + `":["p"]}}`, "unknown_field", "scope.(a name of other characters, or too long): there"},
		{"no kind", `{"name":"k","permissions":["notes:read"],"scope":{}}`, "invalid_scope", "scope must name shelves or endpoints, each with"},
		{"endpoint", `{"name":"k","permissions":["notes:read"],"scope":{"endpoints":["whoamy"]}}`, "unknown_endpoint", `did you mean \"whoami\"?`},
		{"endpoint of people", `{"name":"k","permissions":["notes:read"],"scope":{"endpoints":["api_keys.create"]}}`, "unknown_endpoint", "must list ids of endpoints"},
		{"addresses", `{"name":"k","permissions":["notes:read"],"addresses":["example.com"]}`, "invalid_addresses", "as in 192.0.2.1 or 10.0.0.0/8"},
		{"address with a zone", `{"name":"k","permissions":["notes:read"],"addresses":["fe80::1%eth0"]}`, "invalid_addresses", "as in 192.0.2.1 or 10.0.0.0/8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if a := d.do("POST", "/api-keys", owner, c.body); a.status != 400 || a.code() != c.code || !strings.Contains(a.body, c.want) {
				t.Errorf("got %d %s, want 400 %s: %s", a.status, a.body, c.code, c.want)
			}
		})
	}
}

// An error of Config.Exists is an outage, and nothing is made.
func TestExistsFails(t *testing.T) {
	d := newDesk(t)
	_, owner := d.joins("acct_1", "owner")
	d.broken = errors.New("the database is away")
	if a := d.do("POST", "/api-keys", owner, `{"name":"k","permissions":["read"],"scope":{"projects":["proj_abc123"]}}`); a.status != 503 || strings.Contains(a.body, "away") {
		t.Errorf("got %d %s, want 503 without the cause", a.status, a.body)
	}
	if !strings.Contains(d.log.String(), "the database is away") {
		t.Errorf("the log does not have the cause: %s", d.log.String())
	}
	if ids, _ := d.listed("/api-keys?owner=me", owner); len(ids) != 0 {
		t.Errorf("got keys %v, want none", ids)
	}
}

// Mistakes in the configuration are told together.
func TestDeclareMistakes(t *testing.T) {
	d := newDesk(t)
	for _, tt := range []struct {
		name string
		c    portal.Config
		want string
	}{
		{"no gate", portal.Config{}, "Config.Gate is required"},
		{"a slash too many", portal.Config{Gate: d.gate, Prefix: "/v1/"}, `Config.Prefix is "/v1/"`},
		{"a slash too few", portal.Config{Gate: d.gate, Prefix: "v1"}, `Config.Prefix is "v1"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := portal.Declare(tt.c); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	t.Run("endpoints is taken", func(t *testing.T) {
		c := d.config
		c.Resources = []string{"endpoints"}
		if err := portal.Declare(portal.Config{Gate: must(tollgate.New(c)), Prefix: "x"}); err == nil || !strings.Contains(err.Error(), `"endpoints"`) || !strings.Contains(err.Error(), "Prefix") {
			t.Errorf("got %v, want both mistakes", err)
		}
	})
	t.Run("declared twice", func(t *testing.T) {
		defer func() {
			if text := fmt.Sprint(recover()); !strings.Contains(text, "requests_test.go") && !strings.Contains(text, "desk_test.go") {
				t.Errorf("got %s, want the line of the application", text)
			}
		}()
		portal.Declare(portal.Config{Gate: d.gate})
	})
}

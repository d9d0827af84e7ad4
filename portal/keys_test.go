package portal_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/authz"
)

// The bodies of seed 001, as they stand there.
const (
	seedCreate = `{
    "name": "Production Server",
    "permissions": ["read", "write"]
  }`
	seedScoped = `{
  "name": "Study A Server",
  "permissions": ["read", "write"],
  "scope": {
    "projects": ["proj_abc123", "proj_def456"]
  }
}`
)

// The requests of seed 001: create with and without scope, list, rotate,
// revoke.
func TestSeedKeys(t *testing.T) {
	desks(t, func(t *testing.T, d *desk) {
		_, owner := d.joins("acct_1", "owner")
		made := d.must(201, "POST", "/api-keys", owner, seedCreate)
		key := keyIn(t, made)
		if !strings.HasPrefix(key.Key, "mt_live_") || len(key.Key) != len("mt_live_")+29 || made.header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("%v %s", made.header, made.body)
		}
		want := keyAnswer{
			ID: key.ID, Name: "Production Server", Key: key.Key, Hint: "mt_live_…" + key.Key[len(key.Key)-4:], Status: "active",
			Environment: "live", Permissions: authz.Of("read", "write"), Owner: key.Owner, CreatedBy: key.Owner, CreatedAt: "2026-11-21T09:00:00Z",
		}
		if diff := cmp.Diff(want, key); diff != "" || key.Owner == "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		scoped := d.makes(owner, seedScoped)
		if got := scoped.Scope["projects"].Items(); len(scoped.Scope) != 1 || !cmp.Equal(got, []string{"proj_abc123", "proj_def456"}) {
			t.Errorf("scope %v", scoped.Scope)
		}
		for _, c := range []struct {
			name, key, path string
			status          int
		}{
			{"whole account", key.Key, "/projects/proj_abc123", 200},
			{"scoped", scoped.Key, "/projects/proj_abc123", 200},
			{"scoped, missing", scoped.Key, "/projects/proj_none", 403},
			{"no right to manage", key.Key, "/audit-log", 403},
		} {
			if a := d.do("GET", c.path, "Bearer "+c.key, ""); a.status != c.status {
				t.Errorf("%s: %d %s", c.name, a.status, a.body)
			}
		}
		if ids, _ := d.listed("/api-keys", owner); !cmp.Equal(ids[:2], []string{scoped.ID, key.ID}) {
			t.Errorf("listed %v", ids)
		}
		next := keyIn(t, d.must(201, "POST", "/api-keys/"+key.ID+"/rotate", owner, ""))
		if next.Replaces != key.ID || next.Key == "" || next.Key == key.Key {
			t.Errorf("rotated into %+v", next)
		}
		d.must(204, "DELETE", "/api-keys/"+next.ID, owner, "")
		d.must(204, "DELETE", "/api-keys/"+next.ID, owner, "")
		if a := d.do("GET", "/projects", "Bearer "+next.Key, ""); a.status != 401 || a.code() != "revoked" {
			t.Errorf("revoked: %d %s", a.status, a.body)
		}
		events, err := d.config.Store.Events().List(t.Context(), "acct_1", "", 100)
		if err != nil {
			t.Fatal(err)
		}
		var kinds []string
		for _, e := range events {
			kinds = append(kinds, e.Kind)
		}
		slices.Sort(kinds) // the clock stands still
		if !cmp.Equal(kinds, []string{"key.created", "key.created", "key.revoked", "key.rotated"}) {
			t.Errorf("events %v", kinds)
		}
	})
}

// What a key can be made with, and the mistakes.
func TestCreateKey(t *testing.T) {
	desks(t, func(t *testing.T, d *desk) {
		_, owner := d.joins("acct_1", "owner")
		foreign := d.another("acct_2")
		const rest = `"name":"k","permissions":["read"]`
		for _, c := range []struct {
			name, body string
			status     int
			code       string
		}{
			{"all of it", `{` + rest + `,"scope":{"projects":["proj_abc123"],"endpoints":["projects.*","rubrics.list"],"artifact_types":["report"]},` +
				`"environment":"live","expires_at":"2027-01-31T00:00:00+01:00","addresses":["10.0.0.0/8","192.0.2.1","2001:db8::/32"],"service":true}`, 201, ""},
			{"no permission", `{"name":"k","permissions":[]}`, 400, "invalid_permissions"},
			{"permissions left out", `{"name":"k"}`, 400, "invalid_permissions"},
			{"unknown permission", `{"name":"k","permissions":["read","fly"]}`, 400, "invalid_permissions"},
			{"every permission", `{"name":"k","permissions":["*"]}`, 400, "invalid_permissions"},
			{"permissions null", `{"name":"k","permissions":null}`, 400, "invalid_field"},
			{"empty scope", `{` + rest + `,"scope":{}}`, 400, "invalid_scope"},
			{"empty list", `{` + rest + `,"scope":{"projects":[]}}`, 400, "invalid_scope"},
			{"empty list beside another", `{` + rest + `,"scope":{"projects":["proj_abc123"],"endpoints":[]}}`, 400, "invalid_scope"},
			{"scope null", `{` + rest + `,"scope":null}`, 400, "invalid_field"},
			{"projects null", `{` + rest + `,"scope":{"projects":null}}`, 400, "invalid_field"},
			{"any project", `{` + rest + `,"scope":{"projects":["*"]}}`, 400, "invalid_scope"},
			{"project of nobody", `{` + rest + `,"scope":{"projects":["proj_none"]}}`, 400, "unknown_resource"},                                       // case A9
			{"project of another account", `{` + rest + `,"scope":{"projects":["` + foreign + `"]}}`, 400, "unknown_resource"},                        // case A9
			{"one's own beside it", `{` + rest + `,"scope":{"projects":["proj_abc123","` + foreign + `"]}}`, 400, "unknown_resource"},                 // case A9
			{"project of the other environment", `{` + rest + `,"environment":"test","scope":{"projects":["proj_abc123"]}}`, 400, "unknown_resource"}, // case A9
			{"unknown endpoint", `{` + rest + `,"scope":{"endpoints":["projects.gett"]}}`, 400, "unknown_endpoint"},
			{"any endpoint", `{` + rest + `,"scope":{"endpoints":["*"]}}`, 400, "unknown_endpoint"},
			{"pattern for nothing", `{` + rest + `,"scope":{"endpoints":["proj.*"]}}`, 400, "unknown_endpoint"},
			{"artifact type that is a path", `{` + rest + `,"scope":{"artifact_types":["../report"]}}`, 400, "invalid_scope"},
			{"unknown kind", `{` + rest + `,"scope":{"studies":["a"]}}`, 400, "unknown_field"},
			{"unknown environment", `{` + rest + `,"environment":"prod"}`, 400, "unknown_environment"},
			{"empty environment", `{` + rest + `,"environment":""}`, 400, "unknown_environment"},
			// case K19: no expiry is ever read as "never"
			{"past", `{` + rest + `,"expires_at":"2026-11-21T08:59:59Z"}`, 400, "invalid_expiry"},
			{"now", `{` + rest + `,"expires_at":"2026-11-21T09:00:00Z"}`, 400, "invalid_expiry"},
			{"the zero time", `{` + rest + `,"expires_at":"0001-01-01T00:00:00Z"}`, 400, "invalid_expiry"},
			{"no time", `{` + rest + `,"expires_at":"tomorrow"}`, 400, "invalid_expiry"},
			{"a date", `{` + rest + `,"expires_at":"2027-01-31"}`, 400, "invalid_expiry"},
			{"empty", `{` + rest + `,"expires_at":""}`, 400, "invalid_expiry"},
			{"a number", `{` + rest + `,"expires_at":1800000000}`, 400, "invalid_field"},
			{"null", `{` + rest + `,"expires_at":null}`, 400, "invalid_field"},
			{"no addresses", `{` + rest + `,"addresses":[]}`, 400, "invalid_addresses"},
			{"an empty address", `{` + rest + `,"addresses":[""]}`, 400, "invalid_addresses"},
			{"two in one", `{` + rest + `,"addresses":["10.0.0.0/8,::/0"]}`, 400, "invalid_addresses"},
			{"mapped", `{` + rest + `,"addresses":["::ffff:10.0.0.0/104"]}`, 400, "invalid_addresses"},
			{"no name", `{"permissions":["read"]}`, 400, "invalid_name"},
			{"long name", `{"name":"` + strings.Repeat("x", 101) + `","permissions":["read"]}`, 400, "invalid_name"},
			{"a key for a name", `{"name":"was ` + d.key + `","permissions":["read"]}`, 400, "invalid_name"}, // case T1
			// case A6: whose it is comes from the session
			{"an owner", `{` + rest + `,"owner":"user_1"}`, 400, "unknown_field"},
			{"an account", `{` + rest + `,"account":"acct_2"}`, 400, "unknown_field"},
			{"a plan", `{` + rest + `,"plan":"enterprise"}`, 400, "unknown_field"},
			{"a grant", `{` + rest + `,"grant":{}}`, 400, "unknown_field"},
		} {
			before, _ := d.listed("/api-keys?limit=200", owner)
			a := d.do("POST", "/api-keys", owner, c.body)
			if a.status != c.status || a.code() != c.code {
				t.Errorf("%s: %d %s, want %d %s", c.name, a.status, a.body, c.status, c.code)
			}
			if after, _ := d.listed("/api-keys?limit=200", owner); (len(after) > len(before)) != (c.status == 201) {
				t.Errorf("%s: %d keys before, %d after", c.name, len(before), len(after))
			}
		}
		all, _ := d.listed("/api-keys?limit=200", owner)
		shown := d.must(200, "GET", "/api-keys/"+all[0], owner, "").body
		for _, want := range []string{
			`"scope":{"artifact_types":["report"],"endpoints":["projects.*","rubrics.list"],"projects":["proj_abc123"]}`,
			`"addresses":["10.0.0.0/8","192.0.2.1/32","2001:db8::/32"]`, `"expires_at":"2027-01-30T23:00:00Z"`, `"service":true`,
		} {
			if !strings.Contains(shown, want) {
				t.Errorf("%s is not in %s", want, shown)
			}
		}
	})
}

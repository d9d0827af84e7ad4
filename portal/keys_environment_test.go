package portal_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// The management of a key is decided in the key's environment, whichever the caller acts
// in. case A18
func TestKeysOfAnEnvironment(t *testing.T) {
	desks(t, func(t *testing.T, d *desk) {
		_, owner := d.joins("acct_1", "owner")
		_, tester := d.joins("acct_1", "tester")
		live := d.makes(owner, `{"name":"k","permissions":["read"],"service":true}`)
		test := d.makes(owner, `{"name":"k","permissions":["read"],"service":true,"environment":"test"}`)
		for _, acting := range []string{"live", "test"} {
			for _, c := range []struct {
				name, method, path, body string
				status                   int
			}{
				{"get one for live", "GET", "/api-keys/" + live.ID, "", 404},
				{"get one for test", "GET", "/api-keys/" + test.ID, "", 200},
				{"make one for live", "POST", "/api-keys", `{"name":"k","permissions":["read"],"service":true}`, 403},
				{"make one for test", "POST", "/api-keys", `{"name":"k","permissions":["read"],"service":true,"environment":"test"}`, 201},
				{"rename one for live", "PATCH", "/api-keys/" + live.ID, `{"name":"x"}`, 404},
				{"rename one for test", "PATCH", "/api-keys/" + test.ID, `{"name":"x"}`, 200},
				{"revoke one for live", "DELETE", "/api-keys/" + live.ID, "", 404},
			} {
				t.Run(c.name+" from "+acting, func(t *testing.T) {
					if a := d.do(c.method, c.path, tester, c.body, "X-Environment", acting); a.status != c.status {
						t.Errorf("got %d %s, want %d", a.status, a.body, c.status)
					}
				})
			}
			ids, _ := d.listed("/api-keys?limit=200", tester)
			if slices.Contains(ids, live.ID) || !slices.Contains(ids, test.ID) {
				t.Errorf("from %s: got %v, want %s and not %s", acting, ids, test.ID, live.ID)
			}
		}
		if a := d.must(200, "POST", "/api-keys/revoke", tester, `{"all":true,"reason":"tidy"}`); a.body != `{"revoked":3}` {
			t.Errorf("revoke all: got %s, want the 3 for test", a.body)
		}
		d.must(200, "GET", "/projects", "Bearer "+live.Key, "")
		d.must(401, "GET", "/projects", "Bearer "+test.Key, "")
	}, func(d *desk) {
		d.config.RoleNames = []string{"owner", "tester"}
		d.config.Roles = func(m store.Membership) []authz.Grant {
			g := authz.Grant{
				Permissions: authz.All(), Endpoints: authz.All(), Environments: authz.All(),
				Scope: map[string]authz.Set{"projects": authz.All(), "artifact_types": authz.All()},
			}
			if m.Role == "tester" {
				g.Environments = authz.Of("test")
			}
			return []authz.Grant{g}
		}
	})
}

// A key that has expired opens nothing and stays as a record. case K20
func TestExpiredKeysStay(t *testing.T) {
	desks(t, func(t *testing.T, d *desk) {
		_, owner := d.joins("acct_1", "owner")
		key := d.makes(owner, `{"name":"k","permissions":["read"],"expires_at":"2026-11-21T10:00:00Z"}`)
		d.must(200, "GET", "/projects", "Bearer "+key.Key, "")
		d.setNow(d.time().Add(time.Hour))
		d.must(401, "GET", "/projects", "Bearer "+key.Key, "")
		if a := d.must(200, "GET", "/api-keys/"+key.ID, owner, ""); !strings.Contains(a.body, `"status":"expired"`) {
			t.Errorf("got %s, want it expired", a.body)
		}
		if ids, _ := d.listed("/api-keys", owner); !slices.Contains(ids, key.ID) {
			t.Errorf("got %v, want %s in it", ids, key.ID)
		}
		if ids, _ := d.listed("/api-keys?expiring_before=2030-01-01T00:00:00Z", owner); slices.Contains(ids, key.ID) {
			t.Errorf("keys that will expire: got %v, want them without %s", ids, key.ID)
		}
	})
}

package portal_test

import (
	"strings"
	"testing"
)

// case A2: creating, updating, rotating and enabling hand out no more than the
// caller holds. case A15: what is out of scope is refused before it is looked
// for.
func TestHandOut(t *testing.T) {
	desks(t, func(t *testing.T, d *desk) {
		_, owner := d.joins("acct_1", "owner")
		editorID, editor := d.joins("acct_1", "editor")
		_, scoped := d.joins("acct_1", "editor", "proj_abc123")
		mine := d.makes(editor, `{"name":"mine","permissions":["read","write"],"scope":{"projects":["proj_abc123"]}}`)
		narrow := d.makes(scoped, `{"name":"narrow","permissions":["read"],"scope":{"projects":["proj_abc123"]}}`)
		off := d.makes(editor, `{"name":"off","permissions":["read","write"]}`)
		d.must(200, "PATCH", "/api-keys/"+off.ID, editor, `{"enabled":false}`)
		service := d.makes(owner, `{"name":"service","permissions":["read","admin"],"service":true}`)
		check := func(name, method, path, auth, body, reason string) {
			t.Helper()
			a := d.do(method, path, auth, body)
			if a.status != 403 || a.code() != reason || a.header.Get("X-Denied-Reason") != reason {
				t.Errorf("%s: %d %s %q, want 403 %s", name, a.status, a.body, a.header.Get("X-Denied-Reason"), reason)
			}
		}
		const exceeds = "scope_exceeds_caller"
		check("an editor makes an admin", "POST", "/api-keys", editor, `{"name":"k","permissions":["read","admin"]}`, exceeds)
		check("a scoped member makes one for everything", "POST", "/api-keys", scoped, seedCreate, exceeds)
		check("… for another project", "POST", "/api-keys", scoped, `{"name":"k","permissions":["read"],"scope":{"projects":["proj_def456"]}}`, exceeds)
		check("… for one that nobody has", "POST", "/api-keys", scoped, `{"name":"k","permissions":["read"],"scope":{"projects":["proj_none"]}}`, exceeds)
		check("an editor makes a service key", "POST", "/api-keys", editor, `{"name":"k","permissions":["read"],"service":true}`, "missing_permission")
		check("an editor updates to admin", "PATCH", "/api-keys/"+mine.ID, editor, `{"permissions":["admin"]}`, exceeds)
		check("a scoped member drops the scope", "PATCH", "/api-keys/"+narrow.ID, scoped, `{"scope":null}`, exceeds)
		check("… moves it", "PATCH", "/api-keys/"+narrow.ID, scoped, `{"scope":{"projects":["proj_def456"]}}`, exceeds)
		check("… keeps endpoints alone", "PATCH", "/api-keys/"+narrow.ID, scoped, `{"scope":{"endpoints":["projects.get"]}}`, exceeds)
		for _, c := range []struct{ name, auth, body, want string }{
			{"a permission", editor, `{"name":"k","permissions":["read","admin"]}`, "too much in permissions, admin."},
			{"all projects", scoped, seedCreate, "too much in scope.projects, everything."},
			{"another project", scoped, `{"name":"k","permissions":["read"],"scope":{"projects":["proj_def456"]}}`, "too much in scope.projects, proj_def456."},
		} {
			t.Run("the body names "+c.name, func(t *testing.T) {
				if a := d.must(403, "POST", "/api-keys", c.auth, c.body); !strings.Contains(a.body, c.want) {
					t.Errorf("got %s, want %q in it", a.body, c.want)
				}
			})
		}
		check("an owner updates another's key", "PATCH", "/api-keys/"+mine.ID, owner, `{"name":"taken"}`, "owner_only")
		check("an owner rotates another's key", "POST", "/api-keys/"+mine.ID+"/rotate", owner, "", "owner_only")
		if a := d.do("POST", "/api-keys/"+service.ID+"/rotate", editor, ""); a.status != 404 {
			t.Errorf("an editor rotates the account's key: %d %s", a.status, a.body)
		}
		d.must(200, "PATCH", "/api-keys/"+narrow.ID, scoped, `{"name":"renamed","scope":{"projects":["proj_abc123"],"endpoints":["projects.get"]}}`)

		d.becomes(editorID, "acct_1", "viewer")
		check("a demoted editor rotates", "POST", "/api-keys/"+mine.ID+"/rotate", editor, "", exceeds)
		check("… enables", "PATCH", "/api-keys/"+off.ID, editor, `{"enabled":true}`, exceeds)
		check("… writes with their key", "PATCH", "/projects/proj_abc123", "Bearer "+mine.Key, `{"name":"x"}`, "missing_permission")
		d.must(200, "GET", "/projects/proj_abc123", "Bearer "+mine.Key, "")
		d.must(200, "PATCH", "/api-keys/"+off.ID, editor, `{"permissions":["read"],"enabled":true}`)
		d.must(200, "GET", "/projects", "Bearer "+off.Key, "")
	})
}

// case A3: keys manage no keys, whatever they may do otherwise.
func TestKeysManageNothing(t *testing.T) {
	desks(t, func(t *testing.T, d *desk) {
		_, owner := d.joins("acct_1", "owner")
		key := d.makes(owner, `{"name":"k","permissions":["read","write","delete","admin"],"service":true}`)
		for _, c := range [][2]string{
			{"POST", "/api-keys"}, {"GET", "/api-keys"}, {"GET", "/api-keys/" + key.ID}, {"PATCH", "/api-keys/" + key.ID},
			{"DELETE", "/api-keys/" + key.ID}, {"POST", "/api-keys/" + key.ID + "/rotate"}, {"POST", "/api-keys/revoke"},
		} {
			for _, body := range []string{"", seedCreate} {
				a := d.do(c[0], c[1], "Bearer "+key.Key, body)
				if a.status != 403 || a.code() != "person_required" {
					t.Errorf("%v: %d %s %s", c, a.status, a.body, a.header.Get("X-Denied-Reason"))
				}
			}
		}
		if ids, _ := d.listed("/api-keys", owner); len(ids) != 2 {
			t.Errorf("keys %v", ids)
		}
	})
}

// case K18: another account's key, another's that one may not see, and one
// that there is not are the same bytes, and nothing happens to them.
func TestForeignKeys(t *testing.T) {
	desks(t, func(t *testing.T, d *desk) {
		d.another("acct_2")
		_, owner := d.joins("acct_1", "owner")
		_, theirs := d.joins("acct_2", "owner")
		_, editor := d.joins("acct_1", "editor")
		key := d.makes(owner, seedCreate)
		for _, c := range [][3]string{
			{"GET", ""}, {"PATCH", "", `{"enabled":false}`}, {"DELETE", ""}, {"POST", "/rotate"}, {"POST", "/rotate", `{"grace_seconds":0}`},
		} {
			missing := d.do(c[0], "/api-keys/key_none"+c[1], theirs, c[2])
			for _, tt := range []struct{ name, auth string }{{"another account", theirs}, {"an editor", editor}} {
				a := d.do(c[0], "/api-keys/"+key.ID+c[1], tt.auth, c[2])
				if a.status != 404 || a.body != missing.body || len(a.header) != len(missing.header) {
					t.Errorf("%s, %v: %d %s %v\nmissing: %s %v", tt.name, c, a.status, a.body, a.header, missing.body, missing.header)
				}
			}
		}
		if n := d.must(200, "POST", "/api-keys/revoke", theirs, `{"all":true,"reason":"tidy"}`); n.body != `{"revoked":0}` {
			t.Errorf("another account revokes all: %s", n.body)
		}
		if n := d.must(200, "POST", "/api-keys/revoke", editor, `{"all":true,"reason":"tidy"}`); n.body != `{"revoked":0}` {
			t.Errorf("an editor revokes all: %s", n.body)
		}
		d.must(200, "GET", "/projects", "Bearer "+key.Key, "")
		for _, who := range []string{theirs, editor} {
			if ids, _ := d.listed("/api-keys?limit=200", who); len(ids) != 0 {
				t.Errorf("others list %v", ids)
			}
		}
	})
}

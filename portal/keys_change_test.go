package portal_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// case K17: in the grace both keys work, on one budget. case K16: it starts
// when the new key is first used.
func TestRotateKey(t *testing.T) {
	desks(t, func(t *testing.T, d *desk) {
		_, owner := d.joins("acct_1", "owner")
		old := d.makes(owner, `{"name":"k","permissions":["read"],"scope":{"projects":["proj_abc123"]},"expires_at":"2027-01-31T00:00:00Z","addresses":["192.0.2.0/24"]}`)
		next := keyIn(t, d.must(201, "POST", "/api-keys/"+old.ID+"/rotate", owner, `{"grace_seconds":3600}`))
		same := old
		same.ID, same.Key, same.Hint, same.Replaces = next.ID, next.Key, next.Hint, old.ID
		if diff := cmp.Diff(same, next); diff != "" {
			t.Errorf("the successor differs (-want +got)\n%s", diff)
		}
		d.setNow(d.time().Add(2 * time.Hour)) // the new key is not in use yet
		for i, key := range []string{old.Key, next.Key, old.Key, next.Key} {
			a := d.must(200, "GET", "/projects", "Bearer "+key, "")
			if got, want := a.header.Get("X-RateLimit-Remaining"), fmt.Sprint(59-i); got != want {
				t.Errorf("request %d: %s remaining, want %s", i+1, got, want)
			}
		}
		d.setNow(d.time().Add(time.Hour - time.Second))
		d.must(200, "GET", "/projects", "Bearer "+old.Key, "")
		d.setNow(d.time().Add(time.Second))
		d.must(401, "GET", "/projects", "Bearer "+old.Key, "")
		d.must(200, "GET", "/projects", "Bearer "+next.Key, "")

		last := keyIn(t, d.must(201, "POST", "/api-keys/"+next.ID+"/rotate", owner, `{"grace_seconds":0}`))
		d.must(401, "GET", "/projects", "Bearer "+next.Key, "")
		d.must(200, "GET", "/projects", "Bearer "+last.Key, "")
		if a := d.must(409, "POST", "/api-keys/"+next.ID+"/rotate", owner, ""); !strings.Contains(a.body, "rotated_before") || !strings.Contains(a.body, last.ID) {
			t.Errorf("rotating what has been replaced: got %s, want the successor %s", a.body, last.ID)
		}
		ended := d.makes(owner, seedCreate)
		d.must(204, "DELETE", "/api-keys/"+ended.ID, owner, "")
		if a := d.must(409, "POST", "/api-keys/"+ended.ID+"/rotate", owner, ""); !strings.Contains(a.body, "inactive") {
			t.Errorf("rotating what has ended: %s", a.body)
		}
		for _, body := range []string{`{"grace_seconds":-1}`, `{"grace_seconds":604801}`, `{"grace_seconds":9223372036854775807}`, `{"grace_seconds":1.5}`,
			`{"grace_seconds":"1"}`, `{"grace_seconds":null}`, `{"grace":1}`, `[]`} {
			if a := d.do("POST", "/api-keys/"+last.ID+"/rotate", owner, body); a.status != 400 {
				t.Errorf("%s: %d %s", body, a.status, a.body)
			}
		}
	})
}

func TestUpdateKey(t *testing.T) {
	desks(t, func(t *testing.T, d *desk) {
		_, owner := d.joins("acct_1", "owner")
		key := d.makes(owner, `{"name":"k","permissions":["read"],"expires_at":"2027-01-31T00:00:00Z","addresses":["10.0.0.0/8"]}`)
		path := "/api-keys/" + key.ID
		d.must(403, "GET", "/projects", "Bearer "+key.Key, "") // from 192.0.2.1
		for _, c := range []struct {
			body string
			want []string
			not  []string
		}{
			{`{}`, []string{`"name":"k"`}, nil},
			{`{"name":"new"}`, []string{`"name":"new"`, `"permissions":["read"]`}, nil},
			{`{"permissions":["write","read"]}`, []string{`"permissions":["read","write"]`}, []string{"scope"}},
			{`{"scope":{"projects":["proj_abc123"]}}`, []string{`"scope":{"projects":["proj_abc123"]}`, `"permissions":["read","write"]`}, nil},
			{`{"permissions":["read"]}`, []string{`"scope":{"projects":["proj_abc123"]}`, `"permissions":["read"]`}, nil},
			{`{"scope":null}`, []string{`"permissions":["read"]`}, []string{"scope"}},
			{`{"addresses":null}`, nil, []string{"addresses"}},
			{`{"expires_at":null}`, nil, []string{"expires_at"}},
			{`{"expires_at":"2026-12-01T00:00:00Z"}`, []string{`"expires_at":"2026-12-01T00:00:00Z"`}, nil},
			{`{"enabled":false}`, []string{`"status":"disabled"`, `"disabled_at":"2026-11-21T`}, nil},
		} {
			a := d.must(200, "PATCH", path, owner, c.body)
			for _, want := range c.want {
				if !strings.Contains(a.body, want) {
					t.Errorf("%s: %s is not in %s", c.body, want, a.body)
				}
			}
			for _, not := range c.not {
				if strings.Contains(a.body, not) {
					t.Errorf("%s: %s is in %s", c.body, not, a.body)
				}
			}
		}
		d.must(401, "GET", "/projects", "Bearer "+key.Key, "") // it is disabled
		other := d.makes(owner, `{"name":"k","permissions":["read"],"scope":{"projects":["proj_def456"]}}`)
		d.projects["acct_1/live"] = []string{"proj_abc123"} // the other is removed, which changes no key
		d.must(200, "PATCH", "/api-keys/"+other.ID, owner, `{"permissions":["read","write"]}`)
		if a := d.must(200, "PATCH", path, owner, `{"enabled":true}`); !strings.Contains(a.body, `"status":"active"`) {
			t.Error(a.body)
		}
		d.must(200, "GET", "/projects", "Bearer "+key.Key, "")
		for _, tt := range []struct{ body, code string }{
			{`{"expires_at":"2026-11-21T08:00:00Z"}`, "invalid_expiry"}, {`{"expires_at":""}`, "invalid_expiry"}, // case K19
			{`{"expires_at":"0001-01-01T00:00:00Z"}`, "invalid_expiry"}, {`{"expires_at":1}`, "invalid_field"},
			{`{"addresses":[]}`, "invalid_addresses"}, {`{"scope":{}}`, "invalid_scope"}, {`{"scope":{"Projects":["proj_abc123"]}}`, "unknown_field"},
			{`{"permissions":[]}`, "invalid_permissions"}, {`{"permissions":["operate"]}`, "invalid_permissions"}, {`{"name":""}`, "invalid_name"},
			{`{"scope":{"projects":["proj_none"]}}`, "unknown_resource"}, {`{"enabled":null}`, "invalid_field"}, {`{"environment":"test"}`, "unknown_field"},
		} {
			if a := d.do("PATCH", path, owner, tt.body); a.status != 400 || !strings.Contains(a.body, tt.code) {
				t.Errorf("%s: %d %s, want %s", tt.body, a.status, a.body, tt.code)
			}
		}
		d.must(204, "DELETE", path+"?reason=left", owner, "")
		if a := d.must(200, "GET", path, owner, ""); !strings.Contains(a.body, `"status":"revoked"`) || !strings.Contains(a.body, `"reason":"left"`) {
			t.Error(a.body)
		}
		d.must(409, "PATCH", path, owner, `{"name":"again"}`)
	})
}

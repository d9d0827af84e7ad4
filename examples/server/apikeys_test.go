package main

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

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
	d := newDesk(t)
	_, owner := d.joins("acct_1", roleOwner)
	made := d.must(201, "POST", "/v1/api-keys", owner, seedCreate)
	key := keyIn(t, made)
	if !strings.HasPrefix(key.Key, "mt_live_") || len(key.Key) != len("mt_live_")+29 || made.header.Get("Cache-Control") != "private, no-store" {
		t.Errorf("%v %s", made.header, made.body)
	}
	want := shownKey{
		ID: key.ID, Name: "Production Server", Key: key.Key, Hint: "mt_live_…" + key.Key[len(key.Key)-4:], Status: "active",
		Environment: live, Permissions: authz.Of(read, write), Owner: key.Owner, CreatedBy: key.Owner, CreatedAt: "2026-11-21T09:00:00Z",
	}
	if diff := cmp.Diff(want, key); diff != "" || key.Owner == "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	scoped := d.makes(owner, seedScoped)
	if got := scoped.Scope[projects].Items(); len(scoped.Scope) != 1 || !cmp.Equal(got, []string{"proj_abc123", "proj_def456"}) {
		t.Errorf("scope %v", scoped.Scope)
	}
	for _, c := range []struct {
		name, key, path string
		status          int
	}{
		{"whole account", key.Key, "/v1/projects/proj_abc123", 200},
		{"scoped", scoped.Key, "/v1/projects/proj_abc123", 200},
		{"scoped, missing", scoped.Key, "/v1/projects/proj_none", 403},
		{"no right to delete", key.Key, "/v1/team", 403},
	} {
		if a := d.do("GET", c.path, "Bearer "+c.key, ""); a.status != c.status {
			t.Errorf("%s: %d %s", c.name, a.status, a.body)
		}
	}
	if ids, _ := d.listed("/v1/api-keys", owner); !cmp.Equal(ids[:2], []string{scoped.ID, key.ID}) {
		t.Errorf("listed %v", ids)
	}
	next := keyIn(t, d.must(201, "POST", "/v1/api-keys/"+key.ID+"/rotate", owner, ""))
	if next.Replaces != key.ID || next.Key == "" || next.Key == key.Key {
		t.Errorf("rotated into %+v", next)
	}
	d.must(204, "DELETE", "/v1/api-keys/"+next.ID, owner, "")
	d.must(204, "DELETE", "/v1/api-keys/"+next.ID, owner, "")
	if a := d.do("GET", "/v1/projects", "Bearer "+next.Key, ""); a.status != 401 || a.body != revokedKey {
		t.Errorf("revoked: %d %s", a.status, a.body)
	}
	events, err := d.Events().List(t.Context(), "acct_1", "", 100)
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
}

// What a key can be made with, and the mistakes.
func TestCreateKey(t *testing.T) {
	d := newDesk(t)
	_, owner := d.joins("acct_1", roleOwner)
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
		{"the operators' permission", `{"name":"k","permissions":["operate"]}`, 400, "invalid_permissions"},
		{"permissions null", `{"name":"k","permissions":null}`, 400, "invalid_field"},
		{"empty scope", `{` + rest + `,"scope":{}}`, 400, "invalid_scope"},
		{"empty list", `{` + rest + `,"scope":{"projects":[]}}`, 400, "invalid_scope"},
		{"empty list beside another", `{` + rest + `,"scope":{"projects":["proj_abc123"],"endpoints":[]}}`, 400, "invalid_scope"},
		{"scope null", `{` + rest + `,"scope":null}`, 400, "invalid_field"},
		{"projects null", `{` + rest + `,"scope":{"projects":null}}`, 400, "invalid_field"},
		{"any project", `{` + rest + `,"scope":{"projects":["*"]}}`, 400, "unknown_project"},
		{"project of nobody", `{` + rest + `,"scope":{"projects":["proj_none"]}}`, 400, "unknown_project"},                                       // case A9
		{"project of another account", `{` + rest + `,"scope":{"projects":["` + foreign + `"]}}`, 400, "unknown_project"},                        // case A9
		{"one's own beside it", `{` + rest + `,"scope":{"projects":["proj_abc123","` + foreign + `"]}}`, 400, "unknown_project"},                 // case A9
		{"project of the other environment", `{` + rest + `,"environment":"test","scope":{"projects":["proj_abc123"]}}`, 400, "unknown_project"}, // case A9
		{"unknown endpoint", `{` + rest + `,"scope":{"endpoints":["projects.gett"]}}`, 400, "unknown_endpoint"},
		{"any endpoint", `{` + rest + `,"scope":{"endpoints":["*"]}}`, 400, "unknown_endpoint"},
		{"pattern for nothing", `{` + rest + `,"scope":{"endpoints":["proj.*"]}}`, 400, "unknown_endpoint"},
		{"artifact type that is a path", `{` + rest + `,"scope":{"artifact_types":["../report"]}}`, 400, "invalid_artifact_type"},
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
		before, _ := d.listed("/v1/api-keys?limit=200", owner)
		a := d.do("POST", "/v1/api-keys", owner, c.body, "Accept", "application/problem+json")
		if a.status != c.status || !strings.Contains(a.body, `"code":"`+c.code+`"`) && c.code != "" {
			t.Errorf("%s: %d %s, want %d %s", c.name, a.status, a.body, c.status, c.code)
		}
		if after, _ := d.listed("/v1/api-keys?limit=200", owner); (len(after) > len(before)) != (c.status == 201) {
			t.Errorf("%s: %d keys before, %d after", c.name, len(before), len(after))
		}
	}
	all, _ := d.listed("/v1/api-keys?limit=200", owner)
	shown := d.must(200, "GET", "/v1/api-keys/"+all[0], owner, "").body
	for _, want := range []string{
		`"scope":{"artifact_types":["report"],"endpoints":["projects.*","rubrics.list"],"projects":["proj_abc123"]}`,
		`"addresses":["10.0.0.0/8","192.0.2.1/32","2001:db8::/32"]`, `"expires_at":"2027-01-30T23:00:00Z"`, `"service":true`,
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("%s is not in %s", want, shown)
		}
	}
}

// case A2: creating, updating, rotating and enabling hand out no more than the
// caller holds. case A15: what is out of scope is refused before it is looked
// for.
func TestHandOut(t *testing.T) {
	d := newDesk(t)
	_, owner := d.joins("acct_1", roleOwner)
	editorID, editor := d.joins("acct_1", roleEditor)
	_, scoped := d.joins("acct_1", roleEditor, "proj_abc123")
	mine := d.makes(editor, `{"name":"mine","permissions":["read","write"],"scope":{"projects":["proj_abc123"]}}`)
	narrow := d.makes(scoped, `{"name":"narrow","permissions":["read"],"scope":{"projects":["proj_abc123"]}}`)
	off := d.makes(editor, `{"name":"off","permissions":["read","write"]}`)
	d.must(200, "PATCH", "/v1/api-keys/"+off.ID, editor, `{"enabled":false}`)
	service := d.makes(owner, `{"name":"service","permissions":["read","admin"],"service":true}`)
	check := func(name, method, path, auth, body, reason string) {
		t.Helper()
		a := d.do(method, path, auth, body)
		code := strings.ToUpper(reason)
		if reason == "missing_permission" { // which is documented
			code = "FORBIDDEN"
		}
		if a.status != 403 || !strings.Contains(a.body, `"code":"`+code+`"`) || a.header.Get("X-Denied-Reason") != reason {
			t.Errorf("%s: %d %s %q, want 403 %s", name, a.status, a.body, a.header.Get("X-Denied-Reason"), reason)
		}
	}
	const exceeds = "scope_exceeds_caller"
	check("an editor makes an admin", "POST", "/v1/api-keys", editor, `{"name":"k","permissions":["read","admin"]}`, exceeds)
	check("a scoped member makes one for everything", "POST", "/v1/api-keys", scoped, seedCreate, exceeds)
	check("… for another project", "POST", "/v1/api-keys", scoped, `{"name":"k","permissions":["read"],"scope":{"projects":["proj_def456"]}}`, exceeds)
	check("… for one that nobody has", "POST", "/v1/api-keys", scoped, `{"name":"k","permissions":["read"],"scope":{"projects":["proj_none"]}}`, exceeds)
	check("an editor makes a service key", "POST", "/v1/api-keys", editor, `{"name":"k","permissions":["read"],"service":true}`, "missing_permission")
	check("an editor updates to admin", "PATCH", "/v1/api-keys/"+mine.ID, editor, `{"permissions":["admin"]}`, exceeds)
	check("a scoped member drops the scope", "PATCH", "/v1/api-keys/"+narrow.ID, scoped, `{"scope":null}`, exceeds)
	check("… moves it", "PATCH", "/v1/api-keys/"+narrow.ID, scoped, `{"scope":{"projects":["proj_def456"]}}`, exceeds)
	check("… keeps endpoints alone", "PATCH", "/v1/api-keys/"+narrow.ID, scoped, `{"scope":{"endpoints":["projects.get"]}}`, exceeds)
	for _, c := range []struct{ name, auth, body, want string }{
		{"a permission", editor, `{"name":"k","permissions":["read","admin"]}`, "too much in permissions, admin."},
		{"all projects", scoped, seedCreate, "too much in scope.projects, everything."},
		{"another project", scoped, `{"name":"k","permissions":["read"],"scope":{"projects":["proj_def456"]}}`, "too much in scope.projects, proj_def456."},
	} {
		t.Run("the body names "+c.name, func(t *testing.T) {
			if a := d.must(403, "POST", "/v1/api-keys", c.auth, c.body); !strings.Contains(a.body, c.want) {
				t.Errorf("got %s, want %q in it", a.body, c.want)
			}
		})
	}
	t.Run("the flat form names it", func(t *testing.T) {
		w := httptest.NewRecorder()
		writeProblem(w, httptest.NewRequest("POST", "/v1/rubrics", nil), authz.Problem(&authz.DeniedError{Decision: authz.Decision{
			Code: exceeds, Layer: "credential", Dimension: "permissions", Wanted: "admin",
		}}))
		want := `{"error":"scope_exceeds_caller","message":"The caller cannot hand out more than the caller may do: too much in permissions, admin."}`
		if got := w.Body.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
	check("an owner updates another's key", "PATCH", "/v1/api-keys/"+mine.ID, owner, `{"name":"taken"}`, "owner_only")
	check("an owner rotates another's key", "POST", "/v1/api-keys/"+mine.ID+"/rotate", owner, "", "owner_only")
	if a := d.do("POST", "/v1/api-keys/"+service.ID+"/rotate", editor, ""); a.status != 404 {
		t.Errorf("an editor rotates the account's key: %d %s", a.status, a.body)
	}
	d.must(200, "PATCH", "/v1/api-keys/"+narrow.ID, scoped, `{"name":"renamed","scope":{"projects":["proj_abc123"],"endpoints":["projects.get"]}}`)

	d.becomes(editorID, "acct_1", roleViewer)
	check("a demoted editor rotates", "POST", "/v1/api-keys/"+mine.ID+"/rotate", editor, "", exceeds)
	check("… enables", "PATCH", "/v1/api-keys/"+off.ID, editor, `{"enabled":true}`, exceeds)
	check("… writes with their key", "PATCH", "/v1/projects/proj_abc123", "Bearer "+mine.Key, `{"name":"x"}`, "missing_permission")
	d.must(200, "GET", "/v1/projects/proj_abc123", "Bearer "+mine.Key, "")
	d.must(200, "PATCH", "/v1/api-keys/"+off.ID, editor, `{"permissions":["read"],"enabled":true}`)
	d.must(200, "GET", "/v1/projects", "Bearer "+off.Key, "")
}

// case A3: keys manage no keys, whatever they may do otherwise.
func TestKeysManageNothing(t *testing.T) {
	d := newDesk(t)
	_, owner := d.joins("acct_1", roleOwner)
	key := d.makes(owner, `{"name":"k","permissions":["read","write","delete","admin"],"service":true}`)
	for _, c := range [][2]string{
		{"POST", "/v1/api-keys"}, {"GET", "/v1/api-keys"}, {"GET", "/v1/api-keys/" + key.ID}, {"PATCH", "/v1/api-keys/" + key.ID},
		{"DELETE", "/v1/api-keys/" + key.ID}, {"POST", "/v1/api-keys/" + key.ID + "/rotate"}, {"POST", "/v1/api-keys/revoke"},
	} {
		for _, body := range []string{"", seedCreate} {
			a := d.do(c[0], c[1], "Bearer "+key.Key, body)
			if a.status != 403 || a.body != nested403 || a.header.Get("X-Denied-Reason") != "missing_permission" {
				t.Errorf("%v: %d %s %s", c, a.status, a.body, a.header.Get("X-Denied-Reason"))
			}
		}
	}
	if ids, _ := d.listed("/v1/api-keys", owner); len(ids) != 2 {
		t.Errorf("keys %v", ids)
	}
}

// case K18: another account's key, another's that one may not see, and one
// that there is not are the same bytes, and nothing happens to them.
func TestForeignKeys(t *testing.T) {
	d := newDesk(t)
	d.another("acct_2")
	_, owner := d.joins("acct_1", roleOwner)
	_, theirs := d.joins("acct_2", roleOwner)
	_, editor := d.joins("acct_1", roleEditor)
	key := d.makes(owner, seedCreate)
	for _, c := range [][3]string{
		{"GET", ""}, {"PATCH", "", `{"enabled":false}`}, {"DELETE", ""}, {"POST", "/rotate"}, {"POST", "/rotate", `{"grace_seconds":0}`},
	} {
		missing := d.do(c[0], "/v1/api-keys/key_none"+c[1], theirs, c[2])
		for name, auth := range map[string]string{"another account": theirs, "an editor": editor} {
			a := d.do(c[0], "/v1/api-keys/"+key.ID+c[1], auth, c[2])
			if a.status != 404 || a.body != missing.body || len(a.header) != len(missing.header) {
				t.Errorf("%s, %v: %d %s %v\nmissing: %s %v", name, c, a.status, a.body, a.header, missing.body, missing.header)
			}
		}
	}
	if n := d.must(200, "POST", "/v1/api-keys/revoke", theirs, `{"all":true,"reason":"tidy"}`); n.body != `{"revoked":0}` {
		t.Errorf("another account revokes all: %s", n.body)
	}
	if n := d.must(200, "POST", "/v1/api-keys/revoke", editor, `{"all":true,"reason":"tidy"}`); n.body != `{"revoked":0}` {
		t.Errorf("an editor revokes all: %s", n.body)
	}
	d.must(200, "GET", "/v1/projects", "Bearer "+key.Key, "")
	for _, who := range []string{theirs, editor} {
		if ids, _ := d.listed("/v1/api-keys?limit=200", who); len(ids) != 0 {
			t.Errorf("others list %v", ids)
		}
	}
}

// case K17: in the grace both keys work, on one budget. case K16: it starts
// when the new key is first used.
func TestRotateKey(t *testing.T) {
	d := newDesk(t)
	_, owner := d.joins("acct_1", roleOwner)
	old := d.makes(owner, `{"name":"k","permissions":["read"],"scope":{"projects":["proj_abc123"]},"expires_at":"2027-01-31T00:00:00Z","addresses":["192.0.2.0/24"]}`)
	next := keyIn(t, d.must(201, "POST", "/v1/api-keys/"+old.ID+"/rotate", owner, `{"grace_seconds":3600}`))
	same := old
	same.ID, same.Key, same.Hint, same.Replaces = next.ID, next.Key, next.Hint, old.ID
	if diff := cmp.Diff(same, next); diff != "" {
		t.Errorf("the successor differs (-want +got)\n%s", diff)
	}
	d.now = d.now.Add(2 * time.Hour) // the new key is not in use yet
	for i, key := range []string{old.Key, next.Key, old.Key, next.Key} {
		a := d.must(200, "GET", "/v1/projects", "Bearer "+key, "")
		if got, want := a.header.Get("X-RateLimit-Remaining"), fmt.Sprint(59-i); got != want {
			t.Errorf("request %d: %s remaining, want %s", i+1, got, want)
		}
	}
	d.now = d.now.Add(time.Hour - time.Second)
	d.must(200, "GET", "/v1/projects", "Bearer "+old.Key, "")
	d.now = d.now.Add(time.Second)
	d.must(401, "GET", "/v1/projects", "Bearer "+old.Key, "")
	d.must(200, "GET", "/v1/projects", "Bearer "+next.Key, "")

	last := keyIn(t, d.must(201, "POST", "/v1/api-keys/"+next.ID+"/rotate", owner, `{"grace_seconds":0}`))
	d.must(401, "GET", "/v1/projects", "Bearer "+next.Key, "")
	d.must(200, "GET", "/v1/projects", "Bearer "+last.Key, "")
	if a := d.must(409, "POST", "/v1/api-keys/"+next.ID+"/rotate", owner, ""); !strings.Contains(a.body, "ROTATED_BEFORE") || !strings.Contains(a.body, last.ID) {
		t.Errorf("rotating what has been replaced: got %s, want the successor %s", a.body, last.ID)
	}
	ended := d.makes(owner, seedCreate)
	d.must(204, "DELETE", "/v1/api-keys/"+ended.ID, owner, "")
	if a := d.must(409, "POST", "/v1/api-keys/"+ended.ID+"/rotate", owner, ""); !strings.Contains(a.body, "INACTIVE") {
		t.Errorf("rotating what has ended: %s", a.body)
	}
	for _, body := range []string{`{"grace_seconds":-1}`, `{"grace_seconds":604801}`, `{"grace_seconds":9223372036854775807}`, `{"grace_seconds":1.5}`,
		`{"grace_seconds":"1"}`, `{"grace_seconds":null}`, `{"grace":1}`, `[]`} {
		if a := d.do("POST", "/v1/api-keys/"+last.ID+"/rotate", owner, body); a.status != 400 {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
}

func TestUpdateKey(t *testing.T) {
	d := newDesk(t)
	_, owner := d.joins("acct_1", roleOwner)
	key := d.makes(owner, `{"name":"k","permissions":["read"],"expires_at":"2027-01-31T00:00:00Z","addresses":["10.0.0.0/8"]}`)
	path := "/v1/api-keys/" + key.ID
	d.must(403, "GET", "/v1/projects", "Bearer "+key.Key, "") // from 192.0.2.1
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
	d.must(401, "GET", "/v1/projects", "Bearer "+key.Key, "") // it is disabled
	other := d.makes(owner, `{"name":"k","permissions":["read"],"scope":{"projects":["proj_def456"]}}`)
	d.must(204, "DELETE", "/v1/projects/proj_def456", owner, "") // which changes no key
	d.must(200, "PATCH", "/v1/api-keys/"+other.ID, owner, `{"permissions":["read","write"]}`)
	if a := d.must(200, "PATCH", path, owner, `{"enabled":true}`); !strings.Contains(a.body, `"status":"active"`) {
		t.Error(a.body)
	}
	d.must(200, "GET", "/v1/projects", "Bearer "+key.Key, "")
	for body, code := range map[string]string{
		`{"expires_at":"2026-11-21T08:00:00Z"}`: "INVALID_EXPIRY", `{"expires_at":""}`: "INVALID_EXPIRY", // case K19
		`{"expires_at":"0001-01-01T00:00:00Z"}`: "INVALID_EXPIRY", `{"expires_at":1}`: "INVALID_FIELD",
		`{"addresses":[]}`: "INVALID_ADDRESSES", `{"scope":{}}`: "INVALID_SCOPE", `{"scope":{"Projects":["proj_abc123"]}}`: "UNKNOWN_FIELD",
		`{"permissions":[]}`: "INVALID_PERMISSIONS", `{"permissions":["operate"]}`: "INVALID_PERMISSIONS", `{"name":""}`: "INVALID_NAME",
		`{"scope":{"projects":["proj_none"]}}`: "UNKNOWN_PROJECT", `{"enabled":null}`: "INVALID_FIELD", `{"environment":"test"}`: "UNKNOWN_FIELD",
	} {
		if a := d.do("PATCH", path, owner, body); a.status != 400 || !strings.Contains(a.body, code) {
			t.Errorf("%s: %d %s, want %s", body, a.status, a.body, code)
		}
	}
	d.must(204, "DELETE", path+"?reason=left", owner, "")
	if a := d.must(200, "GET", path, owner, ""); !strings.Contains(a.body, `"status":"revoked"`) || !strings.Contains(a.body, `"reason":"left"`) {
		t.Error(a.body)
	}
	d.must(409, "PATCH", path, owner, `{"name":"again"}`)
}

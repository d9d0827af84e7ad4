package portal_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"
)

// field returns a text of an answer.
func field(t *testing.T, a answer, name string) string {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	s, _ := v[name].(string)
	if s == "" {
		t.Fatalf("got %s, want %q in it", a.body, name)
	}
	return s
}

// Nobody gains rights by managing the team: owners alone make owners, and a manager makes,
// changes and removes nobody who may do more than they may. case A2, A6
func TestTeamRights(t *testing.T) {
	d := newMailDesk(t)
	boss, owner := d.joins("acct_1", "owner")
	_, admin := d.joins("acct_1", "admin")
	_, narrow := d.joins("acct_1", "admin", "proj_abc123")
	editor, editors := d.joins("acct_1", "editor")
	tests := []struct {
		name, method, path, auth, body string
		status                         int
		code                           string
	}{
		{"key", "POST", "/team", "Bearer " + d.key, `{"email":"x@example.com","role":"viewer"}`, 403, "person_required"},
		{"editor", "POST", "/team", editors, `{"email":"x@example.com","role":"viewer"}`, 403, "missing_permission"},
		{"admin makes an owner", "POST", "/team", admin, `{"email":"x@example.com","role":"owner"}`, 403, "scope_exceeds_caller"},
		{"admin demotes an owner", "PATCH", "/team/" + boss, admin, `{"role":"viewer"}`, 403, "scope_exceeds_caller"},
		{"admin removes an owner", "DELETE", "/team/" + boss, admin, "", 403, "scope_exceeds_caller"},
		{"narrowed manager invites to everything", "POST", "/team", narrow, `{"email":"x@example.com","role":"viewer"}`, 403, "scope_exceeds_caller"},
		{"narrowed manager invites to another project", "POST", "/team", narrow, `{"email":"x@example.com","role":"viewer","scope":{"projects":["proj_def456"]}}`, 403, "scope_exceeds_caller"},
		{"narrowed manager names a project that does not exist", "POST", "/team", narrow, `{"email":"x@example.com","role":"viewer","scope":{"projects":["proj_none"]}}`, 403, "scope_exceeds_caller"},
		{"narrowed manager removes a member of everything", "DELETE", "/team/" + editor, narrow, "", 403, "scope_exceeds_caller"},
		{"unknown project", "POST", "/team", admin, `{"email":"x@example.com","role":"viewer","scope":{"projects":["proj_none"]}}`, 400, "unknown_resource"},
		{"empty list", "POST", "/team", admin, `{"email":"x@example.com","role":"viewer","scope":{"projects":[]}}`, 400, "invalid_scope"},
		{"endpoints", "POST", "/team", admin, `{"email":"x@example.com","role":"viewer","scope":{"endpoints":["projects.get"]}}`, 400, "unknown_field"},
		{"limited owner", "PATCH", "/team/" + boss, owner, `{"scope":{"projects":["proj_abc123"]}}`, 400, "invalid_scope"},
		{"unknown role", "POST", "/team", admin, `{"email":"x@example.com","role":"king"}`, 400, "unknown_role"},
		{"no address", "POST", "/team", admin, `{"email":"x","role":"viewer"}`, 400, "invalid_email"},
		{"long name", "POST", "/team", admin, `{"email":"x@example.com","role":"viewer","name":"` + strings.Repeat("x", 201) + `"}`, 400, "invalid_name"},
		{"unknown field", "POST", "/team", admin, `{"email":"x@example.com","role":"viewer","account":"acct_2"}`, 400, "unknown_field"},
		{"member already", "POST", "/team", admin, `{"email":"` + strings.ToLower(boss) + `@example.com","role":"viewer"}`, 409, "member_exists"},
		{"nobody", "PATCH", "/team/user_none", admin, `{"role":"viewer"}`, 404, "not_found"},
		{"nobody's removal", "DELETE", "/team/user_none", admin, "", 404, "not_found"},
		{"no invitation", "DELETE", "/team/invitations/inv_none", admin, "", 404, "not_found"},
		{"last owner leaves", "DELETE", "/team/" + boss, owner, "", 409, "last_owner"},
		{"last owner resigns", "PATCH", "/team/" + boss, owner, `{"role":"admin"}`, 409, "last_owner"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := d.do(tt.method, tt.path, tt.auth, tt.body); got.status != tt.status || got.code() != tt.code {
				t.Errorf("got %d %s, want %d %s", got.status, got.body, tt.status, tt.code)
			}
		})
	}
	if list, _ := d.must(200, "GET", "/team/invitations", owner, "").list(t); len(list) != 0 {
		t.Errorf("got the invitations %v, want none", list)
	}
}

// Another account's members and invitations do not exist. case A9, K18
func TestTeamOfAnotherAccount(t *testing.T) {
	d := newMailDesk(t)
	_, owner := d.joins("acct_1", "owner")
	d.account("acct_2", "standard")
	theirs, other := d.joins("acct_2", "owner")
	id, token := d.invites(other, "ann@example.com", "viewer")
	for _, tt := range []struct{ method, path, missing string }{
		{"PATCH", "/team/" + theirs, "/team/user_none"}, {"DELETE", "/team/" + theirs, "/team/user_none"},
		{"DELETE", "/team/invitations/" + id, "/team/invitations/inv_none"},
	} {
		got, missing := d.must(404, tt.method, tt.path, owner, `{"role":"viewer"}`), d.must(404, tt.method, tt.missing, owner, `{"role":"viewer"}`)
		if got.body != missing.body {
			t.Errorf("%s: got %s, want %s", tt.path, got.body, missing.body)
		}
	}
	d.accepts(204, token, goodPassword)
}

// A change of a member works at once, and a removal revokes their keys. case A8
func TestChangeAndRemove(t *testing.T) {
	d := newMailDesk(t)
	_, owner := d.joins("acct_1", "owner")
	user, auth := d.joins("acct_1", "editor")
	own := d.makes(auth, `{"name":"mine","permissions":["read"]}`)
	d.must(200, "GET", "/projects/proj_def456", "Bearer "+own.Key, "")
	got := d.must(200, "PATCH", "/team/"+user, owner, `{"role":"viewer","scope":{"projects":["proj_abc123"]}}`)
	if !strings.Contains(got.body, `"role":"viewer","scope":{"projects":["proj_abc123"]}`) {
		t.Errorf("got %s", got.body)
	}
	d.must(403, "GET", "/projects/proj_def456", auth, "")
	d.must(200, "PATCH", "/team/"+user, owner, `{"scope":null}`)
	d.must(200, "GET", "/projects/proj_def456", auth, "")
	d.must(204, "DELETE", "/team/"+user, owner, "")
	d.must(403, "GET", "/projects/proj_def456", auth, "")
	d.must(401, "GET", "/projects/proj_def456", "Bearer "+own.Key, "")
	d.must(404, "DELETE", "/team/"+user, owner, "")
}

// Of two owners who remove each other one stays.
func TestOwnersRemoveEachOther(t *testing.T) {
	for range 20 {
		d := newMailDesk(t)
		ann, anns := d.joins("acct_1", "owner")
		d.setNow(d.time().Add(time.Millisecond))
		bob, bobs := d.joins("acct_1", "owner")
		var all sync.WaitGroup
		var first, second answer
		all.Go(func() { first = d.do("DELETE", "/team/"+bob, anns, "") })
		all.Go(func() { second = d.do("DELETE", "/team/"+ann, bobs, "") })
		all.Wait()
		if (first.status == 204) == (second.status == 204) {
			t.Fatalf("got %d %s and %d %s, want that one succeeds", first.status, first.body, second.status, second.body)
		}
	}
}

// Changes need a recent login.
func TestTeamNeedsRecentLogin(t *testing.T) {
	d := newMailDesk(t)
	user, owner := d.joins("acct_1", "owner")
	d.setNow(d.time().Add(11 * time.Minute))
	for _, tt := range []struct{ method, path, body string }{
		{"POST", "/team", `{"email":"ann@example.com","role":"viewer"}`}, {"PATCH", "/team/" + user, `{"role":"viewer"}`},
		{"DELETE", "/team/" + user, ""}, {"DELETE", "/team/invitations/inv_1", ""},
	} {
		if got := d.must(401, tt.method, tt.path, owner, tt.body); got.code() != "insufficient_user_authentication" {
			t.Errorf("%s %s: got %s", tt.method, tt.path, got.body)
		}
	}
	d.must(200, "GET", "/team", owner, "")
}

package portal_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/store"
)

// case S13: lists of sessions have no token or digest, and another user's
// session is as missing.
func TestSessions(t *testing.T) {
	d := newDesk(t)
	ownerID, _ := d.joins("acct_1", "owner")
	_, theirs := d.joins("acct_1", "viewer")
	user := store.User{ID: ownerID}
	d.setNow(d.time().Add(time.Hour))
	_, token, err := d.gate.Sessions().Start(t.Context(), session.Spec{User: user, Account: "acct_1", Address: "203.0.113.9", Agent: "Firefox"}, d.time())
	if err != nil {
		t.Fatal(err)
	}
	first := token.Reveal()
	d.setNow(d.time().Add(time.Hour))
	mine := d.enters(user, "acct_1", "owner")
	a := d.must(200, "GET", "/auth/sessions", mine, "")
	data, _ := a.list(t)
	if len(data) != 3 {
		t.Fatalf("got %d sessions, want 3", len(data))
	}
	for _, hidden := range []string{first, mine[8:], "token", "digest", "sess_"} {
		if strings.Contains(a.body, hidden) {
			t.Errorf("the list shows %q: %s", hidden, a.body)
		}
	}
	id := data[1]["id"].(string)
	want := map[string]any{
		"id": id, "account": "acct_1", "created_at": "2026-11-21T10:00:00Z", "last_seen_at": "2026-11-21T10:00:00Z",
		"expires_at": "2026-12-21T10:00:00Z", "address": "203.0.113.9", "agent": "Firefox", "current": false,
	}
	if diff := cmp.Diff(want, data[1]); diff != "" || data[0]["current"] != true {
		t.Errorf("%v\n(-want +got)\n%s", data[0], diff)
	}
	page, next := d.must(200, "GET", "/auth/sessions?limit=1", mine, "").list(t)
	if len(page) != 1 || next != data[0]["id"] {
		t.Errorf("the page of one: %v, next %q", page, next)
	}
	if page, next := d.must(200, "GET", "/auth/sessions?limit=2&after="+next, mine, "").list(t); len(page) != 2 || page[0]["agent"] != "Firefox" || next != "" {
		t.Errorf("the page after: %v, next %q", page, next)
	}

	missing := d.must(404, "DELETE", "/auth/sessions/ses_none", mine, "")
	if foreign := d.must(404, "DELETE", "/auth/sessions/"+id, theirs, ""); missing.body != foreign.body {
		t.Errorf("missing: %s; another's: %s", missing.body, foreign.body)
	}
	d.must(204, "DELETE", "/auth/sessions/"+id, mine, "")
	d.must(401, "GET", "/auth/sessions", "Session "+first, "")
	another := d.enters(user, "acct_1", "owner")
	if a := d.must(200, "POST", "/auth/sessions/revoke-others", mine, ""); a.body != `{"revoked":2}` {
		t.Errorf("others: got %s, want 2", a.body)
	}
	d.must(401, "POST", "/auth/sessions/revoke-all", another, "")
	d.must(204, "POST", "/auth/sessions/revoke-all", mine, "")
	d.must(401, "GET", "/auth/sessions", mine, "")
	d.must(200, "GET", "/auth/sessions", theirs, "")
	var notes []string
	for _, e := range d.events("acct_1") {
		if e.Kind == "session.ended" {
			notes = append(notes, e.Note)
		}
	}
	if len(notes) != 3 {
		t.Errorf("got events %q, want 3", notes)
	}
	for _, rt := range [][2]string{{"GET", ""}, {"DELETE", "/" + id}, {"POST", "/revoke-others"}, {"POST", "/revoke-all"}} {
		if a := d.do(rt[0], "/auth/sessions"+rt[1], "Bearer "+d.key, ""); a.status != 403 || a.code() != "person_required" {
			t.Errorf("%v by a key: got %d %s, want 403 person_required", rt, a.status, a.body)
		}
	}
	d.suspend("acct_1")
	d.must(200, "GET", "/auth/sessions", theirs, "") // case A10
}

// An application with its own login has no sessions of Tollgate's to show.
func TestOwnLoginHasNoSessions(t *testing.T) {
	d := newDesk(t, ownLogin)
	_, owner := d.joins("acct_1", "owner")
	d.must(404, "GET", "/auth/sessions", owner, "")
	d.must(404, "POST", "/auth/sessions/revoke-all", owner, "")
}

package portal_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Bulk revocation: by owner, by maker, by age, all; every key is an event.
func TestRevokeMany(t *testing.T) {
	desks(t, func(t *testing.T, d *desk) {
		ownerID, owner := d.joins("acct_1", "owner")
		editorID, editor := d.joins("acct_1", "editor")
		keys := map[string]keyAnswer{
			"the owner's": d.makes(owner, seedCreate), "the editor's": d.makes(editor, seedCreate),
			"the account's": d.makes(owner, `{"name":"service","permissions":["read"],"service":true}`),
		}
		d.setNow(d.time().Add(time.Hour))
		keys["the editor's new one"] = d.makes(editor, seedCreate)
		alive := func(want ...string) {
			t.Helper()
			var got []string
			for name, key := range keys {
				if d.do("GET", "/rubrics", "Bearer "+key.Key, "").status == 200 {
					got = append(got, name)
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if !cmp.Equal(got, want) {
				t.Errorf("alive: %v, want %v", got, want)
			}
		}
		revoke := func(auth, body, want string) {
			t.Helper()
			d.setNow(d.time().Add(time.Second))
			if a := d.do("POST", "/api-keys/revoke", auth, body); a.status != 200 || a.body != want {
				t.Errorf("%s: %d %s, want %s", body, a.status, a.body, want)
			}
		}
		for _, body := range []string{
			`{}`, `{"reason":"x"}`, `{"all":true}`, `{"all":false,"reason":"x"}`, `{"all":true,"owner":"` + editorID + `","reason":"x"}`,
			`{"created_before":"0001-01-01T00:00:00Z","reason":"x"}`, `{"created_before":"","reason":"x"}`, `{"all":null,"reason":"x"}`, `{"ALL":true,"reason":"x"}`,
		} {
			if a := d.do("POST", "/api-keys/revoke", owner, body); a.status != 400 {
				t.Errorf("%s: %d %s", body, a.status, a.body)
			}
		}
		d.must(403, "POST", "/api-keys/revoke", editor, `{"owner":"`+ownerID+`","reason":"x"}`)
		alive("the owner's", "the editor's", "the account's", "the editor's new one")
		revoke(owner, `{"owner":"`+editorID+`","created_before":"2026-11-21T09:30:00Z","reason":"found `+keys["the editor's"].Key+` in a log"}`, `{"revoked":1}`)
		alive("the owner's", "the account's", "the editor's new one")
		revoke(owner, `{"created_by":"`+ownerID+`","reason":"left"}`, `{"revoked":2}`)
		alive("the editor's new one")
		revoke(editor, `{"all":true,"reason":"tidy"}`, `{"revoked":1}`)
		alive()
		revoke(owner, `{"all":true,"reason":"tidy"}`, `{"revoked":1}`) // the fixture's
		revoke(owner, `{"all":true,"reason":"tidy"}`, `{"revoked":0}`)

		if a := d.must(200, "GET", "/api-keys/"+keys["the editor's"].ID, owner, ""); !strings.Contains(a.body, `"reason":"found mt_live_… in a log"`) { // case T1
			t.Error(a.body)
		}
		events, err := d.config.Store.Events().List(t.Context(), "acct_1", "", 100)
		if err != nil {
			t.Fatal(err)
		}
		told := map[string]int{}
		for _, e := range events {
			if e.Kind == "key.revoked" {
				told[e.Subject]++
			}
		}
		for name, key := range keys {
			if told[key.ID] != 1 {
				t.Errorf("%s: %d events", name, told[key.ID])
			}
		}
		if len(told) != 5 {
			t.Errorf("events %v", told)
		}
	})
}

// case A10: in a suspended account nobody makes or changes keys, and an owner
// can still look at them and revoke them.
func TestSuspendedKeys(t *testing.T) {
	desks(t, func(t *testing.T, d *desk) {
		_, owner := d.joins("acct_1", "owner")
		key := d.makes(owner, `{"name":"k","permissions":["read"],"service":true}`)
		d.suspend("acct_1")
		for _, c := range [][3]string{
			{"POST", "", seedCreate}, {"PATCH", "/" + key.ID, `{"name":"x"}`}, {"POST", "/" + key.ID + "/rotate"},
		} {
			if a := d.do(c[0], "/api-keys"+c[1], owner, c[2]); a.status != 403 || a.header.Get("X-Denied-Reason") != "account_suspended" {
				t.Errorf("%v: %d %s %s", c, a.status, a.body, a.header.Get("X-Denied-Reason"))
			}
		}
		if ids, _ := d.listed("/api-keys", owner); len(ids) != 2 {
			t.Errorf("listed %v", ids)
		}
		d.must(200, "GET", "/api-keys/"+key.ID, owner, "")
		d.must(204, "DELETE", "/api-keys/"+key.ID, owner, "")
		if a := d.must(200, "POST", "/api-keys/revoke", owner, `{"all":true,"reason":"closed"}`); a.body != `{"revoked":1}` {
			t.Error(a.body)
		}
	})
}

// While a leaked key burns the plan to 429, its owner revokes it.
func TestLeakedKeyUnderLoad(t *testing.T) {
	desks(t, func(t *testing.T, d *desk) {
		_, owner := d.joins("acct_1", "owner")
		key := d.makes(owner, seedCreate)
		for range 61 {
			d.do("GET", "/rubrics", "Bearer "+key.Key, "")
		}
		d.must(429, "GET", "/rubrics", "Bearer "+key.Key, "")
		d.must(429, "GET", "/projects", owner, "")
		d.must(200, "GET", "/api-keys", owner, "")
		d.must(204, "DELETE", "/api-keys/"+key.ID, owner, "")
		d.must(401, "GET", "/rubrics", "Bearer "+key.Key, "")
	})
}

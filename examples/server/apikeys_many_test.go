package main

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// Pages, newest first; one's own; those that will expire. case T4: no digest,
// no secret.
func TestListKeys(t *testing.T) {
	d := newDesk(t)
	ownerID, owner := d.joins("acct_1", roleOwner)
	_, editor := d.joins("acct_1", roleEditor)
	var mine, theirs []string
	for i := range 5 {
		expires := d.now.Add(time.Duration(5-i) * 24 * time.Hour).Format(time.RFC3339)
		mine = append(mine, d.makes(owner, `{"name":"mine","permissions":["read"],"expires_at":"`+expires+`"}`).ID)
		theirs = append(theirs, d.makes(editor, `{"name":"theirs","permissions":["read"]}`).ID)
	}
	slices.Reverse(theirs)
	for _, c := range []struct {
		auth, query string
		want        []string
	}{
		{editor, "", theirs},
		{editor, "?owner=me", theirs},
		{owner, "?owner=me", []string{mine[4], mine[3], mine[2], mine[1], mine[0]}},
		{owner, "?expiring_before=2026-11-24T10:00:00Z", []string{mine[4], mine[3], mine[2]}}, // the soonest first
		{owner, "?expiring_before=2026-11-24T10:00:00Z&limit=2", []string{mine[4], mine[3]}},
		{editor, "?expiring_before=2026-11-24T10:00:00Z", nil},
	} {
		if ids, _ := d.listed("/v1/api-keys"+c.query, c.auth); !cmp.Equal(ids, c.want) {
			t.Errorf("%s: %v, want %v", c.query, ids, c.want)
		}
	}
	var all []string
	for after := ""; ; {
		ids, next := d.listed("/v1/api-keys?limit=4&after="+after, owner)
		all = append(all, ids...)
		if after = next; next == "" {
			break
		}
	}
	if len(all) != 11 || !slices.IsSortedFunc(all, func(a, b string) int { return strings.Compare(b, a) }) { // the fixture's too
		t.Errorf("pages: %v", all)
	}
	for _, query := range []string{"owner=" + ownerID, "owner=you", "expiring_before=soon", "expiring_before=", "limit=0", "expiring_before=2027-01-31T00:00:00Z&after=key_1"} {
		if a := d.do("GET", "/v1/api-keys?"+query, owner, ""); a.status != 400 {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
	key := d.makes(owner, seedCreate)
	stored, err := d.KeyAdmin().Get(t.Context(), "acct_1", key.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/v1/api-keys?limit=200", "/v1/api-keys/" + key.ID, "/v1/api-keys?expiring_before=2036-11-24T10:00:00Z"} {
		body := d.must(200, "GET", path, owner, "").body
		for name, secret := range map[string]string{
			"key": key.Key[len("mt_live_"):][:23], "digest": hex.EncodeToString(stored.Digest.Sum[:]),
			"digest in base64": base64.RawStdEncoding.EncodeToString(stored.Digest.Sum[:]), "pepper": stored.Digest.Pepper, "member": `"key":`,
		} {
			if secret == "" || strings.Contains(body, secret) {
				t.Errorf("%s shows the %s: %s", path, name, body)
			}
		}
	}
}

// case K21: a call that comes again makes nothing and shows no secret; another
// under its idempotency key is an error; two at once make one key.
func TestIdempotency(t *testing.T) {
	t.Run("memory", func(t *testing.T) { testIdempotency(newDesk(t)) })
	t.Run("sqlite", func(t *testing.T) { testIdempotency(deskOn(t, "sqlite:"+filepath.Join(t.TempDir(), "db"))) })
}

func testIdempotency(d *desk) {
	t := d.t
	_, owner := d.joins("acct_1", roleOwner)
	_, editor := d.joins("acct_1", roleEditor)
	const header = "Idempotency-Key"
	body := `{"name":"k","permissions":["read"],"scope":{"projects":["proj_abc123"]},"expires_at":"2026-11-22T00:00:00Z"}`
	first := keyIn(t, d.must(201, "POST", "/v1/api-keys", owner, body, header, "a"))
	replayed := func(key shownKey, method, path, auth, body, id string) {
		t.Helper()
		a := d.do(method, path, auth, body, header, id)
		if again := keyIn(t, a); a.status != 200 || again.ID != key.ID || again.Key != "" || !again.SecretShown || a.header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("replay: %d %s", a.status, a.body)
		}
	}
	replayed(first, "POST", "/v1/api-keys", owner, body, "a")
	replayed(first, "POST", "/v1/api-keys", owner, ` { "permissions": ["read"], "name": "k", `+body[strings.Index(body, `"scope"`):], "a") // the same, spelt otherwise
	for _, c := range [][2]string{
		{"/v1/api-keys", seedCreate}, {"/v1/api-keys/" + first.ID + "/rotate", ""}, {"/v1/api-keys", `{"name":"","permissions":[]}`},
	} {
		if a := d.do("POST", c[0], owner, c[1], header, "a"); a.status != 422 || !strings.Contains(a.body, "IDEMPOTENCY_KEY_REUSED") {
			t.Errorf("%v: %d %s", c, a.status, a.body)
		}
	}
	if other := keyIn(t, d.must(201, "POST", "/v1/api-keys", editor, body, header, "a")); other.ID == first.ID {
		t.Error("another person's call was taken for this one")
	}
	for _, id := range []string{"", strings.Repeat("x", 256), "a\tb", "ü"} {
		if a := d.do("POST", "/v1/api-keys", owner, body, header, id); a.status != 400 {
			t.Errorf("%q: %d %s", id, a.status, a.body)
		}
	}
	d.must(201, "POST", "/v1/api-keys", owner, body, header, strings.Repeat("x", 255))

	next := keyIn(t, d.must(201, "POST", "/v1/api-keys/"+first.ID+"/rotate", owner, `{"grace_seconds":60}`, header, "r"))
	replayed(next, "POST", "/v1/api-keys/"+first.ID+"/rotate", owner, `{"grace_seconds":60}`, "r")
	if a := d.do("POST", "/v1/api-keys/"+first.ID+"/rotate", owner, `{"grace_seconds":61}`, header, "r"); a.status != 422 {
		t.Errorf("another grace: %d %s", a.status, a.body)
	}
	if a := d.must(409, "POST", "/v1/api-keys/"+first.ID+"/rotate", owner, ""); !strings.Contains(a.body, "ROTATED_BEFORE") || !strings.Contains(a.body, "Its successor is "+next.ID) {
		t.Errorf("rotated twice: got %s, want the successor %s", a.body, next.ID)
	}
	if a := d.must(409, "POST", "/v1/api-keys/"+next.ID+"/rotate", owner, ""); !strings.Contains(a.body, "ROTATED_BEFORE") || !strings.Contains(a.body, first.ID) {
		t.Errorf("rotated in the grace: got %s, want the predecessor %s", a.body, first.ID)
	}

	// What could not be made any more is told all the same.
	d.now = d.now.Add(11 * time.Hour)
	replayed(first, "POST", "/v1/api-keys", owner, body, "a")
	next = d.makes(owner, seedCreate)

	for path, body := range map[string]string{
		"/v1/api-keys":                        seedCreate,
		"/v1/api-keys/" + next.ID + "/rotate": `{"grace_seconds":0}`,
	} {
		before, _ := d.listed("/v1/api-keys?limit=200", owner)
		var made, told atomic.Int32
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				switch a := d.do("POST", path, owner, body, header, "at once "+path); {
				case a.status == 201 && strings.Contains(a.body, `"key":`):
					made.Add(1)
				case a.status == 200 && !strings.Contains(a.body, `"key":`):
					told.Add(1)
				default:
					t.Errorf("%s: %d %s", path, a.status, a.body)
				}
			})
		}
		all.Wait()
		if after, _ := d.listed("/v1/api-keys?limit=200", owner); made.Load() != 1 || told.Load() != 19 || len(after) != len(before)+1 {
			t.Errorf("%s, 20 at once: %d made, %d told, %d keys more", path, made.Load(), told.Load(), len(after)-len(before))
		}
	}
}

// case K22: the quota holds for 30 at once; what is revoked makes room.
func TestQuota(t *testing.T) {
	t.Run("memory", func(t *testing.T) { testQuota(newDesk(t)) })
	t.Run("sqlite", func(t *testing.T) { testQuota(deskOn(t, "sqlite:"+filepath.Join(t.TempDir(), "db"))) })
}

func testQuota(d *desk) {
	t := d.t
	c := d.keyConfig()
	c.Quota = 8 // the fixture's key is one of them
	var err error
	if d.server.keys, err = apikey.New(c); err != nil {
		t.Fatal(err)
	}
	_, owner := d.joins("acct_1", roleOwner)
	var made atomic.Int32
	var all sync.WaitGroup
	for range 30 {
		all.Go(func() {
			switch a := d.do("POST", "/v1/api-keys", owner, seedCreate); {
			case a.status == 201:
				made.Add(1)
			case a.status != 409 || !strings.Contains(a.body, "QUOTA_REACHED") || !strings.Contains(a.body, "The account has 8 API keys"):
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	all.Wait()
	if made.Load() != 7 {
		t.Errorf("%d keys were made, want 7", made.Load())
	}
	ids, _ := d.listed("/v1/api-keys?owner=me", owner)
	d.must(204, "DELETE", "/v1/api-keys/"+ids[0], owner, "")
	d.must(201, "POST", "/v1/api-keys", owner, seedCreate)
	d.must(409, "POST", "/v1/api-keys", owner, seedCreate)
}

// Bulk revocation: by owner, by maker, by age, all; every key is an event.
func TestRevokeMany(t *testing.T) {
	d := newDesk(t)
	ownerID, owner := d.joins("acct_1", roleOwner)
	editorID, editor := d.joins("acct_1", roleEditor)
	keys := map[string]shownKey{
		"the owner's": d.makes(owner, seedCreate), "the editor's": d.makes(editor, seedCreate),
		"the account's": d.makes(owner, `{"name":"service","permissions":["read"],"service":true}`),
	}
	d.now = d.now.Add(time.Hour)
	keys["the editor's new one"] = d.makes(editor, seedCreate)
	alive := func(want ...string) {
		t.Helper()
		var got []string
		for name, key := range keys {
			if d.do("GET", "/v1/rubrics", "Bearer "+key.Key, "").status == 200 {
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
		d.now = d.now.Add(time.Second)
		if a := d.do("POST", "/v1/api-keys/revoke", auth, body); a.status != 200 || a.body != want {
			t.Errorf("%s: %d %s, want %s", body, a.status, a.body, want)
		}
	}
	for _, body := range []string{
		`{}`, `{"reason":"x"}`, `{"all":true}`, `{"all":false,"reason":"x"}`, `{"all":true,"owner":"` + editorID + `","reason":"x"}`,
		`{"created_before":"0001-01-01T00:00:00Z","reason":"x"}`, `{"created_before":"","reason":"x"}`, `{"all":null,"reason":"x"}`, `{"ALL":true,"reason":"x"}`,
	} {
		if a := d.do("POST", "/v1/api-keys/revoke", owner, body); a.status != 400 {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	d.must(403, "POST", "/v1/api-keys/revoke", editor, `{"owner":"`+ownerID+`","reason":"x"}`)
	alive("the owner's", "the editor's", "the account's", "the editor's new one")
	revoke(owner, `{"owner":"`+editorID+`","created_before":"2026-11-21T09:30:00Z","reason":"found `+keys["the editor's"].Key+` in a log"}`, `{"revoked":1}`)
	alive("the owner's", "the account's", "the editor's new one")
	revoke(owner, `{"created_by":"`+ownerID+`","reason":"left"}`, `{"revoked":2}`)
	alive("the editor's new one")
	revoke(editor, `{"all":true,"reason":"tidy"}`, `{"revoked":1}`)
	alive()
	revoke(owner, `{"all":true,"reason":"tidy"}`, `{"revoked":1}`) // the fixture's
	revoke(owner, `{"all":true,"reason":"tidy"}`, `{"revoked":0}`)

	if a := d.must(200, "GET", "/v1/api-keys/"+keys["the editor's"].ID, owner, ""); !strings.Contains(a.body, `"reason":"found mt_live_… in a log"`) { // case T1
		t.Error(a.body)
	}
	events, err := d.Events().List(t.Context(), "acct_1", "", 100)
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
}

// case A10: in a suspended account nobody makes or changes keys, and an owner
// can still look at them and revoke them.
func TestSuspendedKeys(t *testing.T) {
	d := newDesk(t)
	_, owner := d.joins("acct_1", roleOwner)
	key := d.makes(owner, `{"name":"k","permissions":["read"],"service":true}`)
	if err := d.Accounts().SetStatus(t.Context(), "acct_1", authz.Suspended); err != nil {
		t.Fatal(err)
	}
	d.now = d.now.Add(time.Minute)
	for _, c := range [][3]string{
		{"POST", "", seedCreate}, {"PATCH", "/" + key.ID, `{"name":"x"}`}, {"POST", "/" + key.ID + "/rotate"},
	} {
		if a := d.do(c[0], "/v1/api-keys"+c[1], owner, c[2]); a.status != 403 || a.header.Get("X-Denied-Reason") != "account_suspended" || a.body != nested403 {
			t.Errorf("%v: %d %s %s", c, a.status, a.body, a.header.Get("X-Denied-Reason"))
		}
	}
	if ids, _ := d.listed("/v1/api-keys", owner); len(ids) != 2 {
		t.Errorf("listed %v", ids)
	}
	d.must(200, "GET", "/v1/api-keys/"+key.ID, owner, "")
	d.must(204, "DELETE", "/v1/api-keys/"+key.ID, owner, "")
	if a := d.must(200, "POST", "/v1/api-keys/revoke", owner, `{"all":true,"reason":"closed"}`); a.body != `{"revoked":1}` {
		t.Error(a.body)
	}
}

// While a leaked key burns the plan to 429, its owner revokes it.
func TestLeakedKeyUnderLoad(t *testing.T) {
	d := newDesk(t)
	_, owner := d.joins("acct_1", roleOwner)
	key := d.makes(owner, seedCreate)
	for range 61 {
		d.do("GET", "/v1/rubrics", "Bearer "+key.Key, "")
	}
	d.must(429, "GET", "/v1/rubrics", "Bearer "+key.Key, "")
	d.must(429, "GET", "/v1/projects", owner, "")
	d.must(200, "GET", "/v1/api-keys", owner, "")
	d.must(204, "DELETE", "/v1/api-keys/"+key.ID, owner, "")
	d.must(401, "GET", "/v1/rubrics", "Bearer "+key.Key, "")
}

// raced is a store in which somebody is quicker: between the first and the
// second reading of a key, between happens.
type raced struct {
	store.KeyAdmin
	reads   atomic.Int32
	between func()
}

func (s *raced) Get(ctx context.Context, account, id string) (store.Key, error) {
	if s.reads.Add(1) == 2 {
		s.between()
	}
	return s.KeyAdmin.Get(ctx, account, id)
}

// racing is a store whose keys are raced for.
type racing struct {
	store.Store
	keys *raced
}

func (s racing) KeyAdmin() store.KeyAdmin { return s.keys }

// A change of the permissions does not undo the scope that another gave the
// key at the same time.
func TestUpdatesMeet(t *testing.T) {
	d := newDesk(t)
	_, owner := d.joins("acct_1", roleOwner)
	key := d.makes(owner, seedCreate)
	c, slow := d.keyConfig(), &raced{KeyAdmin: d.KeyAdmin()}
	c.Store = racing{c.Store, slow}
	quick := d.server.keys
	slowly, err := apikey.New(c)
	if err != nil {
		t.Fatal(err)
	}
	slow.between = func() {
		d.server.keys = quick
		d.must(200, "PATCH", "/v1/api-keys/"+key.ID, owner, `{"scope":{"projects":["proj_abc123"]}}`)
		d.server.keys = slowly
	}
	d.server.keys = slowly
	if a := d.must(409, "PATCH", "/v1/api-keys/"+key.ID, owner, `{"permissions":["read"]}`); !strings.Contains(a.body, "CONFLICT") {
		t.Error(a.body)
	}
	a := d.must(200, "PATCH", "/v1/api-keys/"+key.ID, owner, `{"permissions":["read"]}`)
	if !strings.Contains(a.body, `"permissions":["read"],"scope":{"projects":["proj_abc123"]}`) {
		t.Error(a.body)
	}
}

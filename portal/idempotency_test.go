package portal_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// case K21: a call that comes again makes nothing and shows no secret; another
// under its idempotency key is an error; two at once make one key.
func TestIdempotency(t *testing.T) { desks(t, testIdempotency) }

func testIdempotency(t *testing.T, d *desk) {
	_, owner := d.joins("acct_1", "owner")
	_, editor := d.joins("acct_1", "editor")
	const header = "Idempotency-Key"
	body := `{"name":"k","permissions":["read"],"scope":{"projects":["proj_abc123"]},"expires_at":"2026-11-21T19:00:00Z"}`
	first := keyIn(t, d.must(201, "POST", "/api-keys", owner, body, header, "a"))
	replayed := func(key keyAnswer, method, path, auth, body, id string) {
		t.Helper()
		a := d.do(method, path, auth, body, header, id)
		if again := keyIn(t, a); a.status != 200 || again.ID != key.ID || again.Key != "" || !again.SecretShown || a.header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("replay: %d %s", a.status, a.body)
		}
	}
	replayed(first, "POST", "/api-keys", owner, body, "a")
	replayed(first, "POST", "/api-keys", owner, ` { "permissions": ["read"], "name": "k", `+body[strings.Index(body, `"scope"`):], "a") // the same, spelt otherwise
	for _, c := range [][2]string{
		{"/api-keys", seedCreate}, {"/api-keys/" + first.ID + "/rotate", ""}, {"/api-keys", `{"name":"","permissions":[]}`},
	} {
		if a := d.do("POST", c[0], owner, c[1], header, "a"); a.status != 422 || !strings.Contains(a.body, "idempotency_key_reused") {
			t.Errorf("%v: %d %s", c, a.status, a.body)
		}
	}
	if other := keyIn(t, d.must(201, "POST", "/api-keys", editor, body, header, "a")); other.ID == first.ID {
		t.Error("another person's call was taken for this one")
	}
	for _, id := range []string{"", strings.Repeat("x", 256), "a\tb", "ü"} {
		if a := d.do("POST", "/api-keys", owner, body, header, id); a.status != 400 {
			t.Errorf("%q: %d %s", id, a.status, a.body)
		}
	}
	d.must(201, "POST", "/api-keys", owner, body, header, strings.Repeat("x", 255))

	next := keyIn(t, d.must(201, "POST", "/api-keys/"+first.ID+"/rotate", owner, `{"grace_seconds":60}`, header, "r"))
	replayed(next, "POST", "/api-keys/"+first.ID+"/rotate", owner, `{"grace_seconds":60}`, "r")
	if a := d.do("POST", "/api-keys/"+first.ID+"/rotate", owner, `{"grace_seconds":61}`, header, "r"); a.status != 422 {
		t.Errorf("another grace: %d %s", a.status, a.body)
	}
	if a := d.must(409, "POST", "/api-keys/"+first.ID+"/rotate", owner, ""); !strings.Contains(a.body, "rotated_before") || !strings.Contains(a.body, "Its successor is "+next.ID) {
		t.Errorf("rotated twice: got %s, want the successor %s", a.body, next.ID)
	}
	if a := d.must(409, "POST", "/api-keys/"+next.ID+"/rotate", owner, ""); !strings.Contains(a.body, "rotated_before") || !strings.Contains(a.body, first.ID) {
		t.Errorf("rotated in the grace: got %s, want the predecessor %s", a.body, first.ID)
	}

	// What could not be made any more is told all the same.
	d.setNow(d.time().Add(11 * time.Hour))
	replayed(first, "POST", "/api-keys", owner, body, "a")
	next = d.makes(owner, seedCreate)

	for _, tt := range []struct{ path, body string }{
		{"/api-keys", seedCreate},
		{"/api-keys/" + next.ID + "/rotate", `{"grace_seconds":0}`},
	} {
		before, _ := d.listed("/api-keys?limit=200", owner)
		var made, told atomic.Int32
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				switch a := d.do("POST", tt.path, owner, tt.body, header, "at once "+tt.path); {
				case a.status == 201 && strings.Contains(a.body, `"key":`):
					made.Add(1)
				case a.status == 200 && !strings.Contains(a.body, `"key":`):
					told.Add(1)
				default:
					t.Errorf("%s: %d %s", tt.path, a.status, a.body)
				}
			})
		}
		all.Wait()
		if after, _ := d.listed("/api-keys?limit=200", owner); made.Load() != 1 || told.Load() != 19 || len(after) != len(before)+1 {
			t.Errorf("%s, 20 at once: %d made, %d told, %d keys more", tt.path, made.Load(), told.Load(), len(after)-len(before))
		}
	}
}

// case K22: the quota holds for 30 at once; what is revoked makes room.
func TestQuota(t *testing.T) {
	desks(t, testQuota, func(d *desk) { d.config.MaxKeys = 8 }) // the fixture's key is one of them
}

func testQuota(t *testing.T, d *desk) {
	_, owner := d.joins("acct_1", "owner")
	var made atomic.Int32
	var all sync.WaitGroup
	for range 30 {
		all.Go(func() {
			switch a := d.do("POST", "/api-keys", owner, seedCreate); {
			case a.status == 201:
				made.Add(1)
			case a.status != 409 || !strings.Contains(a.body, "quota_reached") || !strings.Contains(a.body, "The account has 8 API keys"):
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	all.Wait()
	if made.Load() != 7 {
		t.Errorf("%d keys were made, want 7", made.Load())
	}
	ids, _ := d.listed("/api-keys?owner=me", owner)
	d.must(204, "DELETE", "/api-keys/"+ids[0], owner, "")
	d.must(201, "POST", "/api-keys", owner, seedCreate)
	d.must(409, "POST", "/api-keys", owner, seedCreate)
}

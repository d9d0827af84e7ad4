package portal_test

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Pages, newest first; one's own; those that will expire. case T4: no digest,
// no secret.
func TestListKeys(t *testing.T) {
	desks(t, func(t *testing.T, d *desk) {
		ownerID, owner := d.joins("acct_1", "owner")
		_, editor := d.joins("acct_1", "editor")
		_, administrator := d.joins("acct_1", "admin")
		var mine, theirs []string
		for i := range 5 {
			expires := d.time().Add(time.Duration(5-i) * 24 * time.Hour).Format(time.RFC3339)
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
			{owner, "?owner=me&expiring_before=2026-12-24T10:00:00Z&limit=2", []string{mine[4], mine[3]}},
			{administrator, "?owner=me&expiring_before=2026-12-24T10:00:00Z", nil},
			{administrator, "?expiring_before=2026-11-23T10:00:00Z", []string{mine[4], mine[3]}},
		} {
			if ids, _ := d.listed("/api-keys"+c.query, c.auth); !cmp.Equal(ids, c.want) {
				t.Errorf("%s: %v, want %v", c.query, ids, c.want)
			}
		}
		var all []string
		for after := ""; ; {
			ids, next := d.listed("/api-keys?limit=4&after="+after, owner)
			all = append(all, ids...)
			if after = next; next == "" {
				break
			}
		}
		if len(all) != 11 || !slices.IsSortedFunc(all, func(a, b string) int { return strings.Compare(b, a) }) { // the fixture's too
			t.Errorf("pages: %v", all)
		}
		for _, query := range []string{"owner=" + ownerID, "owner=you", "expiring_before=soon", "expiring_before=", "limit=0", "expiring_before=2027-01-31T00:00:00Z&after=key_1"} {
			if a := d.do("GET", "/api-keys?"+query, owner, ""); a.status != 400 {
				t.Errorf("%s: %d %s", query, a.status, a.body)
			}
		}
		key := d.makes(owner, seedCreate)
		stored, err := d.config.Store.KeyAdmin().Get(t.Context(), "acct_1", key.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/api-keys?limit=200", "/api-keys/" + key.ID, "/api-keys?expiring_before=2036-11-24T10:00:00Z"} {
			body := d.must(200, "GET", path, owner, "").body
			for _, tt := range []struct{ name, secret string }{
				{"key", key.Key[len("mt_live_"):][:23]}, {"digest", hex.EncodeToString(stored.Digest.Sum[:])},
				{"digest in base64", base64.RawStdEncoding.EncodeToString(stored.Digest.Sum[:])}, {"pepper", stored.Digest.Pepper}, {"member", `"key":`},
			} {
				if tt.secret == "" || strings.Contains(body, tt.secret) {
					t.Errorf("%s shows the %s: %s", path, tt.name, body)
				}
			}
		}
	})
}

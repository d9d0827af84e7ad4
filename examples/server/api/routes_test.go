package api

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/authz/authztest"
	"medtwin.ai/tollgate/examples/server/database"
	"medtwin.ai/tollgate/keyfmt"
)

// What every route requires, as it was reviewed.
func TestRoutes(t *testing.T) {
	c := newClocked(t, "free", "")
	authztest.Golden(t, c.gate.Table(), "testdata/routes.golden")
}

// case A14: of 10,000 projects a key sees its three, on full pages, by a
// condition in the query.
func TestPagesOfWhatIsVisible(t *testing.T) {
	c := newClocked(t, "enterprise", "100000-M")
	var mine []string
	if err := c.db.Do(t.Context(), func(tx database.Tx) error {
		for i := range 10_000 {
			id := keyfmt.NewID("proj_", c.now.Add(time.Duration(i)*time.Millisecond))
			if i%4000 == 1234 {
				mine = append(mine, id)
			}
			if _, err := tx.Exec(t.Context(), `INSERT INTO tollgate_server.documents VALUES ('acct_1', 'live', 'projects', '', $1, $2, $3)`,
				id, fmt.Sprintf(`{"name":"Study %d"}`, i), c.now.UnixMicro()); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	grant := c.everything()
	grant.Scope[projects] = authz.Of(append(mine, "proj_elsewhere")...)
	_, key, err := c.keys.Issue(t.Context(), authn.Operator("acct_1"), apikey.Spec{Name: "three", Environment: live, Grant: grant}, c.now)
	if err != nil {
		t.Fatal(err)
	}
	first, next := c.call("GET", "/v1/projects?limit=2", key.Reveal(), "").list(t)
	second, end := c.call("GET", "/v1/projects?limit=2&after="+next, key.Reveal(), "").list(t)
	var seen []string
	for _, d := range append(first, second...) {
		seen = append(seen, fmt.Sprint(d["id"]))
	}
	if len(first) != 2 || end != "" || !slices.Equal(seen, mine) || len(mine) != 3 {
		t.Errorf("pages of %d and %d, then %q: %v, want %v", len(first), len(second), end, seen, mine)
	}
}

package portal

import (
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/memory"
)

// After a change of password the keys that the person has made lately are counted, in all
// their accounts, and revoked if that is asked for. case K25
func TestRecentKeys(t *testing.T) {
	days := func(n int) *int { return &n }
	for _, tt := range []struct {
		name   string
		revoke *int
		want   recentKeys
		live   []string // that are live afterwards, of those made below
	}{
		{"count", nil, recentKeys{Days: 30, Made: 4}, []string{"old", "lately", "service", "elsewhere", "another's", "viewed", "today"}},
		{"of a week", days(7), recentKeys{Days: 7, Made: 3, Revoked: 3}, []string{"old", "lately", "another's", "viewed"}},
		{"of a month", days(31), recentKeys{Days: 31, Made: 4, Revoked: 4}, []string{"old", "another's", "viewed"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
			db, err := memory.New(memory.Config{})
			if err != nil {
				t.Fatal(err)
			}
			secrets, err := keyfmt.NewKeyring(keyfmt.GeneratePepper("p1"))
			if err != nil {
				t.Fatal(err)
			}
			gate, err := tollgate.New(tollgate.Config{
				Store: db, Secrets: secrets, Prefix: "mt", Permissions: []string{"read", "admin"}, ReadOnly: []string{"read"},
				Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
			})
			if err != nil {
				t.Fatal(err)
			}
			p, err := newPortal(Config{Gate: gate})
			if err != nil {
				t.Fatal(err)
			}
			belongs := func(user, account, role string) *authn.Principal {
				t.Helper()
				m := store.Membership{User: user, Account: account, Role: role, Created: now}
				if err := db.Memberships().Put(t.Context(), m); err != nil {
					t.Fatal(err)
				}
				return &authn.Principal{
					Kind: authn.KindOperator, ID: user, User: user, Account: account, // past the questions that a manager asks people
					Rights: gate.Model().Rights(authz.Active, gate.Config().Roles(m)),
				}
			}
			for _, id := range []string{"acct_1", "acct_2"} {
				if err := db.Accounts().Create(t.Context(), store.Account{ID: id, Status: authz.Active, Created: now}); err != nil {
					t.Fatal(err)
				}
			}
			for _, id := range []string{"ann", "bob"} {
				if err := db.Users().Create(t.Context(), store.User{ID: id, Email: id + "@example.com", Status: authz.Active, Created: now}); err != nil {
					t.Fatal(err)
				}
			}
			ann, there, bob := belongs("ann", "acct_1", "admin"), belongs("ann", "acct_2", "admin"), belongs("bob", "acct_1", "owner")
			keys := map[string]string{} // the accounts, by key id
			names := map[string]string{}
			makes := func(name string, by *authn.Principal, owner string) string {
				t.Helper()
				now = now.Add(time.Second)
				grant := gate.Model().Everything()
				grant.Permissions = authz.Of("read")
				key, _, err := gate.Keys().Issue(t.Context(), by, apikey.Spec{Name: name, Environment: "live", Grant: grant, Owner: owner}, now)
				if err != nil {
					t.Fatal(err)
				}
				keys[key.ID], names[key.ID] = by.Account, name
				return key.ID
			}
			makes("another's", bob, "bob")
			makes("old", ann, "ann")
			now = now.AddDate(0, 0, 40)
			makes("lately", ann, "ann")
			now = now.AddDate(0, 0, 20)
			makes("today", ann, "ann")
			makes("service", ann, "")
			ended := makes("ended", ann, "ann")
			if err := gate.Keys().Revoke(t.Context(), ann, ended, "", now); err != nil {
				t.Fatal(err)
			}
			makes("elsewhere", there, "ann")
			makes("viewed", there, "")
			belongs("ann", "acct_2", "viewer") // who may not revoke the account's own any more

			got := p.recentKeys(httptest.NewRequest("POST", "/", nil), "ann", tt.revoke, now)
			if *got != tt.want {
				t.Errorf("got %+v, want %+v", *got, tt.want)
			}
			live := map[string]bool{}
			for _, name := range tt.live {
				live[name] = true
			}
			for id, account := range keys {
				key, err := db.KeyAdmin().Get(t.Context(), account, id)
				if err != nil || key.Live(now) != live[names[id]] {
					t.Errorf("the key %q: got live %t, %v; want %t", names[id], key.Live(now), err, live[names[id]])
				}
			}
			events := 0
			for _, account := range []string{"acct_1", "acct_2"} {
				list, err := db.Events().List(t.Context(), account, "", 100)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range list {
					if e.Kind == "key.revoked" && e.Note == passwordChanged {
						events++
					}
				}
			}
			if events != tt.want.Revoked {
				t.Errorf("got %d events, want %d", events, tt.want.Revoked)
			}
		})
	}
}

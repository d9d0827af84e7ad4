package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// An owner whose leave hangs in Postgres after it was found to be no harm does
// not leave when it is one: nothing of it comes true once the lock is lost.
func TestLastOwnerWhileOneHangs(t *testing.T) {
	b := two(t)
	ctx := t.Context()
	connect := func() (*pgx.Conn, error) { return pgx.ConnectConfig(ctx, b[0].db.Pool().Config().ConnConfig) }
	look, err := connect()
	if err != nil {
		t.Fatal(err)
	}
	defer look.Close(context.Background())
	for method, body := range map[string]string{"DELETE": "", "PATCH": `{"role":"viewer"}`} {
		t.Run(method, func(t *testing.T) {
			account := "acct_" + method
			if err := b[0].Accounts().Create(ctx, store.Account{ID: account, Status: authz.Active}); err != nil {
				t.Fatal(err)
			}
			var users, auths [2]string
			for i := range users {
				users[i] = fmt.Sprint("user_", method, i)
				user := store.User{ID: users[i], Email: users[i] + "@example.com", Password: "some hash", Status: authz.Active}
				err := b[0].Users().Create(ctx, user)
				if err == nil {
					err = b[0].Memberships().Put(ctx, store.Membership{User: user.ID, Account: account, Role: roleOwner})
				}
				_, token, bad := b[0].sessions.Start(ctx, session.Spec{User: user, Account: account}, b[0].now)
				if err != nil || bad != nil {
					t.Fatal(err, bad)
				}
				auths[i] = "Session " + token.Reveal()
			}
			held, err := connect()
			if err != nil {
				t.Fatal(err)
			}
			defer held.Close(context.Background())
			if _, err := held.Exec(ctx, `BEGIN; SELECT * FROM tollgate.memberships WHERE user_id = '`+users[0]+`' FOR UPDATE`); err != nil {
				t.Fatal(err)
			}
			var first, second answer
			var asked sync.WaitGroup
			asked.Go(func() { first = b[0].as(auths[0], method, "/v1/team/"+users[0], body) })
			eventually(t, look, `SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)
			eventually(t, look, `SELECT count(pg_terminate_backend(pid)) = 1 FROM pg_locks
				WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
			second = b[1].as(auths[1], method, "/v1/team/"+users[1], body)
			if _, err := held.Exec(ctx, `COMMIT`); err != nil {
				t.Fatal(err)
			}
			asked.Wait()
			members, err := b[0].Memberships().OfAccount(ctx, account, "", 9)
			owners := 0
			for _, m := range members {
				if m.Role == roleOwner {
					owners++
				}
			}
			if err != nil || owners != 1 || first.status != 503 || second.status >= 300 {
				t.Errorf("%d owners, %v, after %d and %d", owners, err, first.status, second.status)
			}
		})
	}
}

// eventually waits until Postgres answers a query with true.
func eventually(t *testing.T, conn *pgx.Conn, query string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(20 * time.Second); ; <-tick.C {
		var yes bool
		if err := conn.QueryRow(t.Context(), query).Scan(&yes); err != nil || time.Now().After(late) {
			t.Fatalf("never: %s, %v", query, err)
		}
		if yes {
			return
		}
	}
}

// If the operator begins to vouch for a user while an account invites them again,
// the account gets no valid invitation.
func TestVouchingMeanwhile(t *testing.T) {
	const victim = `{"email":"victim@example.com","role":"viewer"}`
	for name, between := range map[string]func(i *interposed, f func()){
		"before it is made":        func(i *interposed, f func()) { i.user = f },
		"after it was looked into": func(i *interposed, f func()) { i.leaves = f },
	} {
		t.Run(name, func(t *testing.T) {
			c := newClocked(t, "standard", "")
			ctx := t.Context()
			if err := c.Accounts().Create(ctx, store.Account{ID: "acct_2", Status: authz.Active, Created: c.now}); err != nil {
				t.Fatal(err)
			}
			if _, err := c.addUser(ctx, "evil@example.com", "", secret, "acct_2", roleOwner); err != nil {
				t.Fatal(err)
			}
			evil := c.session("evil@example.com")
			id := text(c.as(evil, "POST", "/v1/team", victim).body, "id")
			if a := c.as(evil, "DELETE", "/v1/team/"+id, ""); a.status != 204 {
				t.Fatalf("remove: %d %s", a.status, a.body)
			}
			in := interposed{stores: c.stores}
			var got answer
			add := func() { got = c.as(evil, "POST", "/v1/team", victim) }
			adopt := func() {
				if _, err := c.addUser(ctx, "victim@example.com", "", "", "acct_1", roleEditor); err != nil {
					t.Error(err)
				}
			}
			inner, outer := adopt, add
			if name == "after it was looked into" {
				inner, outer = add, adopt
			}
			did := false
			between(&in, func() { did = true; inner() })
			c.stores = &in
			var err error
			if c.logins, err = login.New(login.Config{
				Store: c.stores, Sessions: c.sessions, Passwords: c.gate.Passwords(), Secret: c.secrets.Derive("login"),
			}); err != nil {
				t.Fatal(err)
			}
			outer()
			b, _ := json.Marshal(map[string]string{"token": text(got.body, "invitation"), "password": secret})
			if a := c.do("POST", "/v1/auth/accept", string(b)); !did || got.status != 201 || a.status != 400 {
				t.Errorf("invited: %d %s; accepted: %d %s", got.status, got.body, a.status, a.body)
			}
			if a := c.login("victim@example.com", secret); a.status != 401 {
				t.Errorf("with a password that others have chosen: %d", a.status)
			}
		})
	}
}

// interposed stores do something else first, once: when a user is read, when a
// membership ends.
type interposed struct {
	stores
	user, leaves func()
}

func (i *interposed) Users() store.Users { return interposedUsers{i.stores.Users(), i} }
func (i *interposed) Memberships() store.Memberships {
	return interposedMembers{i.stores.Memberships(), i}
}

type interposedUsers struct {
	store.Users
	in *interposed
}

func (u interposedUsers) Get(ctx context.Context, id string) (store.User, error) {
	first(&u.in.user)
	return u.Users.Get(ctx, id)
}

type interposedMembers struct {
	store.Memberships
	in *interposed
}

func (m interposedMembers) Remove(ctx context.Context, account, user string) error {
	first(&m.in.leaves)
	return m.Memberships.Remove(ctx, account, user)
}

// first runs what is there, once.
func first(f *func()) {
	if do := *f; do != nil {
		*f = nil
		do()
	}
}

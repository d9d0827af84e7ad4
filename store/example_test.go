package store_test

import (
	"context"
	"fmt"
	"time"

	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/memory"
)

// An invitation makes nobody a member before it is accepted.
func ExampleInvitations() {
	db, err := memory.New(memory.Config{})
	if err != nil {
		panic(err)
	}
	ctx, now := context.Background(), time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	check := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	check(db.Accounts().Create(ctx, store.Account{ID: "acme"}))
	check(db.Users().Create(ctx, store.User{ID: "user_1", Email: "ada@example.org"}))
	check(db.Invitations().Put(ctx, store.Invitation{
		ID: "inv_1", Account: "acme", Email: "ada@example.org", Role: "viewer", Created: now, Expires: now.Add(72 * time.Hour),
	}))
	members, err := db.Memberships().OfUser(ctx, "user_1")
	fmt.Println(len(members), err)
	m, err := db.Invitations().Accept(ctx, "acme", "inv_1", "user_1", now)
	fmt.Println(m.Role, err)
	// Output:
	// 0 <nil>
	// viewer <nil>
}

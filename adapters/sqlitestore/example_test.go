package sqlitestore_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"medtwin.ai/tollgate/adapters/sqlitestore"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// Keep a key in a file, and find it again by its digest after a restart.
func Example() {
	dir, err := os.MkdirTemp("", "tollgate")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "tollgate.db")

	ctx, now := context.Background(), time.Now()
	live, err := keyfmt.New("mt_live_")
	if err != nil {
		log.Fatal(err)
	}
	token := live.Generate()
	digest := keyfmt.InsecureUnpeppered().Digest(token) // better: a keyring with a pepper

	db, err := sqlitestore.Open(sqlitestore.Config{Path: path})
	if err != nil {
		log.Fatal(err)
	}
	err = db.Accounts().Create(ctx, store.Account{ID: "acct_1", Status: authz.Active, Plan: "free", Created: now})
	if err != nil {
		log.Fatal(err)
	}
	const quota = 10
	err = db.KeyAdmin().Create(ctx, store.Key{
		ID: keyfmt.NewID("key_", now), Account: "acct_1", Name: "Production Server", Environment: "live",
		Digest: digest, Hint: token.Hint(), Created: now,
	}, quota, now)
	if err != nil {
		log.Fatal(err)
	}
	if err := db.Close(); err != nil {
		log.Fatal(err)
	}

	db, err = sqlitestore.Open(sqlitestore.Config{Path: path})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	key, owner, err := db.Keys().Find(ctx, digest)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(key.Name, key.Live(now), owner.Account.Plan, owner.Account.Status)
	// Output: Production Server true free active
}

// Print the schema, for those who review it or run it by hand.
func ExampleMigrations() {
	for _, m := range sqlitestore.Migrations() {
		fmt.Println(m.Version, m.Name)
	}
	// Output:
	// 1 keys_and_accounts
	// 2 people
	// 3 owners
	// 4 resets
	// 5 retention
	// 6 fingerprints
}

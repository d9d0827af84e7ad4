package pgstore_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/jackc/pgx/v5"

	"medtwin.ai/tollgate/adapters/pgstore"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// Keep a key in Postgres, and find it again by its digest.
func Example() {
	ctx, now := context.Background(), time.Now()
	live, err := keyfmt.New("mt_live_")
	if err != nil {
		log.Fatal(err)
	}
	token := live.Generate()
	digest := keyfmt.InsecureUnpeppered().Digest(token) // better: a keyring with a pepper

	config := pgstore.Config{URL: os.Getenv("DATABASE_URL")}
	if err := pgstore.Migrate(ctx, config, len(pgstore.Migrations(config.Schema))); err != nil {
		log.Fatal(err)
	}
	db, err := pgstore.Open(ctx, config)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
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

	key, owner, err := db.Keys().Find(ctx, digest)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(key.Name, key.Live(now), owner.Account.Plan, owner.Account.Status)
	// Output: Production Server true free active
}

// Print the schema, for those who review it or run it by hand.
func ExampleMigrations() {
	for _, m := range pgstore.Migrations("tollgate") {
		fmt.Println(m.Version, m.Name)
	}
	// Output:
	// 1 all_records
	// 2 always_told
	// 3 resets
	// 4 retention
	// 5 fingerprints
}

// Go through a pooler in transaction mode, but hear of changes without it.
func ExampleConfig_listen() {
	listen, err := pgx.ParseConfig("postgres://app@db.internal:5432/app")
	if err != nil {
		log.Fatal(err)
	}
	config := pgstore.Config{
		URL:    "postgres://app@pgbouncer.internal:6432/app?pool_max_conns=20&default_query_exec_mode=exec",
		Listen: listen,
	}
	db, err := pgstore.Open(context.Background(), config)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
}

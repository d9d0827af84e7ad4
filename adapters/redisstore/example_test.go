package redisstore_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"medtwin.ai/tollgate/adapters/redisstore"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// Keep a session in Redis, find it by its digest, and end it.
func Example() {
	server, err := miniredis.Run() // stands for a Redis
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: true})
	defer client.Close()

	db, err := redisstore.New(redisstore.Config{Client: client})
	if err != nil {
		log.Fatal(err)
	}
	ctx, now := context.Background(), time.Now()
	format, err := keyfmt.New("sess_")
	if err != nil {
		log.Fatal(err)
	}
	digest := keyfmt.InsecureUnpeppered().Digest(format.Generate()) // better: a keyring with a pepper
	err = db.Sessions().Create(ctx, store.Session{
		ID: keyfmt.NewID("ses_", now), User: "user_1", Account: "acct_1", Digest: digest,
		Created: now, Expires: now.Add(30 * 24 * time.Hour), Idle: 24 * time.Hour,
	})
	if err != nil {
		log.Fatal(err)
	}
	session, err := db.Sessions().Find(ctx, digest)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(session.User, session.Live(now))

	if err := db.Sessions().Revoke(ctx, session.User, session.ID, now); err != nil {
		log.Fatal(err)
	}
	session, err = db.Sessions().Find(ctx, digest)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(session.User, session.Live(now))
	// Output:
	// user_1 true
	// user_1 false
}

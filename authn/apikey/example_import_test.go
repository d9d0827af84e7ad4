package apikey_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/memory"
)

// The keys of another system, which has stored their SHA-256, go on working.
func ExampleManager_Import() {
	db, err := memory.New(memory.Config{})
	check(err)
	model, err := authz.NewModel(authz.ModelConfig{Permissions: []string{"read"}})
	check(err)
	format, err := keyfmt.New("mt_live_")
	check(err)
	peppers, err := keyfmt.NewKeyring(keyfmt.GeneratePepper("2026-11"))
	check(err)
	keys, err := apikey.New(apikey.Config{
		Store: db, Model: model, Peppers: peppers,
		Formats:   map[string]keyfmt.Format{"live": format},
		Verifiers: map[string]apikey.Verifier{"old-portal": apikey.SHA256Hex("acme_")},
	})
	check(err)
	ctx, now := context.Background(), time.Now()
	check(db.Accounts().Create(ctx, store.Account{ID: "acct_1", Status: authz.Active, Created: now}))

	_, err = keys.Import(ctx, authn.Operator("acct_1"), apikey.Spec{
		Name: "from the old portal", Environment: "live", Grant: model.Everything(),
	}, apikey.Foreign{
		Verifier: "old-portal", Clear: "acme_0123",
		Hash: "febc8619d36b3def7b057a38e5cb4875c6e37838b5c64ae58772039bc8b48398",
	}, now)
	check(err)

	p, err := keys.Authenticate(ctx, authn.NewCredential("Bearer", "acme_0123456789abcdef0123456789abcdef"), now)
	check(err)
	fmt.Println(p.Account, p.Environment)
	// Output: acct_1 live
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

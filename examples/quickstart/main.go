// Command quickstart puts Tollgate in front of one handler: an API key says
// who is calling, its grant whether they may, its plan how often.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/ratelimit"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/memory"
)

func main() {
	ctx := context.Background()
	db := must(memory.New(memory.Config{})) // or sqlitestore.Open or pgstore.Open, and your data survives
	model := must(authz.NewModel(authz.ModelConfig{
		Permissions: []string{"read", "write"},
		ReadOnly:    []string{"read"},
		Kinds:       []string{"projects"},
	}))
	plan := must(ratelimit.ParsePlan("standard", "60-M, 10000-D"))

	// Who: keys look like acme_live_….
	keys := must(apikey.New(apikey.Config{
		Store: db.Keys(), Admin: db.KeyAdmin(), Changes: db, Model: model,
		Formats: map[string]keyfmt.Format{"live": must(keyfmt.New("acme_live_"))},
		Peppers: must(keyfmt.NewKeyring(keyfmt.GeneratePepper("p1"))), // keep yours in a secret manager
	}))
	go keys.Run(ctx) // revocations arrive by push, last uses are recorded
	auth := must(authn.New(authn.Config{Authenticators: []authn.Authenticator{keys}}))

	// How often: per account and environment.
	rate := must(ratelimit.New(ratelimit.Config{
		Plan: func(r *http.Request) (string, *ratelimit.Plan) {
			caller, _ := authn.FromContext(r.Context())
			return caller.Subject, plan
		},
	}))

	// May they: every route says what it needs.
	routes := must(authz.NewRoutes(authz.RoutesConfig{Model: model, Authenticate: auth.Wrap, Limit: rate.Wrap}))
	routes.Public("GET /health", "liveness", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "ok")
	}))
	routes.Handle("GET /v1/projects/{project}", authz.Need{
		ID: "projects.get", Permission: "read", From: map[string]string{"projects": "project"},
	}, http.HandlerFunc(getProject))

	// A key for project p1 alone, shown once.
	account := store.Account{ID: "acct_demo", Name: "Demo", Status: authz.Active}
	if err := db.Accounts().Create(ctx, account); err != nil {
		log.Fatal(err)
	}
	grant := model.Everything()
	grant.Permissions = authz.Of("read")
	grant.Scope["projects"] = authz.Of("p1")
	_, key, err := keys.Issue(ctx, authn.Operator(account.ID), apikey.Spec{
		Name: "quickstart", Environment: "live", Grant: grant,
	}, time.Now())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("curl localhost:8080/v1/projects/p1 -H 'Authorization: Bearer %s'\n", key.Reveal())
	log.Fatal(http.ListenAndServe("localhost:8080", routes))
}

// getProject is the handler you have. It runs only for callers who may.
func getProject(w http.ResponseWriter, r *http.Request) {
	caller, _ := authn.FromContext(r.Context())
	fmt.Fprintf(w, "%s reads %s\n", caller.ID, r.PathValue("project"))
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

// Command path has one request of a known caller decided, and writes which blocks
// of code that took into the folder that is its argument.
package main

import (
	"context"
	"log"
	"net/http"
	"os"
	"runtime/coverage"
	"time"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/memory"
)

func main() {
	ctx, db := context.Background(), must(memory.New(memory.Config{}))
	gate := must(tollgate.New(tollgate.Config{
		Store: db, Secrets: must(keyfmt.NewKeyring(keyfmt.GeneratePepper("p1"))), Prefix: "acme",
		Permissions: []string{"read"}, Resources: []string{"projects"}, Plans: map[string]string{"standard": "60-M"},
	}))
	check(db.Accounts().Create(ctx, store.Account{ID: "acme", Status: authz.Active}))
	grant := gate.Model().Everything()
	grant.Scope["projects"] = authz.Of("p1")
	_, key, err := gate.Keys().Issue(ctx, authn.Operator("acme"), apikey.Spec{Name: "k", Environment: "live", Grant: grant}, time.Now())
	check(err)
	text := "Bearer " + key.Reveal()
	guard := gate.Guard(authz.Need{ID: "projects.get", Permission: "read", From: map[string]string{"projects": "project"}})
	for range 3 { // the last is of a caller who is known, and has a record with the limiter
		r := must(http.NewRequest("GET", "/", nil))
		r.SetPathValue("project", "p1")
		r.Header.Set("Authorization", text)
		check(coverage.ClearCounters())
		must(guard.Check(r, http.Header{}))
	}
	check(coverage.WriteCountersDir(os.Args[1]))
	check(coverage.WriteMetaDir(os.Args[1]))
}

func must[T any](v T, err error) T {
	check(err)
	return v
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

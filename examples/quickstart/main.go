// Command quickstart serves one route to API keys that may read that project.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/adapters/sqlitestore"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
)

func main() {
	gate := must(tollgate.New(tollgate.Config{
		Store: must(sqlitestore.Open(sqlitestore.Config{Path: "acme.db"})), Secrets: must(keyfmt.OpenKeyring("acme.secrets")),
		Prefix: "acme", Plans: map[string]string{"standard": "60-M, 10000-D"},
		Permissions: []string{"read", "write"}, ReadOnly: []string{"read"}, Resources: []string{"projects"},
	}))
	need := authz.Need{ID: "projects.get", Permission: "read", From: map[string]string{"projects": "project"}}
	gate.Handle("GET /v1/projects/{project}", need, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "project", r.PathValue("project"))
	}))
	if !must(gate.Command(context.Background(), os.Args[1:], os.Stdout)) { // keys create --account acme …
		go gate.Run(context.Background())
		log.Fatal(http.ListenAndServe("localhost:8080", gate))
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

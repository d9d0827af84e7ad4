// Command chi is quickstart with a router of its own, chi.
package main

import (
	"context"
	"log"
	"net/http"
	"os"

	"github.com/go-chi/chi/v5"
	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/adapters/sqlitestore"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
)

func main() {
	gate := must(tollgate.New(tollgate.Config{
		Store: must(sqlitestore.Open(sqlitestore.Config{Path: "acme.db"})), Secrets: must(keyfmt.OpenKeyring("acme.secrets")), Prefix: "acme",
		Permissions: []string{"read", "write"}, Resources: []string{"projects"}, Plans: map[string]string{"standard": "60-M, 10000-D"},
	}))
	need := authz.Need{ID: "projects.get", Permission: "read", From: map[string]string{"projects": "project"}}
	routes := chi.NewRouter()
	routes.With(gate.Require(need)).Get("/v1/projects/{project}", func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("project " + chi.URLParam(r, "project")))
	})
	if !must(gate.Command(context.Background(), os.Args[1:], os.Stdout)) {
		go gate.Run(context.Background())
		log.Fatal(http.ListenAndServe("localhost:8080", routes))
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

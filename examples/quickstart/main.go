// Command quickstart serves one route to API keys that may read that project.
package main

import (
	"fmt"
	"log"
	"net/http"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/adapters/sqlitestore"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
)

func main() {
	gate := tollgate.Must(tollgate.New(tollgate.Config{
		Store:   tollgate.Must(sqlitestore.Open(sqlitestore.Config{Path: "acme.db"})),
		Secrets: tollgate.Must(keyfmt.OpenKeyring("acme.secrets")), Prefix: "acme",
		Permissions: []string{"read", "write"}, ReadOnly: []string{"read"}, Resources: []string{"projects"},
		Plans: map[string]string{"standard": "60-M, 10000-D"},
	}))
	need := authz.Need{ID: "projects.get", Permission: "read", From: map[string]string{"projects": "project"}}
	gate.Handle("GET /v1/projects/{project}", need, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "project", r.PathValue("project"))
	}))
	tollgate.Main(gate) // runs commands: keys create --account acme …
	log.Fatal(http.ListenAndServe("localhost:8080", gate))
}

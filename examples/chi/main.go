// Command chi is quickstart with a router of its own, chi.
package main

import (
	"log"
	"net/http"

	"github.com/go-chi/chi/v5"
	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/adapters/chimw"
	"medtwin.ai/tollgate/adapters/sqlitestore"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
)

func main() {
	gate := tollgate.Must(tollgate.New(tollgate.Config{
		Store:   tollgate.Must(sqlitestore.Open(sqlitestore.Config{Path: "acme.db"})),
		Secrets: tollgate.Must(keyfmt.OpenKeyring("acme.secrets")), Prefix: "acme",
		Permissions: []string{"read", "write"}, Resources: []string{"projects"}, Plans: map[string]string{"standard": "60-M, 10000-D"},
	}))
	need := authz.Need{ID: "projects.get", Permission: "read", From: map[string]string{"projects": "project"}}
	routes := chi.NewRouter()
	guard := chimw.New(gate, routes)
	routes.With(gate.Require(need)).Get("/v1/projects/{project}", func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("project " + chi.URLParam(r, "project")))
	})
	tollgate.Main(gate)
	log.Fatal(http.ListenAndServe("localhost:8080", tollgate.Must(guard.Start())))
}

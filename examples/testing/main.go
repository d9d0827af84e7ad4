// Package main shows how to test handlers that stand behind a gate: see main_test.go.
package main

import (
	"fmt"
	"log"
	"net/http"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/adapters/sqlitestore"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

func main() {
	db := tollgate.Must(sqlitestore.Open(sqlitestore.Config{Path: "acme.db"}))
	gate := tollgate.Must(newGate(db, tollgate.Must(keyfmt.OpenKeyring("acme.secrets"))))
	tollgate.Main(gate)
	log.Fatal(http.ListenAndServe("localhost:8080", gate))
}

// newGate declares the routes, for main and for tests.
func newGate(db store.Store, secrets *keyfmt.Keyring) (*tollgate.Gate, error) {
	gate, err := tollgate.New(tollgate.Config{
		Store: db, Secrets: secrets, Prefix: "acme",
		Permissions: []string{"read", "write"}, ReadOnly: []string{"read"}, Resources: []string{"projects"},
	})
	if err != nil {
		return nil, err
	}
	gate.Handle("GET /v1/hello", authz.Need{ID: "hello", Permission: "read"}, http.HandlerFunc(hello))
	gate.Handle("GET /v1/projects/{project}", authz.Need{ID: "projects.get", Permission: "read", From: map[string]string{"projects": "project"}},
		http.HandlerFunc(getProject))
	return gate, nil
}

// hello tells the caller who they are.
func hello(w http.ResponseWriter, r *http.Request) {
	caller, ok := authn.FromContext(r.Context())
	if !ok {
		http.Error(w, "the route has no need", http.StatusInternalServerError)
		return
	}
	fmt.Fprintf(w, "hello, %s of %s\n", caller.ID, caller.Account)
}

func getProject(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintln(w, "project", r.PathValue("project"))
}

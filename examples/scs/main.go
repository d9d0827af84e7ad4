// Command scs has people log in with the sessions of alexedwards/scs, and their API keys
// with Tollgate: Config.User says who is logged in.
package main

import (
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"
	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/adapters/sqlitestore"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/portal"
)

func main() {
	sessions := scs.New()
	sessions.Lifetime = 12 * time.Hour
	gate := tollgate.Must(tollgate.New(tollgate.Config{
		Store:   tollgate.Must(sqlitestore.Open(sqlitestore.Config{Path: "acme.db"})),
		Secrets: tollgate.Must(keyfmt.OpenKeyring("acme.secrets")),
		Prefix:  "acme", Permissions: []string{"read", "write"}, ReadOnly: []string{"read"},
		Plans: map[string]string{"standard": "60-M"},
		User: func(r *http.Request) (*tollgate.User, error) {
			id := sessions.GetString(r.Context(), "user")
			if id == "" {
				return nil, nil // nobody is logged in: a key may still be in the Authorization header
			}
			return &tollgate.User{ID: id, Account: "acme", Role: "editor", LoggedIn: time.Unix(sessions.GetInt64(r.Context(), "since"), 0)}, nil
		},
	}))
	// The routes for keys, under which an owner of a session manages their keys.
	tollgate.Must(portal.Handler(portal.Config{Gate: gate}))
	gate.Public("POST /login", "people log in here", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("user") != "ada" || r.PostFormValue("password") != "secret" { // your own check
			http.Error(w, "wrong user or password", http.StatusUnauthorized)
			return
		}
		if err := sessions.RenewToken(r.Context()); err != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
			return
		}
		sessions.Put(r.Context(), "user", "ada")
		sessions.Put(r.Context(), "since", time.Now().Unix())
	}))
	gate.Handle("GET /v1/reports", authz.Need{ID: "reports.list", Permission: "read"}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "no reports yet")
	}))
	tollgate.Main(gate)
	log.Fatal(http.ListenAndServe("localhost:8080", sessions.LoadAndSave(gate)))
}

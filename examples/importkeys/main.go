// Command importkeys takes over the keys of another system, which stored the SHA-256 of each
// in hex. Their holders go on using them: at its first use a key is digested anew.
//
//	go run . import < keys.csv    # lines: name, sha256 of the key in hex
//	go run .                      # serves them
package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/adapters/sqlitestore"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// account has the imported keys, and verifier is how they are told apart from others.
const account, verifier = "acme", "old-gateway"

func main() {
	db := tollgate.Must(sqlitestore.Open(sqlitestore.Config{Path: "acme.db"}))
	gate := tollgate.Must(tollgate.New(tollgate.Config{
		Store: db, Secrets: tollgate.Must(keyfmt.OpenKeyring("acme.secrets")),
		Prefix: "acme", Permissions: []string{"read", "write"}, ReadOnly: []string{"read"},
		Verifiers: map[string]apikey.Verifier{verifier: apikey.SHA256Hex("old_")}, // the old keys begin with old_
	}))
	gate.Handle("GET /v1/reports", authz.Need{ID: "reports.list", Permission: "read"}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "no reports yet")
	}))
	if len(os.Args) > 1 && os.Args[1] == "import" {
		fmt.Println(tollgate.Must(importKeys(context.Background(), gate, db)), "keys imported")
		return
	}
	tollgate.Main(gate)
	log.Fatal(http.ListenAndServe("localhost:8080", gate))
}

// importKeys imports the keys on standard input, and can be repeated: a key that is here
// already is left as it is.
func importKeys(ctx context.Context, gate *tollgate.Gate, db store.Store) (imported int, err error) {
	err = db.Accounts().Create(ctx, store.Account{ID: account, Name: account, Created: time.Now()})
	if err != nil && !errors.Is(err, store.ErrConflict) {
		return 0, err
	}
	lines, err := csv.NewReader(os.Stdin).ReadAll()
	if err != nil {
		return 0, err
	}
	for _, line := range lines {
		if len(line) != 2 {
			return imported, fmt.Errorf("%q: want a name and a hash", line)
		}
		grant := gate.Model().Everything()
		grant.Permissions = authz.Of("read")
		spec := apikey.Spec{Name: line[0], Environment: "live", Grant: grant}
		_, err := gate.Keys().Import(ctx, authn.Operator(account), spec, apikey.Foreign{Verifier: verifier, Hash: line[1], Clear: "old_"}, time.Now())
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			return imported, fmt.Errorf("%s: %w", line[0], err)
		}
		imported++
	}
	return imported, nil
}

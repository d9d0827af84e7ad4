package portal_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/portal"
	"medtwin.ai/tollgate/store/memory"
)

// An application with its own login lets its users make keys, which then open its API.
func Example() {
	db, _ := memory.New(memory.Config{}) // in earnest: sqlitestore.Open or pgstore.Open
	secrets, _ := keyfmt.NewKeyring(keyfmt.GeneratePepper("p1"))
	gate, err := tollgate.New(tollgate.Config{
		Store: db, Secrets: secrets, Prefix: "acme",
		Permissions: []string{"read", "write"}, ReadOnly: []string{"read"},
		User: func(r *http.Request) (*tollgate.User, error) {
			c, err := r.Cookie("acme_session") // in earnest: looked up
			if err != nil {
				return nil, nil
			}
			return &tollgate.User{ID: c.Value, Account: "acme-gmbh", Role: "editor"}, nil
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := portal.Declare(portal.Config{Gate: gate}); err != nil {
		fmt.Println(err)
		return
	}
	gate.Handle("GET /v1/notes", authz.Need{ID: "notes.list", Permission: "read"}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "the notes")
	}))

	// A user who is logged in makes a key.
	r := httptest.NewRequest("POST", "/v1/api-keys", strings.NewReader(`{"name":"CI","permissions":["read"]}`))
	r.Header.Set("Content-Type", "application/json")
	r.AddCookie(&http.Cookie{Name: "acme_session", Value: "ann"})
	w := httptest.NewRecorder()
	gate.ServeHTTP(w, r)
	var made struct{ Key, Owner, Status string }
	json.Unmarshal(w.Body.Bytes(), &made)
	fmt.Println(w.Code, made.Key[:10], made.Owner, made.Status)

	// The key opens the API.
	r = httptest.NewRequest("GET", "/v1/notes", nil)
	r.Header.Set("Authorization", "Bearer "+made.Key)
	w = httptest.NewRecorder()
	gate.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
	// Output:
	// 201 acme_live_ ann active
	// 200 the notes
}

// Command app-nethttp keeps notes.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"strconv"
	"sync"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/adapters/sqlitestore"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/portal"
)

type note struct {
	ID   int    `json:"id"`
	Text string `json:"text"`
}

type app struct {
	mu    sync.Mutex
	notes []note
}

func (a *app) list(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	writeJSON(w, 200, a.notes)
}

func (a *app) get(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.Atoi(r.PathValue("id"))
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil || id < 1 || id > len(a.notes) {
		writeJSON(w, 404, map[string]string{"error": "not found"})
		return
	}
	writeJSON(w, 200, a.notes[id-1])
}

func (a *app) create(w http.ResponseWriter, r *http.Request) {
	var n note
	if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
		writeJSON(w, 400, map[string]string{"error": err.Error()})
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	n.ID = len(a.notes) + 1
	a.notes = append(a.notes, n)
	writeJSON(w, 201, n)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

func main() {
	a := &app{notes: []note{}}
	gate := tollgate.Must(tollgate.New(tollgate.Config{
		Store: tollgate.Must(sqlitestore.Open(sqlitestore.Config{Path: "notes.db"})), Secrets: tollgate.Must(keyfmt.OpenKeyring("notes.secrets")),
		Prefix: "notes", Permissions: []string{"read", "write"}, ReadOnly: []string{"read"}, Resources: []string{"notes"},
		Plans: map[string]string{"standard": "60-M"}, LimitPerKey: true,
	}))
	tollgate.Must(portal.Handler(portal.Config{Gate: gate, Mail: portal.MailToLog(nil)}))
	all, one := []string{"notes"}, map[string]string{"notes": "id"}
	gate.Public("GET /health", "liveness", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("ok\n")) }))
	gate.Handle("GET /v1/notes", authz.Need{ID: "notes.list", Permission: "read", AllOf: all}, http.HandlerFunc(a.list))
	gate.Handle("POST /v1/notes", authz.Need{ID: "notes.create", Permission: "write", AllOf: all}, http.HandlerFunc(a.create))
	gate.Handle("GET /v1/notes/{id}", authz.Need{ID: "notes.get", Permission: "read", From: one}, http.HandlerFunc(a.get))
	tollgate.Main(gate)
	log.Println("listening on localhost:9001")
	log.Fatal(http.ListenAndServe("localhost:9001", gate))
}

// Command app-chi keeps projects and their reports. People log in with a cookie.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log"
	"net/http"
	"sync"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/adapters/sqlitestore"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/portal"
)

type user struct{ ID, Email, Password, Team string }

type app struct {
	mu       sync.Mutex
	users    map[string]user // by email
	sessions map[string]user // by cookie
	projects map[string]map[string]string
}

type userKey struct{}

func (a *app) login(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	u, ok := a.users[r.PostFormValue("email")]
	if !ok || u.Password != r.PostFormValue("password") {
		writeJSON(w, 401, map[string]string{"error": "wrong email or password"})
		return
	}
	sid := rand.Text()
	a.sessions[sid] = u
	http.SetCookie(w, &http.Cookie{Name: "sid", Value: sid, HttpOnly: true, Path: "/"})
	writeJSON(w, 200, map[string]string{"user": u.ID})
}

// loggedIn is the app's own session middleware.
func (a *app) loggedIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := r.Cookie("sid")
		if err == nil {
			a.mu.Lock()
			u, ok := a.sessions[c.Value]
			a.mu.Unlock()
			if ok {
				next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, u)))
				return
			}
		}
		writeJSON(w, 401, map[string]string{"error": "please log in"})
	})
}

// user tells the gate who is logged in.
func (a *app) user(r *http.Request) (*tollgate.User, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range r.CookiesNamed("sid") {
		if u, ok := a.sessions[c.Value]; ok {
			return &tollgate.User{ID: u.ID, Account: u.Team, Role: "owner"}, nil
		}
	}
	return nil, nil
}

func (a *app) me(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, 200, map[string]string{"user": r.Context().Value(userKey{}).(user).ID})
}

func (a *app) listProjects(w http.ResponseWriter, r *http.Request) {
	ids := []string{}
	for id := range a.projects {
		ids = append(ids, id)
	}
	writeJSON(w, 200, ids)
}

func (a *app) getReport(w http.ResponseWriter, r *http.Request) {
	rep, ok := a.projects[chi.URLParam(r, "project")][chi.URLParam(r, "report")]
	if !ok {
		writeJSON(w, 404, map[string]string{"error": "not found"})
		return
	}
	writeJSON(w, 200, map[string]string{"report": rep})
}

func (a *app) putReport(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, ok := a.projects[chi.URLParam(r, "project")]
	if !ok {
		writeJSON(w, 404, map[string]string{"error": "not found"})
		return
	}
	p[chi.URLParam(r, "report")] = r.FormValue("text")
	w.WriteHeader(204)
}

// reports is mounted under every project.
func (a *app) reports(gate *tollgate.Gate) http.Handler {
	r, of := chi.NewRouter(), map[string]string{"projects": "project"}
	r.With(gate.Require(authz.Need{ID: "reports.get", Permission: "read", From: of})).Get("/{report}", a.getReport)
	r.With(gate.Require(authz.Need{ID: "reports.put", Permission: "write", From: of})).Put("/{report}", a.putReport)
	return r
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

func main() {
	a := &app{
		users:    map[string]user{"ada@example.org": {"u_ada", "ada@example.org", "secret", "t_lovelace"}},
		sessions: map[string]user{},
		projects: map[string]map[string]string{"p1": {"r1": "hello"}, "p2": {}},
	}
	gate := tollgate.Must(tollgate.New(tollgate.Config{
		Store: tollgate.Must(sqlitestore.Open(sqlitestore.Config{Path: "app.db"})), Secrets: tollgate.Must(keyfmt.OpenKeyring("app.secrets")),
		Prefix: "app", Permissions: []string{"read", "write"}, ReadOnly: []string{"read"}, Resources: []string{"projects"},
		Plans: map[string]string{"standard": "60-M"}, LimitPerKey: true, User: a.user,
	}))
	r := chi.NewRouter()
	r.Use(middleware.Recoverer)
	r.Mount("/account", tollgate.Must(portal.Handler(portal.Config{Gate: gate, Prefix: "/account"})))
	r.Get("/health", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("ok\n")) })
	r.Post("/login", a.login)
	r.Group(func(r chi.Router) {
		r.Use(a.loggedIn)
		r.Get("/me", a.me)
	})
	r.Route("/v1", func(r chi.Router) {
		r.With(gate.Require(authz.Need{ID: "projects.list", Permission: "read", AllOf: []string{"projects"}})).Get("/projects", a.listProjects)
		r.Mount("/projects/{project}/reports", a.reports(gate))
	})
	tollgate.Main(gate)
	log.Println("listening on localhost:9002")
	log.Fatal(http.ListenAndServe("localhost:9002", r))
}

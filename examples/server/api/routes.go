package api

import (
	"context"
	"net/http"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/portal"
	"medtwin.ai/tollgate/portal/wire"
)

// declare is the table of the API: every route with what it needs. Those of keys, people
// and accounts are the portal's.
func (s *server) declare(c config) error {
	mailer, err := c.mailer(s.log)
	if err != nil {
		return err
	}
	if err := portal.Declare(portal.Config{Gate: s.gate, Mail: mailer, AcceptURL: c.acceptURL, Exists: s.documents.exist}); err != nil {
		return err
	}
	routes := table{s}
	routes.Public("GET /health", "liveness; seed 000 leaves it open", http.HandlerFunc(s.health))
	routes.Public("GET /ready", "readiness; names what is missing, and nothing more", http.HandlerFunc(s.ready))
	s.declareOperations(routes)

	// Seed 000: rubrics and artifacts.
	rubrics := &resource{server: s, collection: rubricDocs, prefix: "rub_", scopeKey: "id"}
	routes.Handle("GET /v1/rubrics", authz.Need{ID: "rubrics.list", Permission: read}, http.HandlerFunc(rubrics.list))
	routes.Handle("GET /v1/rubrics/{id}", authz.Need{ID: "rubrics.get", Permission: read}, http.HandlerFunc(rubrics.get))

	artifacts := &resource{
		server: s, collection: artifactDocs, prefix: "art_", parent: "type", parentName: "type",
		scope: artifactTypes, scopeKey: "parent", fields: set("name", "content"),
	}
	ofType := map[string]string{artifactTypes: "type"}
	routes.Handle("GET /v1/artifacts", authz.Need{ID: "artifacts.list", Permission: read, CheckedByHandler: []string{artifactTypes}}, http.HandlerFunc(artifacts.list))
	routes.Handle("GET /v1/artifacts/{type}", authz.Need{ID: "artifacts.list_type", Permission: read, From: ofType}, http.HandlerFunc(artifacts.list))
	routes.Handle("GET /v1/artifacts/{type}/{id}", authz.Need{ID: "artifacts.get", Permission: read, From: ofType}, http.HandlerFunc(artifacts.get))
	routes.Handle("POST /v1/artifacts/{type}", authz.Need{ID: "artifacts.create", Permission: write, From: ofType}, http.HandlerFunc(artifacts.create))

	// Seed 001: projects, their data and analyses.
	project := &resource{server: s, collection: projectDocs, prefix: "proj_", scope: projects, scopeKey: "id", fields: set("name", "description")}
	routes.Handle("GET /v1/projects", authz.Need{ID: "projects.list", Permission: read, CheckedByHandler: []string{projects}}, http.HandlerFunc(project.list))
	routes.Handle("POST /v1/projects", authz.Need{ID: "projects.create", Permission: write, AllOf: []string{projects}}, http.HandlerFunc(project.create))
	this := map[string]string{projects: "id"}
	routes.Handle("GET /v1/projects/{id}", authz.Need{ID: "projects.get", Permission: read, From: this}, http.HandlerFunc(project.get))
	routes.Handle("PATCH /v1/projects/{id}", authz.Need{ID: "projects.update", Permission: write, From: this}, http.HandlerFunc(project.update))
	routes.Handle("DELETE /v1/projects/{id}", authz.Need{ID: "projects.delete", Permission: remove, From: this}, http.HandlerFunc(project.remove))

	data := &resource{server: s, collection: dataDocs, prefix: "dat_", parent: "project", parentName: "project_id", scopeKey: "id", fields: set("name", "content")}
	analyses := &resource{
		server: s, collection: analysisDocs, prefix: "ana_", parent: "project", parentName: "project_id", scopeKey: "id",
		fields: set("name"), prepare: s.analyse,
	}
	in := map[string]string{projects: "project"}
	for _, c := range []struct {
		name string
		*resource
	}{{"data", data}, {"analyses", analyses}} {
		path := "/v1/projects/{project}/" + c.name
		routes.Handle("GET "+path, authz.Need{ID: c.name + ".list", Permission: read, From: in}, http.HandlerFunc(c.list))
		routes.Handle("POST "+path, authz.Need{ID: c.name + ".create", Permission: write, From: in}, http.HandlerFunc(c.create))
		routes.Handle("GET "+path+"/{id}", authz.Need{ID: c.name + ".get", Permission: read, From: in}, http.HandlerFunc(c.get))
	}
	routes.Handle("DELETE /v1/projects/{project}/data/{id}", authz.Need{ID: "data.delete", Permission: remove, From: in}, http.HandlerFunc(data.remove))
	return nil
}

// queries has the query parameters of every route of the server's own that takes some.
var queries = map[string][]string{
	"GET /v1/artifacts":                   {"limit", "after"},
	"GET /v1/artifacts/{type}":            {"limit", "after"},
	"GET /v1/operator/access-requests":    {"status", "limit", "after"},
	"GET /v1/operator/accounts":           {"limit", "after"},
	"GET /v1/operator/audit-log":          {"account", "limit", "after"},
	"GET /v1/projects":                    {"limit", "after"},
	"GET /v1/projects/{project}/analyses": {"limit", "after"},
	"GET /v1/projects/{project}/data":     {"limit", "after"},
	"GET /v1/rubrics":                     {"limit", "after"},
}

// A table declares the routes of the server's own. It checks the query before the handler
// of any route runs, even if the handler does not read it.
type table struct{ server *server }

func (t table) Handle(pattern string, need authz.Need, h http.Handler) {
	t.server.gate.Handle(pattern, need, t.checked(pattern, h))
}

func (t table) Public(pattern, reason string, h http.Handler) {
	t.server.gate.Public(pattern, reason, t.checked(pattern, h))
}

func (t table) checked(pattern string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := wire.CheckQuery(r, queries[pattern]...); err != nil {
			t.server.fail(w, r, err)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}

// health answers 503 only while the server drains: new requests belong to
// another replica.
func (s *server) health(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if s.stopping.Load() {
		s.respond(w, r, http.StatusServiceUnavailable, map[string]string{"status": "stopping"})
		return
	}
	s.respond(w, r, http.StatusOK, map[string]string{"status": "ok"})
}

// analyse is the application's own work: it counts what the project holds.
func (s *server) analyse(ctx context.Context, t tenant, project string, fields map[string]any) error {
	n, err := s.documents.count(ctx, t, dataDocs, project)
	fields["status"], fields["result"] = "completed", map[string]any{"data": n}
	return err
}

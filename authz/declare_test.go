package authz_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/authz"
)

// panics returns the message of the panic of f, "" if there is none.
func panics(f func()) (message string) {
	defer func() {
		if v := recover(); v != nil {
			message = fmt.Sprint(v)
		}
	}()
	f()
	return ""
}

// A declaration that cannot hold is refused at start, with how to mend it.
// case A11
func TestHandleRefuses(t *testing.T) {
	const one = "GET /v1/projects/{project}"
	need := func(change func(*authz.Need)) authz.Need {
		n := authz.Need{ID: "projects.get", Permission: "read", From: map[string]string{"projects": "project"}}
		change(&n)
		return n
	}
	fine := need(func(*authz.Need) {})
	from := func(kind, wildcard string) authz.Need {
		return need(func(n *authz.Need) { n.From = map[string]string{kind: wildcard} })
	}
	for _, c := range []struct {
		name, pattern string
		need          authz.Need
		want          string // "": accepted
	}{
		{"fine", one, fine, ""},
		{"with a host", "GET api.example.com/v1/projects/{project}", fine, ""},
		{"tab", "GET\t/v1/projects/{project}", fine, ""},
		{"zero need", one, authz.Need{}, `ID ""`},
		{"no id", one, need(func(n *authz.Need) { n.ID = "" }), `ID ""`},
		{"id in capitals", one, need(func(n *authz.Need) { n.ID = "Projects.get" }), `ID "Projects.get"`},
		{"id with an empty word", one, need(func(n *authz.Need) { n.ID = "projects..get" }), "ID"},
		{"id is a pattern", one, need(func(n *authz.Need) { n.ID = "projects.*" }), "ID"},
		{"duplicate id", one, need(func(n *authz.Need) { n.ID = "taken" }), `ID "taken" is taken by the route declared at`},
		{"no permission", one, need(func(n *authz.Need) { n.Permission = "" }), `permission "" is not in the model`},
		{"unknown permission", one, need(func(n *authz.Need) { n.Permission = "raed" }), `permission "raed" is not in the model: did you mean "read"?`},
		{"unknown kind", one, from("project", "project"), `kind "project" is not in the model`},
		{"unknown later kind", one, need(func(n *authz.Need) { n.CheckedByHandler = []string{"x"} }), `kind "x"`},
		{"unknown whole kind", one, need(func(n *authz.Need) { n.AllOf = []string{"x"} }), `kind "x"`},
		{"wildcard not there", one, from("projects", "id"), `From: "projects" comes from {id}`},
		{"wildcard empty", one, from("projects", ""), "From"},
		{"wildcard of many segments", "GET /v1/projects/{project...}", fine, "comes from {project}, which is no wildcard of one segment"},
		{"end marker", "GET /v1/projects/{$}", from("projects", "$"), "From"},
		{"wildcard of the host", "GET {project}/v1", fine, "From"},
		{"no method", "/v1/projects/{project}", fine, "no method"},
		{"no pattern", "", fine, "no method"},
		{"no path", "GET ", fine, "no path"},
		{"post with read", "POST /v1/projects/{project}", fine, "POST with permission \"read\", which is read-only"},
		{"put with read", "PUT /v1/projects/{project}", fine, "PUT with permission"},
		{"patch with read", "PATCH /v1/projects/{project}", fine, "PATCH with permission"},
		{"delete with read", "DELETE /v1/projects/{project}", fine, "DELETE with permission"},
		{"any other method with read", "PURGE /v1/projects/{project}", fine, "PURGE with permission"},
		{"read-only post", "POST /v1/projects/{project}", need(func(n *authz.Need) { n.ReadOnly = true }), ""},
		{"post with write", "POST /v1/projects/{project}", need(func(n *authz.Need) { n.Permission = "write" }), ""},
		{"read-only write", "POST /v1/projects/{project}", need(func(n *authz.Need) { n.Permission, n.ReadOnly = "write", true }), "ReadOnly with permission"},
		{"path and later", one, need(func(n *authz.Need) { n.CheckedByHandler = []string{"projects"} }), `kind "projects" twice`},
		{"path and whole", one, need(func(n *authz.Need) { n.AllOf = []string{"projects"} }), `kind "projects" twice`},
		{"later and whole", one, authz.Need{ID: "a", Permission: "read", CheckedByHandler: []string{"projects"}, AllOf: []string{"projects"}}, "twice"},
		{"later twice", one, need(func(n *authz.Need) { n.CheckedByHandler = []string{"artifact_types", "artifact_types"} }), "twice"},
		{"negative cost", one, need(func(n *authz.Need) { n.Cost = -2 }), "cost -2"},
		{"recent", one, need(func(n *authz.Need) { n.Recent = 5 * time.Minute }), ""},
		{"recent, below zero", one, need(func(n *authz.Need) { n.Recent = -time.Second }), "Recent -1s"},
		{"recent, part of a second", one, need(func(n *authz.Need) { n.Recent = 1500 * time.Millisecond }), "whole seconds"},
		{"no charge", one, need(func(n *authz.Need) { n.Cost = -1 }), ""},
		{"two of a pattern", "GET /taken", authz.Need{ID: "other", Permission: "read"}, "conflicts"},
		{"malformed pattern", "GET /v1/{a}{b}", authz.Need{ID: "other", Permission: "read"}, "wildcard"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newRig(t)
			g.Handle("GET /taken", authz.Need{ID: "taken", Permission: "read"}, http.NotFoundHandler())
			before := len(g.Table())
			got := panics(func() { g.Handle(c.pattern, c.need, http.NotFoundHandler()) })
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("panic %q, want %q", got, c.want)
			}
			if added := len(g.Table()) > before; added != (c.want == "") {
				t.Errorf("in the table: %v", added)
			}
		})
	}
	g := newRig(t)
	if got := panics(func() { g.Handle(one, fine, nil) }); !strings.Contains(got, "handler is nil") {
		t.Errorf("nil handler: panic %q", got)
	}
}

// case A11
func TestHandleRefusesTooManyKinds(t *testing.T) {
	m, err := authz.NewModel(authz.ModelConfig{Permissions: []string{"read"}, Kinds: []string{"a", "b", "c", "d", "e"}})
	if err != nil {
		t.Fatal(err)
	}
	need := authz.Need{ID: "x", Permission: "read", CheckedByHandler: []string{"a", "b", "c", "d", "e"}}
	if got := panics(func() { authz.Protect(m, need, http.NotFoundHandler()) }); !strings.Contains(got, "5 kinds") {
		t.Errorf("panic %q", got)
	}
	need.CheckedByHandler = need.CheckedByHandler[:4]
	if got := panics(func() { authz.Protect(m, need, http.NotFoundHandler()) }); got != "" {
		t.Errorf("panic %q", got)
	}
}

// case A11
func TestHandleNamesEveryMistake(t *testing.T) {
	g := newRig(t)
	got := panics(func() {
		g.Handle("/x", authz.Need{ID: "X", Permission: "fly", From: map[string]string{"moons": "m"}}, nil)
	})
	for _, want := range []string{"no method", `ID "X"`, `permission "fly"`, `kind "moons"`, "handler is nil"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q does not say %s", got, want)
		}
	}
}

// case A11
func TestPublicRefuses(t *testing.T) {
	for _, c := range []struct {
		pattern, reason string
		h               http.Handler
		want            string
	}{
		{"GET /health", "", http.NotFoundHandler(), "without a reason"},
		{"/health", "liveness", http.NotFoundHandler(), "no method"},
		{"GET /health", "liveness", nil, "handler is nil"},
		{"GET /health", "liveness", http.NotFoundHandler(), ""},
		{"POST /login", "nobody has a session yet", http.NotFoundHandler(), ""},
	} {
		got := panics(func() { newRig(t).Public(c.pattern, c.reason, c.h) })
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%+v: panic %q", c, got)
		}
	}
}

func TestTable(t *testing.T) {
	g := newRig(t)
	from := map[string]string{"projects": "project"}
	g.Public("GET /health", "liveness", http.NotFoundHandler())
	g.Handle("GET /v1/projects/{project}", authz.Need{ID: "projects.get", Permission: "read", From: from}, g.handler("project"))
	want := []authz.Route{
		{Pattern: "GET /health", Method: "GET", Public: "liveness"},
		{Pattern: "GET /v1/projects/{project}", Method: "GET", Need: authz.Need{
			ID: "projects.get", Permission: "read", From: map[string]string{"projects": "project"}}},
	}
	if diff := cmp.Diff(want, g.Table()); diff != "" {
		t.Error(diff)
	}
	// What callers do to their maps afterwards changes nothing.
	from["projects"] = "nothing"
	g.Table()[1].Need.From["projects"] = "nothing"
	if diff := cmp.Diff(want, g.Table()); diff != "" {
		t.Error(diff)
	}
	g.holds(authz.Of("read"), authz.Of("p1"))
	if ok, other := g.do("GET", "/v1/projects/p1").Code, g.do("GET", "/v1/projects/p2").Code; ok != 200 || other != 403 {
		t.Errorf("own project %d, another %d", ok, other)
	}
}

package tollgate_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/memory"
)

// exampleGate is a gate that the examples begin with, and exampleKey a key of it.
func exampleGate(change func(*tollgate.Config)) *tollgate.Gate {
	db, err := memory.New(memory.Config{}) // sqlitestore.Open or pgstore.Open in a program
	if err != nil {
		log.Fatal(err)
	}
	secrets, err := keyfmt.NewKeyring(keyfmt.GeneratePepper("p1")) // keyfmt.OpenKeyring in a program
	if err != nil {
		log.Fatal(err)
	}
	c := tollgate.Config{
		Store: db, Secrets: secrets, Prefix: "acme",
		Permissions: []string{"read", "write"}, ReadOnly: []string{"read"}, Resources: []string{"projects"},
		Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&c)
	}
	gate, err := tollgate.New(c)
	if err != nil {
		log.Fatal(err)
	}
	return gate
}

// exampleKey makes a key of the account acme, with one permission for one project.
func exampleKey(gate *tollgate.Gate, permission, project string) string {
	grant := gate.Model().Everything()
	grant.Permissions, grant.Scope["projects"] = authz.Of(permission), authz.Of(project)
	_, key, err := gate.Keys().Issue(context.Background(), authn.Operator("acme"),
		apikey.Spec{Name: "example", Environment: "live", Grant: grant}, time.Now())
	if err != nil {
		log.Fatal(err)
	}
	return key.Reveal()
}

// call sends a request with a key and prints the status of the answer.
func call(h http.Handler, method, path, key string) {
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("Authorization", "Bearer "+key)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(method, path, w.Code)
}

// All mistakes come in one error.
func ExampleNew() {
	db, err := memory.New(memory.Config{})
	if err != nil {
		log.Fatal(err)
	}
	_, err = tollgate.New(tollgate.Config{
		Store: db, Prefix: "acme",
		Permissions: []string{"read", "write"}, ReadOnly: []string{"raed"},
		Plans: map[string]string{"standard": "60-M"}, DefaultPlan: "standart",
	})
	fmt.Println(err)
	// Output:
	// tollgate: Config.Secrets is required: keyfmt.OpenKeyring("acme.secrets")
	// tollgate: Config.Permissions, ReadOnly and Resources (kinds): authz: model: read-only permission "raed" is not among Permissions: did you mean "read"?
	// tollgate: Config.DefaultPlan: there is no plan "standart": did you mean "standard"?
}

// A route of the gate says what it needs.
func ExampleGate_Handle() {
	gate := exampleGate(nil)
	gate.Handle("GET /v1/projects/{project}", authz.Need{
		ID: "projects.get", Permission: "read", From: map[string]string{"projects": "project"},
	}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))

	gate.Command(context.Background(), []string{"accounts", "add", "acme"}, os.Stdout)
	key := exampleKey(gate, "read", "p1")
	call(gate, "GET", "/v1/projects/p1", key)
	call(gate, "GET", "/v1/projects/p2", key)
	call(gate, "GET", "/v1/projects/p1", "acme_live_made_up")
	// Output:
	// account: acme
	// GET /v1/projects/p1 200
	// GET /v1/projects/p2 403
	// GET /v1/projects/p1 401
}

// A router of your own keeps its routes; the gate guards them one by one.
func ExampleGate_Require() {
	gate := exampleGate(nil)
	need := authz.Need{ID: "projects.update", Permission: "write", From: map[string]string{"projects": "project"}}
	mux := http.NewServeMux()
	mux.Handle("PUT /v1/projects/{project}", gate.Require(need)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := authn.FromContext(r.Context())
		fmt.Println("served to", caller.Account)
	})))

	gate.Command(context.Background(), []string{"accounts", "add", "acme"}, os.Stdout)
	call(mux, "PUT", "/v1/projects/p1", exampleKey(gate, "write", "p1"))
	call(mux, "PUT", "/v1/projects/p1", exampleKey(gate, "read", "p1"))
	// Output:
	// account: acme
	// served to acme
	// PUT /v1/projects/p1 200
	// PUT /v1/projects/p1 403
}

// An application with a login of its own says who is logged in. The account and the
// person are recorded when they are first seen.
func ExampleConfig_user() {
	gate := exampleGate(func(c *tollgate.Config) {
		c.User = func(r *http.Request) (*tollgate.User, error) {
			session, err := r.Cookie("session")
			if err != nil {
				return nil, nil // nobody is logged in
			}
			return &tollgate.User{ID: session.Value, Account: "acme", Role: "viewer"}, nil
		}
	})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := authn.FromContext(r.Context())
		fmt.Printf("%s of %s\n", caller.User, caller.Account)
	})
	gate.Handle("GET /v1/me", authz.Need{ID: "me.get", Permission: "read"}, handler)
	gate.Handle("PUT /v1/me", authz.Need{ID: "me.update", Permission: "write"}, handler)

	for _, method := range []string{"GET", "PUT"} {
		r := httptest.NewRequest(method, "/v1/me", nil)
		r.AddCookie(&http.Cookie{Name: "session", Value: "ann"})
		w := httptest.NewRecorder()
		gate.ServeHTTP(w, r)
		fmt.Println(method, w.Code)
	}
	// Output:
	// ann of acme
	// GET 200
	// PUT 403
}

// Roles of your own say what members may do, and bound the keys that they make.
func ExampleConfig_roles() {
	gate := exampleGate(func(c *tollgate.Config) {
		c.Roles = func(m store.Membership) []authz.Grant {
			if m.Role != "auditor" {
				return nil // may do nothing
			}
			return []authz.Grant{{
				Version: authz.Version, Permissions: authz.Of("read"), Endpoints: authz.Of("log.*"),
				Environments: authz.All(), Scope: map[string]authz.Set{"projects": authz.All()},
			}}
		}
		c.User = func(*http.Request) (*tollgate.User, error) {
			return &tollgate.User{ID: "ann", Account: "acme", Role: "auditor"}, nil
		}
	})
	gate.Handle("GET /v1/log", authz.Need{ID: "log.list", Permission: "read"}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	gate.Handle("GET /v1/team", authz.Need{ID: "team.list", Permission: "read"}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, path := range []string{"/v1/log", "/v1/team"} {
		w := httptest.NewRecorder()
		gate.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		fmt.Println(path, w.Code)
	}
	// Output:
	// /v1/log 200
	// /v1/team 403
}

// A request of an adapter is decided without an answer.
func ExampleGuard_Check() {
	gate := exampleGate(nil)
	guard := gate.Guard(authz.Need{ID: "reports.list", Permission: "read"})
	r := httptest.NewRequest("GET", "/reports", nil)
	w := httptest.NewRecorder()
	if _, err := guard.Check(r, w.Header()); err != nil {
		fmt.Println(err)
		gate.Refuse(w, r, err)
	}
	fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
	// Output:
	// authn: no credential
	// 401 Bearer realm="api"
}

// A program makes its first key from its own command line. Errors say what to do.
func ExampleGate_Command() {
	gate := exampleGate(nil)
	for _, args := range [][]string{
		{"serve"},
		{"keys", "create", "--account", "acme", "--name", "first", "--permissions", "rite", "--projects", "*"},
	} {
		done, err := gate.Command(context.Background(), args, os.Stdout)
		fmt.Println(args[0], done, err)
	}
	// Output:
	// serve false <nil>
	// keys true keys create: --permissions: there is no permission "rite": did you mean "write"?
}

// The table of routes is for descriptions of the API, and for tests.
func ExampleGate_Table() {
	gate := exampleGate(nil)
	gate.Public("GET /health", "liveness", http.NotFoundHandler())
	gate.Handle("GET /v1/reports", authz.Need{ID: "reports.list", Permission: "read"}, http.NotFoundHandler())
	for _, route := range gate.Table() {
		fmt.Printf("%s needs %q; public: %q\n", route.Pattern, route.Need.Permission, route.Public)
	}
	// Output:
	// GET /health needs ""; public: "liveness"
	// GET /v1/reports needs "read"; public: ""
}

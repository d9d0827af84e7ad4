package main

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/authz/authztest"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/memory"
)

// A handler alone: authn.NewContext says who is calling, and nothing is decided.
func TestHello(t *testing.T) {
	r := httptest.NewRequest("GET", "/v1/hello", nil)
	r = r.WithContext(authn.NewContext(r.Context(), authn.Principal{ID: "key_1", Account: "acme"}))
	rec := httptest.NewRecorder()
	hello(rec, r)
	if got, want := rec.Body.String(), "hello, key_1 of acme\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The routes with what they need: a store in memory, a real key and real requests.
func TestProjects(t *testing.T) {
	gate, key := newTestGate(t, "p1")
	tests := []struct {
		name, path, key string
		want            int
	}{
		{"in scope", "/v1/projects/p1", key, 200},
		{"out of scope", "/v1/projects/p2", key, 403},
		{"without a key", "/v1/projects/p1", "", 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", tt.path, nil)
			if tt.key != "" {
				r.Header.Set("Authorization", "Bearer "+tt.key)
			}
			rec := httptest.NewRecorder()
			gate.ServeHTTP(rec, r)
			if rec.Code != tt.want {
				t.Errorf("got %d %s, want %d", rec.Code, rec.Body, tt.want)
			}
		})
	}
}

// The table of routes is reviewed when it changes: AUTHZTEST_UPDATE=1 go test writes it.
func TestRoutes(t *testing.T) {
	gate, _ := newTestGate(t)
	authztest.Golden(t, gate.Table(), "testdata/routes.golden")
}

// newTestGate returns the gate with a key that may read these projects.
func newTestGate(t *testing.T, projects ...string) (*tollgate.Gate, string) {
	t.Helper()
	db, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := keyfmt.NewKeyring(keyfmt.GeneratePepper("test"))
	if err != nil {
		t.Fatal(err)
	}
	gate, err := newGate(db, secrets)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Accounts().Create(t.Context(), store.Account{ID: "acme"}); err != nil {
		t.Fatal(err)
	}
	grant := gate.Model().Everything()
	grant.Permissions, grant.Scope["projects"] = authz.Of("read"), authz.Of(projects...)
	_, token, err := gate.Keys().Issue(t.Context(), authn.Operator("acme"), apikey.Spec{Name: "test", Environment: "live", Grant: grant}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(token.Reveal(), "acme_live_") {
		t.Errorf("got %q, want a key acme_live_…", token.Reveal())
	}
	return gate, token.Reveal()
}

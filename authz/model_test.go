package authz_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"medtwin.ai/tollgate/authz"
)

func names(prefix string, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprint(prefix, i))
	}
	return all
}

func TestNewModel(t *testing.T) {
	full := authz.ModelConfig{Permissions: names("p", 64), ReadOnly: []string{"p0", "p63"}, Kinds: names("k", 8)}
	m, err := authz.NewModel(full)
	if err != nil {
		t.Fatal(err)
	}
	// The last of each is as good as the first.
	r := m.Rights(authz.Active, []authz.Grant{{
		Version: authz.Version, Permissions: authz.Of("p63"), Endpoints: authz.All(), Environments: authz.All(),
		Scope: map[string]authz.Set{"k7": authz.Of("x")},
	}})
	q := authz.Request{Permission: "p63", Endpoint: "e", Environment: "live", Resources: [4]authz.Resource{3: {Kind: "k7", ID: "x"}}}
	if d := r.Decide(q); !d.Allowed {
		t.Errorf("%+v", d)
	}
	q.Permission = "p62"
	if r.Decide(q).Allowed {
		t.Error("another permission is allowed")
	}

	for _, tt := range []struct {
		want string
		c    authz.ModelConfig
	}{
		{"0 permissions", authz.ModelConfig{}},
		{"65 permissions", authz.ModelConfig{Permissions: names("p", 65)}},
		{"9 kinds", authz.ModelConfig{Permissions: []string{"read"}, Kinds: names("k", 9)}},
		{`permission "read" tw`, authz.ModelConfig{Permissions: []string{"read", "read"}}},
		{`permission "Read"`, authz.ModelConfig{Permissions: []string{"Read"}}},
		{`permission ""`, authz.ModelConfig{Permissions: []string{""}}},
		{`permission "*"`, authz.ModelConfig{Permissions: []string{"*"}}},
		{`permission "1a"`, authz.ModelConfig{Permissions: []string{"1a"}}},
		{`permission "a:"`, authz.ModelConfig{Permissions: []string{"a:"}}},
		{`permission ":a"`, authz.ModelConfig{Permissions: []string{":a"}}},
		{`permission "a.:b"`, authz.ModelConfig{Permissions: []string{"a.:b"}}},
		{`permission "a:1b"`, authz.ModelConfig{Permissions: []string{"a:1b"}}},
		{`permission "a:-b"`, authz.ModelConfig{Permissions: []string{"a:-b"}}},
		{`permission "a:B"`, authz.ModelConfig{Permissions: []string{"a:B"}}},
		{`permission "a b"`, authz.ModelConfig{Permissions: []string{"a b"}}},
		{`permission "a,b"`, authz.ModelConfig{Permissions: []string{"a,b"}}},
		{`permission "a:*"`, authz.ModelConfig{Permissions: []string{"a:*"}}},
		{`kind "a:b"`, authz.ModelConfig{Permissions: []string{"read"}, Kinds: []string{"a:b"}}},
		{`kind "a-b"`, authz.ModelConfig{Permissions: []string{"read"}, Kinds: []string{"a-b"}}},
		{`kind "a.b"`, authz.ModelConfig{Permissions: []string{"read"}, Kinds: []string{"a.b"}}},
		{`kind "a" twice`, authz.ModelConfig{Permissions: []string{"read"}, Kinds: []string{"a", "a"}}},
		{`"look" is not among`, authz.ModelConfig{Permissions: []string{"read"}, ReadOnly: []string{"look"}}},
		{`"read" twice`, authz.ModelConfig{Permissions: []string{"read"}, ReadOnly: []string{"read", "read"}}},
	} {
		if _, err := authz.NewModel(tt.c); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v does not say %s", tt.c, err, tt.want)
		}
	}
}

func TestNewModelJoinsMistakes(t *testing.T) {
	_, err := authz.NewModel(authz.ModelConfig{Permissions: []string{"A"}, ReadOnly: []string{"b"}, Kinds: []string{"C"}})
	for _, want := range []string{`"A"`, `"b"`, `"C"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

func TestValidate(t *testing.T) {
	m := newModel(t)
	if err := m.Validate(m.Everything()); err != nil {
		t.Errorf("everything: %v", err)
	}
	err := m.Validate(authz.Grant{
		Version:      2,
		Permissions:  authz.Of("read", "fly"),
		Scope:        map[string]authz.Set{"projects": authz.Of("*"), "galaxies": authz.All()},
		Endpoints:    authz.Of("artifacts.*", "Artifacts", "a*", "*.get", ".*"),
		Environments: authz.Set{},
	})
	if err == nil {
		t.Fatal("no error")
	}
	got := strings.Split(err.Error(), "\n")
	want := []string{
		"version 2", `permissions: "fly"`,
		`endpoints: "*.get"`, `endpoints: ".*"`, `endpoints: "Artifacts"`, `endpoints: "a*"`,
		"environments: none", `scope: kind "galaxies"`, `scope.projects: "*"`,
	}
	if len(got) != len(want) {
		t.Fatalf("%d mistakes, want %d:\n%v", len(got), len(want), err)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], "authz: grant: "+want[i]) {
			t.Errorf("mistake %d is %q, want %s", i, got[i], want[i])
		}
	}
}

func TestStatus(t *testing.T) {
	for _, s := range []authz.Status{authz.Active, authz.ReadOnly, authz.Suspended} {
		if again, err := authz.ParseStatus(s.String()); err != nil || again != s {
			t.Errorf("%v is read as %v, %v", s, again, err)
		}
	}
	for _, text := range []string{"", "invalid", "Active", "closed"} {
		if s, err := authz.ParseStatus(text); err == nil || s != 0 {
			t.Errorf("%q is read as %v", text, s)
		}
	}
	for _, s := range []authz.Status{0, 4, 255} {
		if s.String() != "invalid" {
			t.Errorf("status %d is written as %v", s, s)
		}
	}
}

// A grant that is built in Go without a version is one of the present.
func TestVersionZero(t *testing.T) {
	m := newModel(t)
	g := authz.Grant{Permissions: authz.Of("read"), Endpoints: authz.All(), Environments: authz.All()}
	if err := m.Validate(g); err != nil {
		t.Error(err)
	}
	request := authz.Request{Permission: "read", Endpoint: "projects.list", Environment: "live"}
	if d := m.Rights(authz.Active, []authz.Grant{g}).Decide(request); !d.Allowed {
		t.Errorf("denied: %+v", d)
	}
	current := g
	current.Version = authz.Version
	if !g.Equal(current) || !g.Within(current) || !current.Within(g) {
		t.Error("it differs from that of the present version")
	}
	text, err := json.Marshal(g)
	if err != nil || !strings.HasPrefix(string(text), `{"v":1,`) {
		t.Errorf("written as %s, %v", text, err)
	}
	read := readGrant(t, strings.Replace(string(text), `"v":1,`, "", 1))
	if err := m.Validate(read); err == nil || !strings.Contains(err.Error(), "version 0: this release knows 1") {
		t.Errorf("read without a version: %v", err)
	}
	if m.Rights(authz.Active, []authz.Grant{read}).Decide(request).Allowed || read.Equal(g) {
		t.Error("read without a version: allowed")
	}
}

// Names of permissions with colons, dots and dashes are whole names, in grants and
// their JSON too: none holds another.
func TestPermissionNames(t *testing.T) {
	names := []string{"notes:read", "notes:write", "notes", "billing.invoices:read-all", "a-b_c9"}
	m, err := authz.NewModel(authz.ModelConfig{Permissions: names})
	if err != nil {
		t.Fatal(err)
	}
	for _, held := range names {
		g := m.Everything()
		g.Permissions = authz.Of(held)
		text, err := json.Marshal(g)
		if err != nil {
			t.Fatal(err)
		}
		g = readGrant(t, string(text))
		if err := m.Validate(g); err != nil {
			t.Errorf("%s: %v", held, err)
		}
		rights := m.Rights(authz.Active, []authz.Grant{g})
		for _, asked := range names {
			d := rights.Decide(authz.Request{Permission: asked, Endpoint: "notes.get", Environment: "live"})
			if d.Allowed != (asked == held) {
				t.Errorf("%s asked with %s: allowed %v", asked, held, d.Allowed)
			}
		}
	}
}

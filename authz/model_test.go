package authz_test

import (
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

	for want, c := range map[string]authz.ModelConfig{
		"0 permissions":        {},
		"65 permissions":       {Permissions: names("p", 65)},
		"9 kinds":              {Permissions: []string{"read"}, Kinds: names("k", 9)},
		`permission "read" tw`: {Permissions: []string{"read", "read"}},
		`permission "Read"`:    {Permissions: []string{"Read"}},
		`permission ""`:        {Permissions: []string{""}},
		`permission "*"`:       {Permissions: []string{"*"}},
		`permission "1a"`:      {Permissions: []string{"1a"}},
		`kind "a.b"`:           {Permissions: []string{"read"}, Kinds: []string{"a.b"}},
		`kind "a" twice`:       {Permissions: []string{"read"}, Kinds: []string{"a", "a"}},
		`"look" is not among`:  {Permissions: []string{"read"}, ReadOnly: []string{"look"}},
		`"read" twice`:         {Permissions: []string{"read"}, ReadOnly: []string{"read", "read"}},
	} {
		if _, err := authz.NewModel(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v does not say %s", c, err, want)
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
		"version 0", `permissions: "fly"`,
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

package authz_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/authz"
)

func newModel(t testing.TB) *authz.Model {
	t.Helper()
	m, err := authz.NewModel(authz.ModelConfig{
		Permissions: []string{"read", "write", "delete", "admin"},
		ReadOnly:    []string{"read"},
		Kinds:       []string{"projects", "artifact_types"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func readGrant(t testing.TB, text string) (g authz.Grant) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &g); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return g
}

func TestGrantJSON(t *testing.T) {
	g := authz.Grant{
		Version:      authz.Version,
		Permissions:  authz.Of("write", "read"),
		Scope:        map[string]authz.Set{"projects": authz.Of("proj_1"), "artifact_types": authz.All()},
		Endpoints:    authz.Of("artifacts.*"),
		Environments: authz.Of("live"),
	}
	out, err := json.Marshal(g)
	want := `{"v":1,"permissions":["read","write"],"scope":{"artifact_types":"*","projects":["proj_1"]},"endpoints":["artifacts.*"],"environments":["live"]}`
	if string(out) != want || err != nil {
		t.Fatalf("written as %s, %v", out, err)
	}
	if diff := cmp.Diff(g, readGrant(t, want)); diff != "" {
		t.Error(diff)
	}
	out, err = json.Marshal(authz.Grant{})
	if want := `{"v":1,"permissions":[],"scope":{},"endpoints":[],"environments":[]}`; string(out) != want || err != nil {
		t.Errorf("the zero grant is written as %s, %v", out, err)
	}
	if again := readGrant(t, string(out)); !again.Equal(authz.Grant{}) || again.Version != authz.Version {
		t.Errorf("the zero grant is read as %+v", again)
	}
}

func TestGrantJSONMalformed(t *testing.T) {
	for _, in := range []string{
		``, `{`, `[]`, `"*"`, `1`, `{} {}`,
		`{"v":1,"permissions":"read"}`,
		`{"v":1,"permissions":["*"]}`,
		`{"v":1,"permissions":["read"],"permissions":"*"}`,
		`{"v":1,"v":1}`,
		`{"v":1,"scope":[]}`,
		`{"v":1,"scope":{"projects":["a"],"projects":"*"}}`,
		`{"v":1,"scope":{"projects":{"a":1}}}`,
	} {
		var g authz.Grant
		if err := g.UnmarshalJSON([]byte(in)); err == nil {
			t.Errorf("%s: no error, %+v", in, g)
		}
	}
}

// What a newer release wrote is a denial, not an outage, and survives being
// written back. case A1
func TestGrantForeign(t *testing.T) {
	m := newModel(t)
	const full = `"permissions":"*","scope":{"projects":"*"},"endpoints":"*","environments":"*"`
	q := authz.Request{Permission: "read", Endpoint: "projects.get", Environment: "live"}
	if !m.Rights(authz.Active, []authz.Grant{readGrant(t, `{"v":1,`+full+`}`)}).Decide(q).Allowed {
		t.Fatal("the same grant without anything unknown is denied")
	}
	for _, tt := range []struct{ name, text string }{
		{"member", `{"v":1,` + full + `,"networks":["10.0.0.0/8"]}`},
		{"dimension", `{"v":1,"permissions":"*","scope":{"projects":"*","galaxies":"*"},"endpoints":"*","environments":"*"}`},
		{"newer", `{"v":2,` + full + `}`},
		{"other shapes", `{"v":2,"permissions":{"all":true},"scope":7}`},
		{"other version", `{"v":"2025-01-01",` + full + `}`},
		{"fraction", `{"v":1.0,` + full + `}`},
		{"no version", `{` + full + `}`},
		{"version null", `{"v":null,` + full + `}`},
		{"member by case", `{"v":1,"Permissions":"*","scope":{},"endpoints":"*","environments":"*"}`},
		{"permission", `{"v":1,"permissions":["read","fly"],"scope":{},"endpoints":"*","environments":"*"}`},
		{"pattern", `{"v":1,"permissions":["read"],"scope":{},"endpoints":["projects.*","projects*"],"environments":"*"}`},
		{"null", `null`},
		{"empty", `{}`},
		{"no permissions", `{"v":1,"permissions":[],"endpoints":"*","environments":"*"}`},
		{"no endpoints", `{"v":1,"permissions":"*","environments":"*"}`},
		{"no environments", `{"v":1,"permissions":"*","endpoints":"*","environments":null}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := readGrant(t, tt.text)
			again, err := json.Marshal(g)
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range []authz.Grant{g, readGrant(t, string(again))} {
				if err := m.Validate(g); err == nil {
					t.Errorf("Validate: %v", err)
				}
				if d := m.Rights(authz.Active, []authz.Grant{g}).Decide(q); d.Allowed {
					t.Error("allowed")
				}
				if d := m.Rights(authz.Active, []authz.Grant{m.Everything()}, []authz.Grant{g}).Decide(q); d.Allowed || d.Layer != "owner" {
					t.Errorf("as the owner's layer: %+v", d)
				}
			}
			if g.Version != authz.Version && tt.text != "null" && string(again) != tt.text {
				t.Errorf("written back as %s", again)
			}
		})
	}
}

func TestGrantForeignIsNamed(t *testing.T) {
	err := newModel(t).Validate(readGrant(t, `{"v":1,"permissions":"*","networks":[],"devices":[]}`))
	for _, name := range []string{`"networks"`, `"devices"`} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v does not name %s", err, name)
		}
	}
}

func TestGrantWithin(t *testing.T) {
	m := newModel(t)
	with := func(change func(*authz.Grant)) authz.Grant {
		g := authz.Grant{
			Version:      authz.Version,
			Permissions:  authz.Of("read", "write"),
			Scope:        map[string]authz.Set{"projects": authz.Of("p1", "p2")},
			Endpoints:    authz.Of("artifacts.*", "projects.get"),
			Environments: authz.Of("live"),
		}
		change(&g)
		return g
	}
	parent := with(func(*authz.Grant) {})
	for _, c := range []struct {
		name    string
		child   authz.Grant
		parents []authz.Grant
		want    bool
	}{
		{"itself", parent, []authz.Grant{parent}, true},
		{"no parents", parent, nil, false},
		{"everything", parent, []authz.Grant{m.Everything()}, true},
		{"all of it", m.Everything(), []authz.Grant{m.Everything()}, true},
		{"more than it", m.Everything(), []authz.Grant{parent}, false},
		{"permission", with(func(g *authz.Grant) { g.Permissions = authz.Of("read", "delete") }), []authz.Grant{parent}, false},
		{"environment", with(func(g *authz.Grant) { g.Environments = authz.Of("live", "test") }), []authz.Grant{parent}, false},
		{"project", with(func(g *authz.Grant) { g.Scope["projects"] = authz.Of("p1", "p3") }), []authz.Grant{parent}, false},
		{"all projects", with(func(g *authz.Grant) { g.Scope["projects"] = authz.All() }), []authz.Grant{parent}, false},
		{"fewer projects", with(func(g *authz.Grant) { g.Scope["projects"] = authz.Of("p2") }), []authz.Grant{parent}, true},
		{"no projects", with(func(g *authz.Grant) { delete(g.Scope, "projects") }), []authz.Grant{parent}, true},
		{"another kind", with(func(g *authz.Grant) { g.Scope["artifact_types"] = authz.Of("x") }), []authz.Grant{parent}, false},
		{"of a pattern", with(func(g *authz.Grant) { g.Endpoints = authz.Of("artifacts.get") }), []authz.Grant{parent}, true},
		{"deeper pattern", with(func(g *authz.Grant) { g.Endpoints = authz.Of("artifacts.data.*") }), []authz.Grant{parent}, true},
		{"wider pattern", with(func(g *authz.Grant) { g.Endpoints = authz.Of("projects.*") }), []authz.Grant{parent}, false},
		{"stem of pattern", with(func(g *authz.Grant) { g.Endpoints = authz.Of("artifacts") }), []authz.Grant{parent}, false},
		{"prefix of word", with(func(g *authz.Grant) { g.Endpoints = authz.Of("artifacts2.get") }), []authz.Grant{parent}, false},
		{"pattern in list",
			with(func(g *authz.Grant) { g.Endpoints = authz.Of("artifacts.*") }),
			[]authz.Grant{with(func(g *authz.Grant) { g.Endpoints = authz.Of("artifacts.get", "artifacts.list") })}, false,
		},
		{"a star in the parent's list", parent, []authz.Grant{with(func(g *authz.Grant) { g.Endpoints = authz.Of("*") })}, false},
		{"two halves", // the union of grants is not a grant
			parent, []authz.Grant{
				with(func(g *authz.Grant) { g.Permissions = authz.Of("read") }),
				with(func(g *authz.Grant) { g.Permissions = authz.Of("write") }),
			}, false,
		},
		{"second parent", parent, []authz.Grant{{}, parent}, true},
		{"zero child", authz.Grant{}, []authz.Grant{parent}, true}, // it allows nothing
		{"zero parent", parent, []authz.Grant{{}}, false},
		{"version 0", with(func(g *authz.Grant) { g.Version = 0 }), []authz.Grant{parent}, true},
		{"version 0, both", with(func(g *authz.Grant) { g.Version = 0 }), []authz.Grant{with(func(g *authz.Grant) { g.Version = 0 })}, true},
		{"read without", readGrant(t, `{"permissions":["read"]}`), []authz.Grant{m.Everything()}, false},
		{"read without, the parent", parent, []authz.Grant{readGrant(t, `{"permissions":"*","scope":{"projects":"*"},"endpoints":"*","environments":"*"}`)}, false},
		{"foreign child", readGrant(t, `{"v":1,"permissions":["read"],"networks":[]}`), []authz.Grant{m.Everything()}, false},
		{"foreign parent", parent, []authz.Grant{readGrant(t, `{"v":1,"permissions":"*","scope":{"projects":"*"},"endpoints":"*","environments":"*","networks":[]}`)}, false},
		{"version of both", with(func(g *authz.Grant) { g.Version = 2 }), []authz.Grant{with(func(g *authz.Grant) { g.Version = 2 })}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.child.Within(c.parents...); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func FuzzGrantJSON(f *testing.F) {
	for _, s := range []string{
		`{"v":1,"permissions":["read"],"scope":{"projects":"*"},"endpoints":["a.*"],"environments":["live"]}`,
		`{"v":2,"permissions":{}}`, `{"v":1,"new":"<&>"}`, `{"v":"x"}`, `null`, `{"v":1,"v":1}`, `{"scope":{"":[]}}`,
	} {
		f.Add([]byte(s))
	}
	m := newModel(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		var g, again authz.Grant
		if g.UnmarshalJSON(data) != nil {
			return
		}
		out, err := json.Marshal(g)
		if err != nil {
			t.Fatalf("%q: read but not written: %v", data, err)
		}
		if err := json.Unmarshal(out, &again); err != nil || !again.Equal(g) {
			t.Fatalf("%q: written as %s, read as %+v, %v", data, out, again, err)
		}
		valid := m.Validate(g) == nil
		if valid != (m.Validate(again) == nil) {
			t.Fatalf("%q: written as %s, which is valid no more or now", data, out)
		}
		if valid && !g.Within(m.Everything()) {
			t.Fatalf("%q is valid and beyond everything", data)
		}
	})
}

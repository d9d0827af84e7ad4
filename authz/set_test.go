package authz_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/authz"
)

func TestSetHas(t *testing.T) {
	var zero authz.Set
	ab := authz.Of("b", "a", "b")
	for _, c := range []struct {
		set  authz.Set
		x    string
		want bool
	}{
		{zero, "a", false},
		{zero, "", false},
		{ab, "a", true},
		{ab, "b", true},
		{ab, "c", false},
		{ab, "*", false},
		{authz.All(), "c", true},
		{authz.All(), "*", true},
		{authz.All(), "", false},
		{authz.Of("*"), "a", false},
		{authz.Of("*"), "*", false},
		{authz.Of(""), "", false},
	} {
		if got := c.set.Has(c.x); got != c.want {
			t.Errorf("{%v}.Has(%q) = %v", c.set, c.x, got)
		}
	}
	if authz.Of("*").IsAll() || !authz.All().IsAll() {
		t.Error("only All is everything")
	}
}

func TestSetWithin(t *testing.T) {
	none, a, ab, all := authz.Set{}, authz.Of("a"), authz.Of("a", "b"), authz.All()
	for _, c := range []struct {
		s, o authz.Set
		want bool
	}{
		{none, none, true}, {none, a, true}, {a, none, false},
		{a, ab, true}, {ab, a, false}, {ab, ab, true},
		{ab, all, true}, {all, all, true}, {all, ab, false}, {all, none, false},
	} {
		if got := c.s.Within(c.o); got != c.want {
			t.Errorf("{%v}.Within({%v}) = %v", c.s, c.o, got)
		}
	}
}

func TestSetIsImmutable(t *testing.T) {
	given := []string{"b", "a"}
	s := authz.Of(given...)
	given[0] = "z"
	s.Items()[0] = "y"
	if diff := cmp.Diff([]string{"a", "b"}, s.Items()); diff != "" {
		t.Error(diff)
	}
}

func TestSetJSON(t *testing.T) {
	for _, c := range []struct {
		in   string
		want authz.Set
		out  string
	}{
		{`"*"`, authz.All(), `"*"`},
		{` "*" `, authz.All(), `"*"`},
		{`[]`, authz.Set{}, `[]`},
		{`null`, authz.Set{}, `[]`},
		{`["b","a","b"]`, authz.Of("a", "b"), `["a","b"]`},
	} {
		s := authz.Of("old")
		if err := s.UnmarshalJSON([]byte(c.in)); err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		out, err := json.Marshal(s)
		if !s.Equal(c.want) || string(out) != c.out || err != nil {
			t.Errorf("%s: set {%v}, written as %s, %v", c.in, s, out, err)
		}
	}
	for _, in := range []string{``, `"a"`, `""`, `["*"]`, `["a","*"]`, `[""]`, `[null]`, `[1]`, `{}`, `true`, `["a"`, `"*" "*"`} {
		s := authz.Of("old")
		if err := s.UnmarshalJSON([]byte(in)); err == nil {
			t.Errorf("%s: no error, set {%v}", in, s)
		}
		if !s.Equal(authz.Of("old")) {
			t.Errorf("%s: an error changed the set to {%v}", in, s)
		}
	}
	for _, s := range []authz.Set{authz.Of("*"), authz.Of(""), authz.Of("a\xff")} {
		if out, err := json.Marshal(s); err == nil {
			t.Errorf("{%q} is no set of names, but is written as %s", s.Items(), out)
		}
	}
}

func FuzzSetJSON(f *testing.F) {
	for _, s := range []string{`"*"`, `[]`, `null`, `["a","b"]`, `["*"]`, `["\u00e9","\ud800"]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var s, again authz.Set
		if s.UnmarshalJSON(data) != nil {
			return
		}
		out, err := json.Marshal(s)
		if err != nil {
			t.Fatalf("%q: read but not written: %v", data, err)
		}
		if err := json.Unmarshal(out, &again); err != nil || !again.Equal(s) {
			t.Fatalf("%q: written as %s, read as {%v}, %v", data, out, again, err)
		}
		if !s.IsAll() {
			for _, x := range s.Items() {
				if !s.Has(x) {
					t.Fatalf("%q: item %q is not in the set", data, x)
				}
			}
		}
	})
}

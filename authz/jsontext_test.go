package authz_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/authz"
)

// slowly reads a grant by the decoder of the standard library alone: a second
// reading, with which that of the library must agree. What is of a newer
// release is returned as it is to be written back.
func slowly(data []byte) (g authz.Grant, foreign []byte, err error) {
	if !json.Valid(data) || string(bytes.TrimSpace(data)) == "null" {
		return g, nil, json.Unmarshal(data, new(any))
	}
	names, values, err := slowMembers(data)
	if err != nil {
		return g, nil, err
	}
	if json.Unmarshal(values["v"], &g.Version) != nil && values["v"] != nil {
		g.Version = -1
	}
	var unknown bool
	known := map[string]*authz.Set{"permissions": &g.Permissions, "endpoints": &g.Endpoints, "environments": &g.Environments}
	for _, name := range names {
		if g.Version != 0 && g.Version != authz.Version || !slices.Contains([]string{"v", "permissions", "scope", "endpoints", "environments"}, name) {
			unknown = true
		}
	}
	if g.Version == 0 || g.Version == authz.Version {
		for name, set := range known {
			if *set, err = slowSet(values[name]); err != nil {
				return g, nil, err
			}
		}
		if raw := values["scope"]; raw != nil && string(raw) != "null" {
			kinds, ids, err := slowMembers(raw)
			if err != nil {
				return g, nil, err
			}
			g.Scope = map[string]authz.Set{}
			for _, kind := range kinds {
				if g.Scope[kind], err = slowSet(ids[kind]); err != nil {
					return g, nil, err
				}
			}
		}
	}
	if unknown || g.Version == 0 { // without a version it says nothing that counts
		foreign, err = json.Marshal(json.RawMessage(data))
	}
	return g, foreign, err
}

func slowMembers(data []byte) (names []string, values map[string]json.RawMessage, err error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, nil, fmt.Errorf("%v, %w", t, errors.ErrUnsupported)
	}
	values = map[string]json.RawMessage{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, nil, err
		}
		name := t.(string)
		if values[name] != nil {
			return nil, nil, fmt.Errorf("%q twice", name)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, nil, err
		}
		names, values[name] = append(names, name), value
	}
	return names, values, nil
}

func slowSet(data []byte) (authz.Set, error) {
	switch string(bytes.TrimSpace(data)) {
	case "", `null`:
		return authz.Set{}, nil
	case `"*"`:
		return authz.All(), nil
	}
	var items []string
	if err := json.Unmarshal(data, &items); err != nil {
		return authz.Set{}, err
	}
	if slices.Contains(items, "") || slices.Contains(items, "*") {
		return authz.Set{}, fmt.Errorf("%q", items)
	}
	return authz.Of(items...), nil
}

func FuzzGrantAgrees(f *testing.F) {
	for _, s := range []string{
		`{"v":1,"permissions":["read","write"],"scope":{"projects":["proj_\u0061"]},"endpoints":"*","environments":["live"]}`,
		` { "v" : 1 , "permissions" : [ "a\"" , "b\\" ,"c," ] , "scope" : { "x" : [ ] , "y":null } } `, `{"permissions":"\u002a"}`,
		`{"v":1,"permissions":["a",null]}`, `{"v":1,"permissions":[["a"]]}`, `{"v":1,"new":{"a":[1,{"b":"}"}]},"v\u0061":2}`,
		"{\"\xff\":1,\"\xfe\":2}", "{\"v\":1,\"permissions\":[\"\xff\"]}", `{"v":1,"\u0076":1}`, `{"\ud800":1}`, `{"V":1,"Permissions":"*"}`,
		`{"v":-0}`, `{"v":1e0}`, `{"v":01}`, `{"v":99999999999999999999}`, `{"v":true}`, `{"v":null,"scope":null}`, `{"v":1}x`, `{"v":1,}`, ``, `null`, ` null `, `[]`, `{"scope":[]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var g authz.Grant
		err := g.UnmarshalJSON(data)
		want, foreign, wantErr := slowly(data)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: %v, want %v", data, err, wantErr)
		}
		if err != nil {
			return
		}
		if foreign != nil {
			if out, err := json.Marshal(g); g.Version != want.Version || err != nil || !bytes.Equal(out, foreign) {
				t.Fatalf("%q: version %d, written as %q, %v; want %d, %q", data, g.Version, out, err, want.Version, foreign)
			}
		} else if d := cmp.Diff(want, g); d != "" {
			t.Fatalf("%q (-want +got):\n%s", data, d)
		}
	})
}

func BenchmarkGrantJSON(b *testing.B) {
	text := []byte(`{"v":1,"permissions":["read","write"],"scope":{"projects":["proj_abc123"]},"endpoints":"*","environments":["live"]}`)
	b.ReportAllocs()
	for b.Loop() {
		var g authz.Grant
		if err := g.UnmarshalJSON(text); err != nil {
			b.Fatal(err)
		}
	}
}

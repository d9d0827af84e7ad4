package wire

import (
	"encoding/json"
	"reflect"
	"testing"
)

// What is accepted is JSON to package json as well, with the same meaning, and keeps its
// meaning if it is written and read again.
func FuzzDecode(f *testing.F) {
	type body struct {
		Name  string           `json:"name"`
		Count *int64           `json:"count"`
		On    bool             `json:"on"`
		List  []string         `json:"list"`
		Clear Nullable[string] `json:"clear"`
	}
	for _, text := range []string{`{}`, `{"name":"x","count":1,"on":true,"list":["a"],"clear":null}`, `{"Name":"x"}`, `{"name":"\ud83d\ude00"}`, `{"clear":"\ud800"}`, `null`, `{} {}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var got, want body
		if strict([]byte(text), &got) != nil {
			return
		}
		if err := json.Unmarshal([]byte(text), &want); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: got %+v, want %+v, %v", text, got, want, err)
		}
		members := map[string]json.RawMessage{}
		if err := json.Unmarshal([]byte(text), &members); err != nil {
			t.Fatalf("%q is accepted, but is no object: %v", text, err)
		}
		for name, value := range members {
			if string(value) == "null" && name != "clear" {
				t.Errorf("%q is accepted with null for %q", text, name)
			}
			if _, ok := memberOf(reflect.TypeFor[body](), name); !ok {
				t.Errorf("%q is accepted with the unknown field %q", text, name)
			}
		}
	})
}

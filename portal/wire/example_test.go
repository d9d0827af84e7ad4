package wire_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"medtwin.ai/tollgate/portal/wire"
	"medtwin.ai/tollgate/problem"
)

// A handler reads a body in which one field may be set to null, to take a value away.
func Example() {
	rename := func(w http.ResponseWriter, r *http.Request) error {
		var body struct {
			Name string                `json:"name"`
			Ends wire.Nullable[string] `json:"ends"`
		}
		if err := wire.Decode(w, r, &body); err != nil {
			return err
		}
		return wire.JSON(w, http.StatusOK, map[string]any{"name": body.Name, "has_no_end": body.Ends.Given && body.Ends.Value == nil})
	}
	for _, body := range []string{`{"name":"CI","ends":null}`, `{"Name":"CI"}`, `{"name":"CI","name":"ci"}`, `{"name":null}`} {
		r := httptest.NewRequest("PATCH", "/v1/notes/1", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		if err := rename(w, r); err != nil {
			problem.Write(w, r, *err.(*problem.Problem)) // as tollgate.Gate.Refuse does
			fmt.Println(err)
			continue
		}
		fmt.Print(w.Body)
	}
	// Output:
	// {"has_no_end":true,"name":"CI"}
	// problem: unknown_field: Name: there is no such field here; expected name or ends.
	// problem: duplicate_field: name: the field is there twice; send it once.
	// problem: invalid_field: name: expected a string.
}

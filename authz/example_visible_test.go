package authz_test

import (
	"encoding/json"
	"net/http"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/problem"
)

// A handler that filters its list and checks an id that came in the body.
func ExampleVisible() {
	list := func(w http.ResponseWriter, r *http.Request) {
		var args []any
		where := authz.Visible(r.Context(), "projects").Where("id", func(id any) string {
			args = append(args, id)
			return "?"
		})
		_ = "SELECT name FROM projects WHERE " + where // with args: pages and totals are right
	}
	move := func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Project string }
		if json.NewDecoder(r.Body).Decode(&body) != nil {
			http.Error(w, "malformed", http.StatusBadRequest)
			return
		}
		if err := authz.CheckResource(r.Context(), "projects", body.Project); err != nil {
			problem.Write(w, r, authz.Problem(err)) // before it is looked up
			return
		}
	}
	_, _ = list, move
}

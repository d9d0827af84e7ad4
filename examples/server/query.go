package main

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"medtwin.ai/tollgate/authz"
)

// queries has the query parameters of every route that takes some. All other
// routes take none.
var queries = map[string][]string{
	"GET /v1/api-keys":                    {"owner", "expiring_before", "limit", "after"},
	"DELETE /v1/api-keys/{id}":            {"reason"},
	"GET /v1/artifacts":                   {"limit", "after"},
	"GET /v1/artifacts/{type}":            {"limit", "after"},
	"GET /v1/audit-log":                   {"limit", "after"},
	"GET /v1/auth/sessions":               {"limit", "after"},
	"GET /v1/operator/access-requests":    {"status", "limit", "after"},
	"GET /v1/operator/accounts":           {"limit", "after"},
	"GET /v1/operator/audit-log":          {"account", "limit", "after"},
	"GET /v1/projects":                    {"limit", "after"},
	"GET /v1/projects/{project}/analyses": {"limit", "after"},
	"GET /v1/projects/{project}/data":     {"limit", "after"},
	"GET /v1/rubrics":                     {"limit", "after"},
	"GET /v1/team":                        {"limit", "after"},
}

// mayBeEmpty has the parameters that say the same if they are empty as if they
// are missing. Elsewhere an empty value is a mistake: ?owner= of a script whose
// variable is not set would list the keys of everybody.
var mayBeEmpty = set("after", "reason")

// A table declares the routes of the API at the gate. What it adds is that a
// query is checked before the handler of any route runs, even if the handler does
// not read it, and that the log learns who is calling.
type table struct{ server *server }

func (t table) Handle(pattern string, need authz.Need, h http.Handler) {
	t.server.gate.Handle(pattern, need, t.checked(pattern, h))
}

func (t table) Public(pattern, reason string, h http.Handler) {
	t.server.gate.Public(pattern, reason, t.checked(pattern, h))
}

func (t table) checked(pattern string, h http.Handler) http.Handler {
	known := queries[pattern]
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		outcomeOf(r).by(r)
		if err := checkQuery(r.URL.RawQuery, known); err != nil {
			t.server.fail(w, r, err)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// checkQuery returns an error that names the parameter, unless the query is
// well-formed and every parameter in it is known and there once. The URL's
// Query method would drop what is malformed and take the first of several.
func checkQuery(raw string, known []string) error {
	seen := make(map[string]bool)
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(name)
		if err != nil || strings.Contains(name, ";") || !slices.Contains(known, name) {
			detail := quote(name) + ": there is no such query parameter here; "
			if len(known) == 0 {
				return badQuery("unknown_parameter", detail+"this endpoint takes none.")
			}
			return badQuery("unknown_parameter", detail+"expected "+oneOf(known)+".")
		}
		text, err := url.QueryUnescape(value)
		switch {
		case err != nil:
			return badQuery("invalid_parameter", name+`: after "%" expected two hexadecimal digits; write a percent sign as %25.`)
		case strings.Contains(value, ";"):
			return badQuery("invalid_parameter", name+`: write a semicolon as %3B, and "&" between parameters.`)
		case !utf8.ValidString(text), strings.Contains(text, "\x00"):
			return badQuery("invalid_parameter", name+": expected text in UTF-8.")
		case text == "" && !mayBeEmpty[name]:
			return badQuery("invalid_parameter", name+": the value is empty; give one, or leave the parameter out.")
		case seen[name]:
			return badQuery("invalid_parameter", name+": the parameter is there twice; send it once.")
		}
		seen[name] = true
	}
	return nil
}

func badQuery(code, detail string) error { return invalid(http.StatusBadRequest, code, detail) }

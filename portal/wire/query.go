package wire

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"medtwin.ai/tollgate/internal/suggest"
	"medtwin.ai/tollgate/problem"
)

// CheckQuery returns an error that names the parameter, unless the query of r is
// well-formed and has every parameter once and with a value, and none but those in names.
// Call it before anything of the query is used: the method Query of url.URL drops what is
// malformed and takes the first of several.
//
// An empty value is usually a mistake: ?owner= of a script whose variable is not set would
// list what belongs to everybody. A name with "=" behind it in names may have an empty
// value, which the handler must take as if the parameter were missing; "after", which
// continues a list, may always.
func CheckQuery(r *http.Request, names ...string) error {
	known := make([]string, len(names))
	mayBeEmpty := []string{"after"}
	for i, name := range names {
		var ok bool
		if known[i], ok = strings.CutSuffix(name, "="); ok {
			mayBeEmpty = append(mayBeEmpty, known[i])
		}
	}
	seen := make(map[string]bool)
	for part := range strings.SplitSeq(r.URL.RawQuery, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(name)
		if err != nil || strings.Contains(name, ";") || !slices.Contains(known, name) {
			return unknownParameter(name, known)
		}
		text, err := url.QueryUnescape(value)
		switch {
		case err != nil:
			return invalidParameter(name, `: after "%" expected two hexadecimal digits; write a percent sign as %25.`)
		case strings.Contains(value, ";"):
			return invalidParameter(name, `: write a semicolon as %3B, and "&" between parameters.`)
		case !utf8.ValidString(text), strings.Contains(text, "\x00"):
			return invalidParameter(name, ": expected text in UTF-8.")
		case text == "" && !slices.Contains(mayBeEmpty, name):
			return invalidParameter(name, ": the value is empty; give one, or leave the parameter out.")
		case seen[name]:
			return invalidParameter(name, ": the parameter is there twice; send it once.")
		}
		seen[name] = true
	}
	return nil
}

func unknownParameter(name string, known []string) *problem.Problem {
	expected := "this endpoint takes none."
	if len(known) > 0 {
		expected = "expected " + suggest.List(known) + "."
	}
	return Invalid("unknown_parameter", Name(name)+": there is no such query parameter here; "+expected)
}

func invalidParameter(name, detail string) *problem.Problem {
	return Invalid("invalid_parameter", name+detail)
}

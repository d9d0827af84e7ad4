package wire

import (
	"net/http"
	"net/url"
	"slices"
	"testing"
)

// case T10: a query says what it seems to say, or is refused with the name of
// the parameter.
func TestCheckQuery(t *testing.T) {
	const (
		percent   = `: after "%" expected two hexadecimal digits; write a percent sign as %25.`
		semicolon = `: write a semicolon as %3B, and "&" between parameters.`
		empty     = ": the value is empty; give one, or leave the parameter out."
		twice     = ": the parameter is there twice; send it once."
		unknown   = ": there is no such query parameter here; expected owner, reason or after."
		odd       = "(a name of other characters, or too long)"
	)
	for _, c := range []struct{ query, want string }{
		{"", ""},
		{"owner=me", ""},
		{"%6fwner=m%65&after=&reason=", ""},
		{"reason=a+b%3Bc%25d%26e", ""},
		{"owner=me&", ""},

		{"reason=left;fired", "invalid_parameter: reason" + semicolon},
		{"owner=me;x", "invalid_parameter: owner" + semicolon},
		{"reason=100%", "invalid_parameter: reason" + percent},
		{"after=%zz", "invalid_parameter: after" + percent},
		{"after=%00", "invalid_parameter: after: expected text in UTF-8."},
		{"after=%ff", "invalid_parameter: after: expected text in UTF-8."},
		{"owner=me&owner=me", "invalid_parameter: owner" + twice},
		{"after=&%61fter=x", "invalid_parameter: after" + twice},
		{"owner=", "invalid_parameter: owner" + empty},
		{"owner", "invalid_parameter: owner" + empty},

		{"ower=me", "unknown_parameter: ower" + unknown},
		{"Owner=me", "unknown_parameter: Owner" + unknown},
		{"owner%00=me", "unknown_parameter: " + odd + unknown},
		{"own%er=me", "unknown_parameter: " + odd + unknown},
		{"x;owner=me", "unknown_parameter: " + odd + unknown},
		{"=me", "unknown_parameter: " + odd + unknown},
		{"mt_live_aaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "unknown_parameter: " + odd + unknown},
	} {
		t.Run(c.query, func(t *testing.T) {
			got := ""
			if err := CheckQuery(asked(c.query), "owner", "reason=", "after"); err != nil {
				got = sentence(err)
			}
			if got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func asked(query string) *http.Request { return &http.Request{URL: &url.URL{RawQuery: query}} }

// What is accepted means to package url what it means to CheckQuery.
func FuzzCheckQuery(f *testing.F) {
	for _, query := range []string{"", "owner=me&after=x", "reason=left;fired", "after=%zz", "a=1&a=2", "owner", "reason=a+b%3B", "&&", "=", "%6fwner=me"} {
		f.Add(query)
	}
	known := []string{"owner", "after", "reason"}
	f.Fuzz(func(t *testing.T, query string) {
		if CheckQuery(asked(query), "owner", "after", "reason=") != nil {
			return
		}
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatalf("%q is accepted, but %v", query, err)
		}
		for name, all := range values {
			if !slices.Contains(known, name) || len(all) != 1 {
				t.Errorf("%q is accepted with %q: %q", query, name, all)
			}
		}
	})
}

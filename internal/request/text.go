package request

import "strings"

// Trim removes the optional white space around a part of a header field, which
// is space and tab only (RFC 9110 §5.6.3).
//
// [strings.TrimSpace] also removes U+0085, U+00A0, U+2000 and others. So it
// finds names that no other parser on the way sees: a browser refuses to let a
// page plant the cookie __Host-x, but it plants one whose name begins with
// U+2000.
func Trim(s string) string { return strings.Trim(s, " \t") }

// Lower returns s with A to Z in lower case, and with everything else as it is.
// Names in protocols are ASCII. [strings.ToLower] turns U+0130 into an i and
// U+212A into a k, and [strings.EqualFold] takes U+017F for an s.
func Lower(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return lower(s)
		}
	}
	return s
}

// lower is Lower for a text that has to change.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

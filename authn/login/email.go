package login

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxEmail is what fits into the path of RFC 5321 §4.5.3.1.3, in bytes.
const maxEmail = 254

// Email returns an address as it is stored and looked up: trimmed and in lower
// case. It is "" for what cannot be one: an empty or longer text than 254
// bytes, one with control characters, or one that is not UTF-8.
func Email(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > maxEmail || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return ""
	}
	if s = strings.ToLower(s); len(s) > maxEmail { // some letters grow
		return ""
	}
	return s
}

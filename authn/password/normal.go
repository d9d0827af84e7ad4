package password

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxSent bounds the work on a password as it was sent. The same 256 characters
// take more than maxBytes where they are decomposed: a Hangul syllable is three
// bytes, its letters are nine.
const maxSent = 4 * maxBytes

// normal returns the form in which a password is hashed, "" for what cannot be
// one: an empty text, or one of more than maxBytes in that form.
func normal(password string) string {
	if len(password) > maxSent {
		return ""
	}
	if utf8.ValidString(password) {
		password = norm.NFC.String(strings.Map(plainSpace, password))
	}
	if len(password) > maxBytes {
		return ""
	}
	return password
}

// plainSpace makes U+0020 of every space: which of them a keyboard sends is
// nothing that a person sees.
func plainSpace(r rune) rune {
	if r > unicode.MaxASCII && unicode.Is(unicode.Zs, r) {
		return ' '
	}
	return r
}

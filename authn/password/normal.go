package password

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxSent bounds the work on a password as it was sent, before normalization.
// It is larger than maxBytes, because 256 characters may be sent in a
// decomposed form: a Hangul syllable has three bytes, and its letters have
// nine.
const maxSent = 4 * maxBytes

// normal returns the form in which a password is hashed: Unicode normalization
// form C, with every kind of space as U+0020 (RFC 8265 §4.2.2, OpaqueString).
// Keyboards and systems produce different bytes for the same characters, and
// people cannot see the difference.
//
// It returns "" for a text that cannot be a password: an empty one, or one of
// more than maxBytes in that form. Text that is not UTF-8 stays as it is.
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

// plainSpace maps every space character to U+0020. Which of them a keyboard
// produces is not visible.
func plainSpace(r rune) rune {
	if r > unicode.MaxASCII && unicode.Is(unicode.Zs, r) {
		return ' '
	}
	return r
}

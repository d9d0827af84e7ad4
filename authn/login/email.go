package login

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// The bounds of RFC 5321 §4.5.3.1 and RFC 1035 §2.3.4, in bytes.
const (
	maxEmail = 254 // what fits into a path
	maxLocal = 64
	maxLabel = 63
)

// Email returns an email address as it is stored, compared and written to: in
// NFC and lower case, on both sides of the @, without white space at the ends.
// It is "" for what is not exactly one address: a Mailbox of RFC 5321 §4.1.2,
// with the letters of all scripts (RFC 6531), whose local part is not quoted and
// whose domain is a name. So there are no display names, lists, comments,
// address literals and second @, which another parser may read as another
// address. Letters outside ASCII that become ASCII in that form, such as U+212A,
// the kelvin sign, are refused for the same reason.
//
// Everything that takes an address uses this function: two spellings are one
// user or none.
func Email(s string) string {
	s = strings.Trim(s, " \t\r\n")
	if len(s) > 4*maxEmail || !utf8.ValidString(s) || strings.ContainsFunc(s, becomesASCII) {
		return ""
	}
	s = norm.NFC.String(strings.ToLower(norm.NFC.String(s)))
	local, domain, ok := strings.Cut(s, "@")
	if !ok || len(s) > maxEmail || len(local) > maxLocal {
		return ""
	}
	for atom := range strings.SplitSeq(local, ".") {
		if atom == "" || strings.ContainsFunc(atom, notAtext) {
			return ""
		}
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' || strings.ContainsFunc(label, notInName) {
			return ""
		}
	}
	return s
}

func becomesASCII(r rune) bool {
	return r >= utf8.RuneSelf && (unicode.ToLower(r) < utf8.RuneSelf || norm.NFC.String(string(r))[0] < utf8.RuneSelf)
}

// notAtext tells what is no atext of RFC 5322 §3.2.3, extended by RFC 6531 §3.3
// to whatever has a shape.
func notAtext(r rune) bool {
	if r >= utf8.RuneSelf {
		return !unicode.IsPrint(r)
	}
	return !alphanumeric(r) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
}

func notInName(r rune) bool {
	if r >= utf8.RuneSelf {
		return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r)
	}
	return !alphanumeric(r) && r != '-'
}

func alphanumeric(r rune) bool { return 'a' <= r && r <= 'z' || '0' <= r && r <= '9' }

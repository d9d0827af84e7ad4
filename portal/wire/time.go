package wire

import (
	"strings"
	"time"
)

// ParseTime reads a time of RFC 3339, section 5.6, in upper case, and returns it in UTC.
// time.Parse alone also takes an hour of one digit, a comma before the fraction, and
// offsets of 24 hours or 60 minutes and more. The zero time and years that do not have
// four digits are refused. The error says nothing of the field that text comes from: say
// that to the client instead.
func ParseTime(text string) (time.Time, error) {
	const form = "0000-00-00T00:00:00"
	bad := Invalid("invalid_time", "A time must be as in 2027-01-31T00:00:00Z.")
	if len(text) < len(form) || !matches(text[:len(form)], form) {
		return time.Time{}, bad
	}
	rest := text[len(form):]
	if fraction, ok := strings.CutPrefix(rest, "."); ok {
		rest = strings.TrimLeft(fraction, "0123456789")
		if len(rest) == len(fraction) {
			return time.Time{}, bad
		}
	}
	if rest != "Z" && !(matches(rest, "+00:00") || matches(rest, "-00:00")) || rest != "Z" && (rest[1:3] > "23" || rest[4:] > "59") {
		return time.Time{}, bad
	}
	t, err := time.Parse(time.RFC3339, text)
	if t = t.UTC(); err != nil || t.IsZero() || t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, bad
	}
	return t, nil
}

// matches reports whether text has the form: a digit where that has one, and
// the same byte elsewhere.
func matches(text, form string) bool {
	if len(text) != len(form) {
		return false
	}
	for i := range len(form) {
		if digit := '0' <= text[i] && text[i] <= '9'; form[i] == '0' && !digit || form[i] != '0' && text[i] != form[i] {
			return false
		}
	}
	return true
}

// FormatTime returns t as answers have it, in UTC and to the second, and "" for the zero
// time.
func FormatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

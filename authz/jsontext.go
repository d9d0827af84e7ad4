package authz

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// A grant is read here by hand and not by package json. Every key that is not
// cached is read from a store, so reading its grant is part of what a request
// costs. The functions return parts of the text, which is allocated once. They
// are called with valid JSON only.

// errMalformed says that the text is not JSON at all.
var errMalformed = errors.New("malformed JSON")

// A member is one member of a JSON object: its name, and the text of its value.
type member struct{ name, value string }

// members appends the members of a JSON object to all, sorted by name. Package
// json would match names in any letter case, and would let the last of two
// equal ones win.
func members(text string, all []member) ([]member, error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), "{")
	if !ok {
		return nil, fmt.Errorf("want an object, have %s", brief(text))
	}
	// The text is valid, so a name, a colon and a value follow each other.
	for rest = strings.TrimSpace(rest); rest[0] != '}'; {
		var m member
		m.name, rest = cutValue(rest)
		m.value, rest = cutValue(rest[1:])
		rest = strings.TrimSpace(strings.TrimPrefix(rest, ","))
		var err error
		if m.name, err = unquote(m.name); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b member) int { return strings.Compare(a.name, b.name) })
	for i := 1; i < len(all); i++ {
		if all[i].name == all[i-1].name {
			return nil, fmt.Errorf("member %q twice", all[i].name)
		}
	}
	return all, nil
}

// items returns the strings of a JSON list. Anything else in the list is an
// error: a number or a nested list is never taken for a name.
func items(text string) ([]string, error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), "[")
	if !ok {
		return nil, fmt.Errorf("have %s", brief(text))
	}
	list := make([]string, 0, min(1+strings.Count(rest, ","), 16)) // an upper bound: a comma may be part of a name
	for rest = strings.TrimSpace(rest); rest[0] != ']'; {
		var item string
		item, rest = cutValue(rest)
		rest = strings.TrimSpace(strings.TrimPrefix(rest, ","))
		item, err := unquote(item)
		if err != nil {
			return nil, err
		}
		list = append(list, item)
	}
	return list, nil
}

// cutValue returns the first value of the inside of an object or list, and the
// rest of the text from the colon, comma or bracket on.
//
// It finds the end of the value by counting brackets outside of strings. That
// is enough because the text is valid JSON: its brackets match, and a quote
// that belongs to a string is escaped.
func cutValue(text string) (value, rest string) {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++ // skips what is escaped
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{', c == '[':
			depth++
		case depth > 0 && (c == '}' || c == ']'):
			depth--
		case depth == 0 && (c == ':' || c == ',' || c == '}' || c == ']'):
			return strings.TrimSpace(text[:i]), text[i:]
		}
	}
	return strings.TrimSpace(text), "" // does not happen in valid JSON
}

// unquote returns the text of a JSON string. Another value is an error.
func unquote(text string) (string, error) {
	if text[0] != '"' {
		return "", fmt.Errorf("have %s", brief(text))
	}
	if strings.IndexByte(text, '\\') < 0 && utf8.ValidString(text) {
		return text[1 : len(text)-1], nil
	}
	var s string // only this path allocates
	err := json.Unmarshal([]byte(text), &s)
	return s, err
}

// brief returns the beginning of a text, for messages.
func brief(text string) string {
	text = strings.TrimSpace(text)
	if len(text) > 20 {
		return text[:20] + "…"
	}
	return text
}

package authz

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Grants are read here from valid JSON, and not by a decoder: whatever is not
// remembered is read from a store at the cost of reading its grant. What is
// read are parts of the text, which is allocated once.

var errMalformed = errors.New("malformed JSON")

// A member of a JSON object: its name, and its value as it stands there.
type member struct{ name, value string }

// members appends the members of a JSON object to all, sorted by name. Decoding
// into a struct would match names in any case, and let the last of two win.
func members(text string, all []member) ([]member, error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), "{")
	if !ok {
		return nil, fmt.Errorf("want an object, have %s", brief(text))
	}
	// The text is valid, so a name, a colon and a value follow one another.
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

// items returns the items of a JSON list of strings.
func items(text string) ([]string, error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), "[")
	if !ok {
		return nil, fmt.Errorf("have %s", brief(text))
	}
	list := make([]string, 0, min(1+strings.Count(rest, ","), 16)) // they may be within the names
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

// cutValue returns the first value in the inside of an object or list, and what
// follows it, from the colon, comma or bracket on.
func cutValue(text string) (value, rest string) {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++ // whatever it escapes
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
	return strings.TrimSpace(text), "" // not in valid JSON
}

// unquote returns what a JSON string says; another value is an error.
func unquote(text string) (string, error) {
	if text[0] != '"' {
		return "", fmt.Errorf("have %s", brief(text))
	}
	if strings.IndexByte(text, '\\') < 0 && utf8.ValidString(text) {
		return text[1 : len(text)-1], nil
	}
	var s string // only here, as it is allocated
	err := json.Unmarshal([]byte(text), &s)
	return s, err
}

// brief returns the beginning of some JSON, for messages.
func brief(text string) string {
	text = strings.TrimSpace(text)
	if len(text) > 20 {
		return text[:20] + "…"
	}
	return text
}

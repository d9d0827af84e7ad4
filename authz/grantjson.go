package authz

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// MarshalJSON writes the grant. What was read from a newer release is written
// as it was read, so that it keeps denying here and keeps its meaning there.
func (g Grant) MarshalJSON() ([]byte, error) {
	if g.foreign != nil {
		return g.foreign, nil
	}
	if g.Scope == nil {
		g.Scope = map[string]Set{}
	}
	type plain Grant // without this method
	return json.Marshal(plain(g))
}

// UnmarshalJSON reads a grant. Unknown members and versions are no error: a
// record that a newer release wrote is a denial, not an outage. They are
// remembered, [Model.Rights] denies, and [Model.Validate] names them. Names
// are case-sensitive and may not repeat.
func (g *Grant) UnmarshalJSON(data []byte) error {
	*g = Grant{}
	if string(bytes.TrimSpace(data)) == "null" {
		return nil
	}
	all, err := members(data)
	if err != nil {
		return fmt.Errorf("authz: grant: %w", err)
	}
	for _, m := range all {
		if m.name == "v" && json.Unmarshal(m.value, &g.Version) != nil {
			g.Version = -1 // a version of a kind not known yet
		}
	}
	if g.Version != 0 && g.Version != Version {
		return g.keep(data) // its members may have other shapes
	}
	var unknown bool
	for _, m := range all {
		var err error
		switch m.name {
		case "v":
		case "permissions":
			err = g.Permissions.UnmarshalJSON(m.value)
		case "endpoints":
			err = g.Endpoints.UnmarshalJSON(m.value)
		case "environments":
			err = g.Environments.UnmarshalJSON(m.value)
		case "scope":
			g.Scope, err = readScope(m.value)
		default:
			unknown = true
		}
		if err != nil {
			return fmt.Errorf("authz: grant: member %q: %w", m.name, err)
		}
	}
	if unknown {
		return g.keep(data)
	}
	return nil
}

// keep remembers the record in the form in which json.Marshal will write it.
func (g *Grant) keep(data []byte) (err error) {
	g.foreign, err = json.Marshal(json.RawMessage(data))
	return err
}

// unknown returns the names of the members this release does not know.
func (g Grant) unknown() (names []string) {
	all, _ := members(g.foreign)
	for _, m := range all {
		switch m.name {
		case "v", "permissions", "endpoints", "environments", "scope":
		default:
			names = append(names, m.name)
		}
	}
	return names
}

func readScope(data []byte) (map[string]Set, error) {
	if string(data) == "null" {
		return nil, nil
	}
	all, err := members(data)
	if err != nil {
		return nil, err
	}
	scope := make(map[string]Set, len(all))
	for _, m := range all {
		var ids Set
		if err := ids.UnmarshalJSON(m.value); err != nil {
			return nil, fmt.Errorf("%q: %w", m.name, err)
		}
		scope[m.name] = ids
	}
	return scope, nil
}

type member struct {
	name  string
	value json.RawMessage
}

// members returns the members of a JSON object in order. Decoding into a
// struct would match names in any case, and let the last of two win.
func members(data []byte) ([]member, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if !json.Valid(data) {
		return nil, errors.New("malformed JSON")
	}
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("want an object, have %s", brief(data))
	}
	var all []member
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, err
		}
		m := member{name: t.(string)} // a key: the text is valid JSON
		if seen[m.name] {
			return nil, fmt.Errorf("member %q twice", m.name)
		}
		seen[m.name] = true
		if err := dec.Decode(&m.value); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// brief returns the beginning of some JSON, for messages.
func brief(data []byte) string {
	data = bytes.TrimSpace(data)
	if len(data) > 20 {
		return string(data[:20]) + "…"
	}
	return string(data)
}

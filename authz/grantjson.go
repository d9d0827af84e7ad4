package authz

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// MarshalJSON writes the grant, with its version. What was read from a newer
// release, or without a version, is written as it was read, so that it keeps
// denying here and keeps its meaning there.
func (g Grant) MarshalJSON() ([]byte, error) {
	if g.foreign != nil {
		return g.foreign, nil
	}
	g.Version = g.version()
	if g.Scope == nil {
		g.Scope = map[string]Set{}
	}
	type plain Grant // without this method
	return json.Marshal(plain(g))
}

// UnmarshalJSON reads a grant. Unknown members and versions, and a missing one, are
// no error: a record that a newer release wrote is a denial, not an outage. They are
// remembered, [Model.Rights] denies, and [Model.Validate] names them. Names
// are case-sensitive and may not repeat.
func (g *Grant) UnmarshalJSON(data []byte) error {
	*g = Grant{}
	if !json.Valid(data) {
		return fmt.Errorf("authz: grant: %w", errMalformed)
	}
	text := strings.TrimSpace(string(data))
	if text == "null" {
		return nil
	}
	all, err := members(text, make([]member, 0, 8)) // a grant has five
	if err != nil {
		return fmt.Errorf("authz: grant: %w", err)
	}
	for _, m := range all {
		if m.name == "v" && m.value != "null" {
			if g.Version, err = strconv.Atoi(m.value); err != nil {
				g.Version = -1 // a version of a kind not known yet
			}
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
			g.Permissions, err = readSet(m.value)
		case "endpoints":
			g.Endpoints, err = readSet(m.value)
		case "environments":
			g.Environments, err = readSet(m.value)
		case "scope":
			g.Scope, err = readScope(m.value)
		default:
			unknown = true
		}
		if err != nil {
			return fmt.Errorf("authz: grant: member %q: %w", m.name, err)
		}
	}
	if unknown || g.Version == 0 {
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
	all, _ := members(string(g.foreign), nil)
	for _, m := range all {
		switch m.name {
		case "v", "permissions", "endpoints", "environments", "scope":
		default:
			names = append(names, m.name)
		}
	}
	return names
}

func readScope(text string) (map[string]Set, error) {
	if text == "null" {
		return nil, nil
	}
	all, err := members(text, make([]member, 0, 8))
	if err != nil {
		return nil, err
	}
	scope := make(map[string]Set, len(all))
	for _, m := range all {
		if scope[m.name], err = readSet(m.value); err != nil {
			return nil, fmt.Errorf("%q: %w", m.name, err)
		}
	}
	return scope, nil
}

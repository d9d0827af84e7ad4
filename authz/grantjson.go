package authz

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// MarshalJSON writes the grant with its version. A grant that a newer release
// wrote, or one without a version, is written as it was read. So it keeps
// denying here, and keeps its meaning there.
func (g Grant) MarshalJSON() ([]byte, error) {
	if g.foreign != nil {
		return g.foreign, nil
	}
	g.Version = g.version()
	if g.Scope == nil {
		g.Scope = map[string]Set{}
	}
	type fields Grant // has no method MarshalJSON
	return json.Marshal(fields(g))
}

// UnmarshalJSON reads a grant. Unknown members, unknown versions and a missing
// version are no errors, because a record that a newer release wrote is a
// denial and not an outage. They are remembered: [Model.Rights] denies, and
// [Model.Validate] names them. Names of members are case-sensitive and may not
// repeat, so that no two readers understand a grant differently.
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
	// The version comes first, because it says what the other members mean.
	for _, m := range all {
		if m.name == "v" && m.value != "null" {
			if g.Version, err = strconv.Atoi(m.value); err != nil {
				g.Version = -1 // a version of a form that is not known yet
			}
		}
	}
	if g.Version != 0 && g.Version != Version {
		return g.keep(data) // its members may have another form
	}
	// Only the exact names below are known. Each set is read strictly: a wrong
	// type is an error, and never an empty or a full set.
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
	// What is understood stays readable, for explanations. The grant still
	// denies, because known reports false.
	if unknown || g.Version == 0 {
		return g.keep(data)
	}
	return nil
}

// keep remembers the JSON in the form in which json.Marshal will write it.
func (g *Grant) keep(data []byte) (err error) {
	g.foreign, err = json.Marshal(json.RawMessage(data))
	return err
}

// unknown returns the names of the members that this release does not know.
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

// readScope reads the member "scope".
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

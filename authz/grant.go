package authz

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Version is the version of [Grant] that this release writes and understands.
const Version = 1

// A Grant is one set for every dimension, all of which a request must meet. The zero Grant allows nothing, and so does one of another version.
type Grant struct {
	// Version of the meaning of the grant. Zero is the present one in Go; in JSON,
	// where it is always written, a grant without it denies.
	Version     int `json:"v"`
	Permissions Set `json:"permissions"`
	// Scope holds the ids of each kind of resource. A kind that is missing is
	// the empty set: requests that name a resource of it are denied, requests
	// that name none are unaffected.
	Scope map[string]Set `json:"scope"`
	// Endpoints holds route ids, and patterns such as "artifacts.*", which is
	// every id that begins with "artifacts.", those of later releases included.
	Endpoints    Set `json:"endpoints"`
	Environments Set `json:"environments"`

	// foreign is the record as read, when it says things this release does
	// not know. Such a grant denies, and is written back as it was.
	foreign json.RawMessage
}

// clone returns a copy that shares nothing that can change.
func (g Grant) clone() Grant {
	g.Scope = maps.Clone(g.Scope)
	return g
}

// Within reports whether g allows nothing that the parents do not, now and
// later. It compares set by set, and g must be within a single parent: the
// union of several grants is not a grant. "artifacts.get" is within "artifacts.*",
// but "artifacts.*" is not within a list of today's ids.
//
// Offer as parents only grants that [Model.Validate] accepts. [Model.Rights]
// voids the others, for reasons that no comparison of sets can see: where
// there are rights, ask [Rights.Delegate].
func (g Grant) Within(parents ...Grant) bool {
	return slices.ContainsFunc(parents, g.within)
}

func (g Grant) within(p Grant) bool {
	return g.known() && p.known() && g.exceeds(p).at == nothing
}

// known reports whether this release understands all that g says.
func (g Grant) known() bool { return g.version() == Version && g.foreign == nil }

// version returns the version that g is of. One that was read says so itself.
func (g Grant) version() int {
	if g.Version == 0 && g.foreign == nil {
		return Version
	}
	return g.Version
}

// Equal reports whether g and o say the same.
func (g Grant) Equal(o Grant) bool {
	return g.version() == o.version() &&
		g.Permissions.Equal(o.Permissions) &&
		maps.EqualFunc(g.Scope, o.Scope, Set.Equal) &&
		g.Endpoints.Equal(o.Endpoints) &&
		g.Environments.Equal(o.Environments) &&
		bytes.Equal(g.foreign, o.foreign)
}

// endpointsWithin is Within for sets that may hold patterns.
func endpointsWithin(s, o Set) bool {
	if s.all || o.all {
		return o.all
	}
	return len(s.except(covers(o)).items) == 0
}

// covers returns whether a route id, or all that a pattern stands for, is in s.
func covers(s Set) func(string) bool {
	exact, prefixes := splitEndpoints(s)
	return func(x string) bool { return exact.Has(x) || hasPrefix(x, prefixes) }
}

// splitEndpoints parts the ids of a set from its patterns, which it returns
// as prefixes: "artifacts.*" as "artifacts.".
func splitEndpoints(s Set) (exact Set, prefixes []string) {
	exact.all = s.all
	for _, x := range s.items {
		if strings.HasSuffix(x, "."+star) {
			prefixes = append(prefixes, strings.TrimSuffix(x, star))
		} else {
			exact.items = append(exact.items, x)
		}
	}
	return exact, prefixes
}

func hasPrefix(x string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(x, p) {
			return true
		}
	}
	return false
}

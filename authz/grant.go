package authz

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Version is the version of [Grant] that this release writes and understands. A
// release that changes the meaning of a grant raises it. Older releases then
// deny such grants, instead of misunderstanding them.
const Version = 1

// A Grant is one set for each dimension. A request must lie in all of them. The
// zero Grant allows nothing, and neither does a grant of another version.
type Grant struct {
	// Version of the meaning of the grant. In Go, zero means the present one.
	// In JSON the version is always written, and a grant without it denies: it
	// may come from something that did not know about versions.
	Version     int `json:"v"`
	Permissions Set `json:"permissions"`
	// Scope holds the ids of each kind of resource. A kind that is missing has
	// the empty set: a request that names a resource of it is denied, and one
	// that names none is unaffected.
	Scope map[string]Set `json:"scope"`
	// Endpoints holds ids of routes, and patterns. The pattern "artifacts.*"
	// stands for every id that begins with "artifacts.", also for those of
	// later releases.
	Endpoints    Set `json:"endpoints"`
	Environments Set `json:"environments"`

	// foreign is the JSON that was read, if it says something that this release
	// does not know. Such a grant denies, and is written back as it was read.
	foreign json.RawMessage
}

// clone returns a copy that shares nothing that can be changed.
func (g Grant) clone() Grant {
	g.Scope = maps.Clone(g.Scope)
	return g
}

// Within reports whether g allows nothing that the parents do not allow, now
// and later. It compares set by set. g must be within a single parent, because
// a union of grants is not a grant. "artifacts.get" is within "artifacts.*".
// "artifacts.*" is not within a list of today's ids, because there may be more
// tomorrow.
//
// Use only parents that [Model.Validate] accepts. [Model.Rights] voids the
// others, which a comparison of sets cannot see. If there are rights, ask
// [Rights.Delegate] instead.
func (g Grant) Within(parents ...Grant) bool {
	return slices.ContainsFunc(parents, g.within)
}

// within is Within for one parent. A grant that is not fully understood is
// within nothing, and nothing is within it: what this release does not know of
// it might be wider than what is compared here.
func (g Grant) within(p Grant) bool {
	return g.known() && p.known() && g.exceeds(p).at == nothing
}

// known reports whether this release understands everything that g says.
func (g Grant) known() bool { return g.version() == Version && g.foreign == nil }

// version returns the version of g. A grant that was read from JSON states it,
// and only one that was made in Go may leave it out.
func (g Grant) version() int {
	if g.Version == 0 && g.foreign == nil {
		return Version
	}
	return g.Version
}

// Equal reports whether g and o say the same. It is exact: two grants that
// allow the same requests but say so differently are not equal. A store
// compares with it what was decided on with what is stored.
func (g Grant) Equal(o Grant) bool {
	return g.version() == o.version() &&
		g.Permissions.Equal(o.Permissions) &&
		maps.EqualFunc(g.Scope, o.Scope, Set.Equal) &&
		g.Endpoints.Equal(o.Endpoints) &&
		g.Environments.Equal(o.Environments) &&
		bytes.Equal(g.foreign, o.foreign)
}

// endpointsWithin is Set.Within for sets that may contain patterns.
func endpointsWithin(s, o Set) bool {
	if s.all || o.all {
		return o.all
	}
	return len(s.except(covers(o)).items) == 0
}

// covers returns a function that reports whether s contains a route id, or
// everything that a pattern stands for.
func covers(s Set) func(string) bool {
	exact, prefixes := splitEndpoints(s)
	return func(x string) bool { return exact.Has(x) || hasPrefix(x, prefixes) }
}

// splitEndpoints separates the ids of a set from its patterns. It returns a
// pattern such as "artifacts.*" as the prefix "artifacts.".
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

// hasPrefix reports whether x begins with one of the prefixes.
func hasPrefix(x string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(x, p) {
			return true
		}
	}
	return false
}

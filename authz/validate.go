package authz

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Validate returns every mistake in g in one error:
//
//   - what m does not know.
//   - items of a set that are not names.
//   - an empty set of permissions, endpoints or environments, which would allow
//     nothing.
//
// Ids of routes are checked for their form only, because a grant may outlive a
// route.
func (m *Model) Validate(g Grant) error {
	var errs []error
	fail := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("authz: grant: "+format, args...))
	}
	// each checks the names of a set. why returns what is wrong with a name, or
	// "".
	each := func(dimension string, s Set, why func(string) string) {
		if err := s.check(); err != nil {
			fail("%s: %w", dimension, err)
			return
		}
		for _, x := range s.items {
			if w := why(x); w != "" {
				fail("%s: %q %s", dimension, x, w)
			}
		}
	}
	// some is each for a set that must not be empty.
	some := func(dimension string, s Set, why func(string) string) {
		if !s.all && len(s.items) == 0 {
			fail("%s: none, so nothing is allowed", dimension)
		}
		each(dimension, s, why)
	}

	if v := g.version(); v != Version {
		fail("version %d: this release knows %d", v, Version)
	}
	if g.foreign != nil {
		for _, name := range g.unknown() {
			fail("member %q is not known to this release", name)
		}
		return errors.Join(errs...) // the other members may have another form
	}
	some("permissions", g.Permissions, func(x string) string {
		if m.permissions[x] == 0 {
			return "is not in the model"
		}
		return ""
	})
	some("endpoints", g.Endpoints, func(x string) string {
		if !isID(strings.TrimSuffix(x, "."+star)) {
			return `is neither a route id ("artifacts.get") nor a pattern ("artifacts.*")`
		}
		return ""
	})
	// Environments and ids are the application's own, so every name is
	// accepted.
	well := func(string) string { return "" }
	some("environments", g.Environments, well)
	for _, kind := range slices.Sorted(maps.Keys(g.Scope)) {
		if m.kinds[kind] == 0 {
			fail("scope: kind %q is not in the model", kind)
		}
		each("scope."+kind, g.Scope[kind], well)
	}
	return errors.Join(errs...)
}

// isWord reports whether s matches [a-z][a-z0-9_]*.
func isWord(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || i > 0 && ('0' <= c && c <= '9' || c == '_')) {
			return false
		}
	}
	return s != ""
}

// isPermission reports whether s consists of words of [a-z][a-z0-9_-]* with
// dots or colons between them.
func isPermission(s string) bool {
	first := true // no letter of the present word has been seen
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z':
			first = false
		case !first && ('0' <= c && c <= '9' || c == '_' || c == '-'):
		case !first && (c == '.' || c == ':'):
			first = true
		default:
			return false
		}
	}
	return !first
}

// isID reports whether s consists of words with dots between them, which is the
// form of route ids.
func isID(s string) bool {
	for word := range strings.SplitSeq(s, ".") {
		if !isWord(word) {
			return false
		}
	}
	return true
}

package portal

import (
	"slices"
	"strings"

	"medtwin.ai/tollgate/authz"
)

// effective returns the grants of which one must contain a request: all that one grant of
// each layer has in common.
func effective(layers [][]authz.Grant) []authz.Grant {
	if len(layers) == 0 {
		return []authz.Grant{}
	}
	all := layers[0]
	for _, layer := range layers[1:] {
		var common []authz.Grant
		for _, g := range all {
			for _, o := range layer {
				common = append(common, both(g, o))
			}
		}
		all = common
	}
	return slices.DeleteFunc(slices.Clone(all), func(g authz.Grant) bool {
		return nothing(g.Permissions) || nothing(g.Endpoints) || nothing(g.Environments)
	})
}

func both(g, o authz.Grant) authz.Grant {
	has := func(s authz.Set) func(string) bool { return s.Has }
	c := authz.Grant{
		Version:      authz.Version,
		Permissions:  common(g.Permissions, o.Permissions, has),
		Endpoints:    common(g.Endpoints, o.Endpoints, covers),
		Environments: common(g.Environments, o.Environments, has),
		Scope:        make(map[string]authz.Set),
	}
	for kind, ids := range g.Scope { // one that is missing in either is nothing
		c.Scope[kind] = common(ids, o.Scope[kind], has)
	}
	return c
}

// common returns what is in both sets; in returns what a set holds.
func common(a, b authz.Set, in func(authz.Set) func(string) bool) authz.Set {
	switch {
	case a.IsAll():
		return b
	case b.IsAll():
		return a
	}
	inA, inB := in(a), in(b)
	return authz.Of(slices.Concat(
		slices.DeleteFunc(a.Items(), func(x string) bool { return !inB(x) }),
		slices.DeleteFunc(b.Items(), func(x string) bool { return !inA(x) }),
	)...)
}

// covers returns whether an endpoint, or all that a pattern stands for, is in s.
func covers(s authz.Set) func(string) bool {
	return func(x string) bool {
		return slices.ContainsFunc(s.Items(), func(y string) bool {
			prefix, pattern := strings.CutSuffix(y, "*")
			return x == y || pattern && strings.HasPrefix(x, prefix)
		})
	}
}

// nothing reports whether a set is empty.
func nothing(s authz.Set) bool { return !s.IsAll() && len(s.Items()) == 0 }

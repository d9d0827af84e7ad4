package authz

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"medtwin.ai/tollgate/internal/suggest"
)

// A Need is what a route requires of its caller, declared where the route is
// registered.
type Need struct {
	// ID names the endpoint forever, in grants and logs: "projects.get",
	// words of [a-z][a-z0-9_]* with dots between. Required.
	ID string
	// Permission is one of the model's. Required, but for Anyone.
	Permission string
	// Anyone allows every caller who has authenticated: no permission is asked and
	// no restriction to endpoints counts, as for a route that tells callers who
	// they are. It goes without Permission, Environment and resources.
	Anyone bool
	// From says which wildcard of the pattern holds the id of a resource of
	// which kind: {"projects": "project"} for "GET /projects/{project}".
	From map[string]string
	// CheckedByHandler names the kinds that the handler checks with [CheckResource] or
	// filters by [Visible].
	CheckedByHandler []string
	// AllOf names the kinds of which the caller must hold everything, as for
	// creating one.
	AllOf []string
	// Environment is where the caller must hold Permission, whichever environment
	// they act in: "live" for what belongs to the account as a whole, such as its
	// team. A key for another environment is refused; a person who acts in another
	// one is not. Default: the environment that the caller acts in.
	Environment string
	// Cost is what a request spends of the plan's limits: 0 is 1, and -1 is
	// none.
	Cost int
	// Recent is how old the proof of identity may be, in whole seconds: after
	// that the person must log in again. Credentials without one, such as
	// keys, are refused. Default: 0, any age and none.
	Recent time.Duration
	// Suspended also serves suspended accounts, and read-only accounts with any
	// method.
	Suspended bool
	// HideDenial answers denials with 404.
	HideDenial bool
	// ReadOnly: unsafe methods change nothing here, as in a search by POST.
	// Permission must be read-only.
	ReadOnly bool
}

// maxResources is how many kinds one need may name.
const maxResources = len(Request{}.Resources)

// check returns what is wrong with n on any route, and how to mend it.
func (m *Model) check(n Need) error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !isID(n.ID) {
		fail(`ID %q: want dot-separated lower-case words, as in "projects.get"`, n.ID)
	}
	bit := m.permissions[n.Permission]
	switch {
	case n.Anyone && (n.Permission != "" || n.ReadOnly || n.Environment != "" || len(n.From)+len(n.CheckedByHandler)+len(n.AllOf) > 0):
		fail("Anyone with a permission, an environment or resources: say one or the other")
	case bit == 0 && !n.Anyone:
		fail("permission %q is not in the model: %s", n.Permission, suggest.Names(n.Permission, slices.Sorted(maps.Keys(m.permissions))))
	}
	if n.ReadOnly && bit != 0 && m.readOnlyBits&bit == 0 {
		fail("ReadOnly with permission %q, which is not read-only: name one of ModelConfig.ReadOnly", n.Permission)
	}
	if n.Cost < -1 {
		fail("cost %d: want a positive cost, 0 for 1, or -1 for none", n.Cost)
	}
	if n.Recent < 0 || n.Recent%time.Second != 0 {
		fail("Recent %v: want whole seconds, or 0 for any", n.Recent)
	}
	kinds := slices.Concat(slices.Sorted(maps.Keys(n.From)), n.CheckedByHandler, n.AllOf)
	if len(kinds) > maxResources {
		fail("%d kinds in From, CheckedByHandler and AllOf: want at most %d", len(kinds), maxResources)
	}
	for i, k := range kinds {
		if m.kinds[k] == 0 {
			fail("kind %q is not in the model: %s", k, suggest.Names(k, slices.Sorted(maps.Keys(m.kinds))))
		}
		if slices.Contains(kinds[:i], k) {
			fail("kind %q twice in From, CheckedByHandler and AllOf: keep the one that says how it is checked", k)
		}
	}
	return errors.Join(errs...)
}

// ReadOnly reports whether a permission is one of ModelConfig.ReadOnly.
func (m *Model) ReadOnly(permission string) bool {
	return m.readOnlyBits&m.permissions[permission] != 0
}

// Clone returns a copy that shares nothing with n.
func (n Need) Clone() Need {
	n.From = maps.Clone(n.From)
	n.CheckedByHandler = slices.Clone(n.CheckedByHandler)
	n.AllOf = slices.Clone(n.AllOf)
	return n
}

package authz

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// A Need is what a route requires of its caller, declared where the route is
// registered.
type Need struct {
	// ID names the endpoint for ever, in grants and logs: "projects.get",
	// words of [a-z][a-z0-9_]* with dots between. Required.
	ID string
	// Permission is one of the model's. Required, but for Anyone.
	Permission string
	// Anyone who has authenticated may: no permission is asked and no
	// restriction to endpoints counts, as for a route that tells callers who
	// they are. It goes without Permission, Environment and
	// resources.
	Anyone bool
	// From says which wildcard of the pattern holds the id of a resource of
	// which kind: {"projects": "project"} for "GET /projects/{project}".
	From map[string]string
	// Later names the kinds that the handler checks with [CheckResource] or
	// filters by [Visible].
	Later []string
	// Whole names the kinds of which the caller must hold everything, as for
	// creating one.
	Whole []string
	// Environment is where the caller must hold Permission, wherever they act:
	// "live" for what belongs to the account as a whole, such as its team. A key
	// for another environment is refused, and a person who looks at test data is
	// not. Default: the environment that the caller acts in.
	Environment string
	// Cost is what a request spends of the plan's limits: 0 is 1, and -1 is
	// none.
	Cost int
	// Recent is how old the proof of identity may be, in whole seconds: after
	// that the person must log in again. Credentials without one, such as
	// keys, are refused. Default: 0, any age and none.
	Recent time.Duration
	// Suspended: also for suspended accounts, and whatever the method for read-only
	// ones.
	Suspended bool
	// Hide: a denial is answered like something missing, 404.
	Hide bool
	// ReadOnly: an unsafe method that only looks, as a search by POST does.
	// The permission must be one that only looks.
	ReadOnly bool
}

// maxResources is how many kinds one need may name.
const maxResources = len(Request{}.Resources)

// check returns what is wrong with n, whatever the route, and how to mend it.
func (m *Model) check(n Need) error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !isID(n.ID) {
		fail(`ID %q: want dot-separated lower-case words, as in "projects.get"`, n.ID)
	}
	bit := m.permissions[n.Permission]
	switch {
	case n.Anyone && (n.Permission != "" || n.ReadOnly || n.Environment != "" || len(n.From)+len(n.Later)+len(n.Whole) > 0):
		fail("Anyone with a permission, an environment or resources: say one or the other")
	case bit == 0 && !n.Anyone:
		fail("permission %q is not in the model: add it to ModelConfig.Permissions or correct the need", n.Permission)
	}
	if n.ReadOnly && bit != 0 && m.looks&bit == 0 {
		fail("ReadOnly with permission %q, which does not only look: name one of ModelConfig.ReadOnly", n.Permission)
	}
	if n.Cost < -1 {
		fail("cost %d: want a positive cost, 0 for 1, or -1 for none", n.Cost)
	}
	if n.Recent < 0 || n.Recent%time.Second != 0 {
		fail("Recent %v: want whole seconds, or 0 for any", n.Recent)
	}
	kinds := slices.Concat(slices.Sorted(maps.Keys(n.From)), n.Later, n.Whole)
	if len(kinds) > maxResources {
		fail("%d kinds in From, Later and Whole: want at most %d", len(kinds), maxResources)
	}
	for i, k := range kinds {
		if m.kinds[k] == 0 {
			fail("kind %q is not in the model: add it to ModelConfig.Kinds or correct the need", k)
		}
		if slices.Contains(kinds[:i], k) {
			fail("kind %q twice in From, Later and Whole: keep the one that says how it is checked", k)
		}
	}
	return errors.Join(errs...)
}

// looksOnly reports whether n's permission only looks.
func (m *Model) looksOnly(n Need) bool { return m.looks&m.permissions[n.Permission] != 0 }

// clone returns a copy that shares nothing with n.
func (n Need) clone() Need {
	n.From = maps.Clone(n.From)
	n.Later = slices.Clone(n.Later)
	n.Whole = slices.Clone(n.Whole)
	return n
}

// safe reports whether a method is safe (RFC 9110, section 9.2.1).
func safe(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE":
		return true
	}
	return false
}

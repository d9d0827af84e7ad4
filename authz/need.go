package authz

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"medtwin.ai/tollgate/internal/suggest"
)

// A Need is what a route requires of its caller. It is declared when the route
// is registered, so all that a route requires is in one place, and a reviewer
// can read it. For example:
//
//	authz.Need{
//		ID:         "projects.get",
//		Permission: "read",
//		From:       map[string]string{"projects": "project"},
//	}
//
// for "GET /projects/{project}": the caller must hold the permission "read",
// for the project that the path names, through the endpoint "projects.get".
type Need struct {
	// ID is the name of the endpoint in grants and logs, such as
	// "projects.get": words of [a-z][a-z0-9_]* with dots between them. It stays
	// the same for ever, because keys are limited to endpoints by it. Required.
	ID string
	// Permission is one of the model's. Required, unless Anyone or Person is set.
	Permission string
	// Anyone allows every caller who has authenticated. No permission is asked
	// for, and limits to endpoints do not count, as for a route that tells
	// callers who they are. It excludes Permission, Environment and resources.
	Anyone bool
	// Person allows people alone, who have proved their identity by logging in, and
	// no key: as for routes that manage keys. With Permission they must hold that as
	// well. Without it every person who holds any grant in the account may call the
	// route, which then has no Environment and no resources, as with Anyone.
	Person bool
	// From names the wildcard of the pattern that holds the id of a resource,
	// by the kind of the resource: {"projects": "project"} for "GET
	// /projects/{project}".
	From map[string]string
	// CheckedByHandler names the kinds that the handler checks itself, with
	// [CheckResource], or filters by, with [Visible]. Use it if an id is not in
	// the path.
	CheckedByHandler []string
	// AllOf names the kinds of which the caller must hold all resources, as for
	// creating one.
	AllOf []string
	// Environment is where the caller must hold Permission, whichever
	// environment they act in. Use "live" for what belongs to the account as a
	// whole, such as its team. A key of another environment is refused. A
	// person who acts in another environment is not. Default: the environment
	// that the caller acts in.
	Environment string
	// Cost is what a request takes from the plan's limits. 0 means 1, and -1
	// means nothing.
	Cost int
	// Recent is the greatest age of the caller's proof of identity, in whole
	// seconds. If it is older, the person must log in again. Credentials
	// without a proof, such as keys, are refused. Default: 0, which asks for no
	// proof.
	Recent time.Duration
	// Suspended makes the route serve suspended accounts too, and read-only
	// accounts with unsafe methods.
	Suspended bool
	// HideDenial answers denials with 404 instead of 403.
	HideDenial bool
	// ReadOnly says that unsafe methods change nothing here, as in a search by
	// POST. Permission must be read-only.
	ReadOnly bool
}

// maxResources is how many kinds a need may name. A request compares a fixed
// number of ids, so deciding one allocates nothing.
const maxResources = len(Request{}.Resources)

// check returns everything that is wrong with n on any route, and how to
// correct it.
func (m *Model) check(n Need) error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !isID(n.ID) {
		fail(`ID %q: want dot-separated lower-case words, as in "projects.get"`, n.ID)
	}
	// A misspelt permission would deny everybody. It is better found at
	// start-up, with the name that was probably meant.
	bit := m.permissions[n.Permission]
	switch {
	case n.Anyone && n.Person:
		fail("Anyone with Person: say Anyone if keys may call the route, else Person")
	case n.anyone() && (n.Permission != "" || n.ReadOnly || n.Environment != "" || len(n.From)+len(n.CheckedByHandler)+len(n.AllOf) > 0):
		fail("Anyone, or Person without a permission, goes with no permission, environment or resources: say one or the other")
	case bit == 0 && !n.anyone():
		fail("permission %q is not in the model: %s", n.Permission, suggest.Names(n.Permission, slices.Sorted(maps.Keys(m.permissions))))
	}
	// Otherwise a read-only account could change something by an unsafe method
	// of this route.
	if n.ReadOnly && bit != 0 && m.readOnlyBits&bit == 0 {
		fail("ReadOnly with permission %q, which is not read-only: name one of ModelConfig.ReadOnly", n.Permission)
	}
	if n.Cost < -1 {
		fail("cost %d: want a positive cost, 0 for 1, or -1 for none", n.Cost)
	}
	if n.Recent < 0 || n.Recent%time.Second != 0 {
		fail("Recent %v: want whole seconds, or 0 for any", n.Recent)
	}
	// A kind in two of the lists would be checked in two ways, and nobody could
	// tell which one counts.
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

// anyone reports whether no permission is asked.
func (n *Need) anyone() bool { return n.Anyone || n.Person && n.Permission == "" }

// ReadOnly reports whether a permission is in ModelConfig.ReadOnly.
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

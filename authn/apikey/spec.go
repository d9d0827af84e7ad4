package apikey

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// A Spec says what a new key is like.
type Spec struct {
	Name        string // 1 to 100 printable characters
	Environment string // one of Config.Formats
	// Grant of the key. Each of its sets has at most 1,000 names of 128 bytes.
	// Issue sets its environments from Environment.
	Grant     authz.Grant
	Expires   time.Time      // zero: never
	Addresses []netip.Prefix // the addresses it may be used from, at most 100; empty: all
	Plan      string         // a plan of its own, which only the operator gives; "": the account's

	// Service asks for a key of the account itself. It stays when its maker
	// leaves, and is not bound by that person's rights. It takes the permission
	// Config.Manage.
	Service bool
	// Owner is the user whose rights bound the key. Only the operator may name
	// a user other than the caller. Default: the caller, or nobody if the
	// operator calls.
	Owner string

	// Call makes the key once, however often it is asked for.
	Call Call
}

// A Policy says what the keys of an environment must be like.
type Policy struct {
	// MaxLifetime is the longest time between the making of a key and its
	// expiry. With it, every key needs an expiry. It holds for the operator
	// too, and for the successors of older keys. Default: a key needs no
	// expiry.
	MaxLifetime time.Duration
}

// check returns every mistake of a specification in one error.
func (m *Manager) check(spec Spec, now time.Time) error {
	errs := []error{checkName(spec.Name), m.checkEnvironment(spec.Environment)}
	errs = append(errs, m.checkExpiry(spec.Environment, spec.Expires, now, now), checkAddresses(spec.Addresses))
	errs = append(errs, m.checkGrant(spec.Grant), spec.Call.check())
	if spec.Service && spec.Owner != "" {
		errs = append(errs, errors.New("a key of the account itself has no owner"))
	}
	return invalid(errs...)
}

// invalid returns the mistakes, wrapped in authn.ErrInvalid, or nil if there
// are none.
func invalid(mistakes ...error) error {
	if err := errors.Join(mistakes...); err != nil {
		return fmt.Errorf("%w: %w", authn.ErrInvalid, err)
	}
	return nil
}

// refused turns a store's refusal of a text into authn.ErrInvalid: the text is
// the caller's mistake, and no outage.
func refused(err error) error {
	if errors.Is(err, store.ErrInvalid) {
		return invalid(err)
	}
	return err
}

// checkName accepts what people can read and tell apart: no control characters,
// and no space at the ends.
func checkName(name string) error {
	if n := utf8.RuneCountInString(name); n == 0 || n > 100 || !utf8.ValidString(name) ||
		strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) || strings.TrimSpace(name) != name {
		return errors.New("the name must be 1 to 100 printable characters, without space at either end")
	}
	return nil
}

// checkEnvironment accepts the environments that have a format.
func (m *Manager) checkEnvironment(environment string) error {
	if _, ok := m.config.Formats[environment]; !ok {
		return fmt.Errorf("unknown environment %q", environment)
	}
	return nil
}

// checkExpiry checks the expiry of a key that was made at created. A zero
// expiry means never, and a past one is a mistake, so that no wrong date
// becomes "never".
func (m *Manager) checkExpiry(environment string, expires, created, now time.Time) error {
	if !expires.IsZero() && !expires.After(now) {
		return errors.New("the expiry must lie in the future")
	}
	most := m.config.Policies[environment].MaxLifetime
	switch {
	case most == 0:
		return nil
	case expires.IsZero():
		return fmt.Errorf("a key for %q must expire, within %v", environment, most)
	case expires.Sub(created) > most:
		return fmt.Errorf("a key for %q must expire within %v, that is by %s", environment, most, when(created.Add(most)))
	}
	return nil
}

// Bounds of a key's lists, all of which every cold request reads.
const (
	maxAddresses = 100
	maxNames     = 1000 // of a set
	maxName      = 128  // bytes
)

// checkGrant checks the sizes first. The model reports every unknown name, and
// a grant of a million names would make an error of that length.
func (m *Manager) checkGrant(g authz.Grant) error {
	errs := []error{checkSet("permissions", g.Permissions), checkSet("endpoints", g.Endpoints), checkSet("environments", g.Environments)}
	for _, kind := range slices.Sorted(maps.Keys(g.Scope)) {
		errs = append(errs, checkSet("scope."+kind, g.Scope[kind]))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return m.config.Model.Validate(g)
}

// checkSet checks the size of one set of a grant.
func checkSet(dimension string, s authz.Set) error {
	names := s.Items()
	if len(names) > maxNames {
		return fmt.Errorf("%s: %d names, over %d", dimension, len(names), maxNames)
	}
	for _, name := range names {
		if len(name) > maxName {
			return fmt.Errorf("%s: a name of %d bytes, over %d", dimension, len(name), maxName)
		}
	}
	return nil
}

// checkAddresses accepts prefixes in their one canonical form, so that
// comparing them is comparing addresses.
func checkAddresses(prefixes []netip.Prefix) error {
	if n := len(prefixes); n > maxAddresses {
		return fmt.Errorf("%d addresses, over %d", n, maxAddresses)
	}
	var errs []error
	for _, a := range prefixes {
		if !a.IsValid() || a.Addr().Is4In6() || a != a.Masked() {
			errs = append(errs, fmt.Errorf("%q is not an address prefix such as 10.0.0.0/8", a))
		}
	}
	return errors.Join(errs...)
}

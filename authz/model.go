package authz

import (
	"errors"
	"fmt"

	"medtwin.ai/tollgate/internal/suggest"
)

// Bounds of a model: permissions are one bit each of a word, and few kinds
// keep a compiled grant small.
const (
	maxPermissions = 64
	maxKinds       = 8
)

// A ModelConfig is the vocabulary of an application.
type ModelConfig struct {
	// Permissions are independent of each other: "write" does not imply
	// "read". A name is words of [a-z][a-z0-9_-]* with "." or ":" between, such as
	// "notes:read". From 1 to 64.
	Permissions []string
	// ReadOnly names the permissions that change nothing. A route that changes
	// things cannot be declared with one of them. Default: none.
	ReadOnly []string
	// Kinds are the kinds of resource that a grant can be scoped to, such as
	// "projects": names match [a-z][a-z0-9_]*. At most 8; default: none.
	Kinds []string
}

// A Model is a closed vocabulary: what it does not name is denied. It is
// immutable.
type Model struct {
	permissions  map[string]uint64 // one bit each
	readOnlyBits uint64            // the bits of the read-only permissions
	kinds        map[string]int8   // index in a compiled grant's scope, plus one
}

// NewModel returns the model of a vocabulary, or all its mistakes.
func NewModel(c ModelConfig) (*Model, error) {
	m := &Model{permissions: map[string]uint64{}, kinds: map[string]int8{}}
	var errs []error
	fail := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("authz: model: "+format, args...))
	}
	if n := len(c.Permissions); n == 0 || n > maxPermissions {
		fail("%d permissions: want 1 to %d", n, maxPermissions)
	}
	if n := len(c.Kinds); n > maxKinds {
		fail("%d kinds: want at most %d", n, maxKinds)
	}
	for i, p := range c.Permissions {
		if !isPermission(p) {
			fail("permission %q: want words of [a-z][a-z0-9_-]* with \".\" or \":\" between, such as \"notes:read\"", p)
		}
		if _, ok := m.permissions[p]; ok {
			fail("permission %q twice", p)
		}
		m.permissions[p] = 1 << i
	}
	for _, p := range c.ReadOnly {
		bit, ok := m.permissions[p]
		if !ok {
			fail("read-only permission %q is not among Permissions: %s", p, suggest.Names(p, c.Permissions))
		}
		if ok && m.readOnlyBits&bit != 0 {
			fail("read-only permission %q twice", p)
		}
		m.readOnlyBits |= bit
	}
	for i, k := range c.Kinds {
		if !isWord(k) {
			fail("kind %q: want [a-z][a-z0-9_]*", k)
		}
		if _, ok := m.kinds[k]; ok {
			fail("kind %q twice", k)
		}
		m.kinds[k] = int8(i + 1)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return m, nil
}

// Everything returns the grant that allows all that m can express, with
// resources and endpoints that do not exist yet. A kind that a later release
// adds is not in it.
func (m *Model) Everything() Grant {
	g := Grant{
		Version:      Version,
		Permissions:  All(),
		Scope:        make(map[string]Set, len(m.kinds)),
		Endpoints:    All(),
		Environments: All(),
	}
	for k := range m.kinds {
		g.Scope[k] = All()
	}
	return g
}

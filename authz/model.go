package authz

import (
	"errors"
	"fmt"

	"medtwin.ai/tollgate/internal/suggest"
)

// Bounds of a model. A permission is one bit of a word, and few kinds keep a
// compiled grant small.
const (
	maxPermissions = 64
	maxKinds       = 8
)

// A ModelConfig is the vocabulary of an application.
type ModelConfig struct {
	// Permissions are 1 to 64 names, such as "notes:read". A name consists of
	// words of [a-z][a-z0-9_-]* with "." or ":" between them. Permissions are
	// independent: "write" does not imply "read".
	Permissions []string
	// ReadOnly names the permissions that change nothing. A route that changes
	// something cannot be declared with one of them. Default: none.
	ReadOnly []string
	// Kinds are at most 8 kinds of resource that a grant can be limited to,
	// such as "projects". A name matches [a-z][a-z0-9_]*. Default: none.
	Kinds []string
}

// A Model is a closed vocabulary: whatever it does not name is denied. It is
// immutable, and safe for concurrent use.
type Model struct {
	permissions  map[string]uint64 // one bit each
	readOnlyBits uint64            // the bits of the read-only permissions
	kinds        map[string]int8   // the index in compiledGrant.scope, plus one
}

// NewModel returns the model of a vocabulary, or one error with all of its
// mistakes.
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
		// A mistake above makes NewModel fail, so the bit of an invalid name is
		// never used.
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
	// Index 0 stands for a kind that the model does not have.
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

// Everything returns the grant that allows everything that m can express,
// including resources and endpoints that do not exist yet. It does not include
// a kind that a later release adds. Use it for the owner of an account, and
// narrow a copy of it for other roles.
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

// Package guard keeps out of a backend what no record can hold: rules 17 and 19 of
// package store. Every backend wraps its parts in it, so that bad input has the
// same answer everywhere and is never an outage of a database.
//
//	func (s *Store) Users() store.Users { return guard.Users(users{s}) }
package guard

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// The bounds of texts, in bytes. What a record is found by is in an index, where
// Postgres takes 2,704 bytes for all columns together, and goes through its
// notifications, which take 8,000.
const (
	maxName = 512
	maxText = 64 << 10
)

// named reports whether these can be what a record is found by.
func named(names ...string) bool {
	for _, s := range names {
		if !sound(s, maxName) {
			return false
		}
	}
	return true
}

// texts reports whether these can be in a record.
func texts(list ...string) bool {
	for _, s := range list {
		if !sound(s, maxText) {
			return false
		}
	}
	return true
}

// sound reports whether s is UTF-8 without U+0000, which Postgres cannot hold,
// of at most so many bytes.
func sound(s string, most int) bool {
	return len(s) <= most && strings.IndexByte(s, 0) < 0 && utf8.ValidString(s)
}

func set(s authz.Set) bool { return named(s.Items()...) }

func scope(m map[string]authz.Set) bool {
	for kind, s := range m {
		if !named(kind) || !set(s) {
			return false
		}
	}
	return true
}

func grant(g authz.Grant) bool {
	return set(g.Permissions) && set(g.Endpoints) && set(g.Environments) && scope(g.Scope)
}

// known returns the uses of records that there may be.
func known(uses []store.Use) []store.Use {
	for i, u := range uses {
		if named(u.ID) {
			continue
		}
		kept := append([]store.Use(nil), uses[:i]...)
		for _, u := range uses[i+1:] {
			if named(u.ID) {
				kept = append(kept, u)
			}
		}
		return kept
	}
	return uses
}

// found is the answer to a change of the record with these names.
func found(names ...string) error {
	if !named(names...) {
		return store.ErrNotFound
	}
	return nil
}

// status is the answer to a status that shall be written.
func status(s authz.Status) error {
	if _, err := authz.ParseStatus(s.String()); err != nil {
		return fmt.Errorf("%w: status %d: want authz.Active, authz.ReadOnly or authz.Suspended", store.ErrInvalid, s)
	}
	return nil
}

// valid is the answer to what shall be written.
func valid(ok bool) error {
	if !ok {
		return store.ErrInvalid
	}
	return nil
}

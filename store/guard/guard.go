// Package guard answers the calls of package store that need no database, and keeps
// out of a backend what no record can hold: rules 17 and 19 of package store, a zero
// now, and limits of 0 or less. Every backend wraps its parts in it, so that such
// calls have the same answer everywhere and are never an outage of a database.
//
//	func (s *Store) Users() store.Users { return guard.Users(users{s}) }
package guard

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// The limits of texts, in bytes. Text by which a record is found is in an index, where
// Postgres allows 2,704 bytes for all columns together, and in notifications, where it
// allows 8,000.
const (
	maxName = 512
	maxText = 64 << 10
)

// named reports whether a record can be found by all of these texts.
func named(names ...string) bool {
	for _, s := range names {
		if !sound(s, maxName) {
			return false
		}
	}
	return true
}

// texts reports whether all of these texts can be in a record.
func texts(list ...string) bool {
	for _, s := range list {
		if !sound(s, maxText) {
			return false
		}
	}
	return true
}

// sound reports whether s has at most so many bytes and is UTF-8 without U+0000, which
// Postgres cannot store.
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

// known returns the uses whose ids a record can have.
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

// found returns ErrNotFound if no record can have these names.
func found(names ...string) error {
	if !named(names...) {
		return store.ErrNotFound
	}
	return nil
}

// status returns ErrInvalid if s cannot be written.
func status(s authz.Status) error {
	if _, err := authz.ParseStatus(s.String()); err != nil {
		return fmt.Errorf("%w: status %d: want authz.Active, authz.ReadOnly or authz.Suspended", store.ErrInvalid, s)
	}
	return nil
}

// timed returns ErrInvalid if a change cannot be stored with the time now.
func timed(now time.Time) error {
	if now.IsZero() {
		return fmt.Errorf("%w: now is zero, which would read as never", store.ErrInvalid)
	}
	return nil
}

// valid returns ErrInvalid unless ok, which says whether a record can be written.
func valid(ok bool) error {
	if !ok {
		return store.ErrInvalid
	}
	return nil
}

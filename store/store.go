// Package store defines what Tollgate keeps and the small interfaces that a
// database satisfies. Prove yours with package storetest.
//
// Rules of every backend, by number in storetest's failures:
//
//  1. Missing is [ErrNotFound], taken is [ErrConflict]; other errors mean that
//     the store could not answer, and nobody may conclude anything from them.
//  2. Every by-id method takes the account; a foreign id is exactly as absent
//     as a missing one.
//  3. Revoked and expired records are returned: the caller decides, and knows
//     why. Nothing is deleted on use.
//  4. No record is rewritten as a whole. Revoke is idempotent, the first time
//     and reason win, and nothing undoes it.
//  5. Touch never moves Used back and never touches a revoked key.
//  6. Rotate is one transaction. Create under a quota is serialised per account.
//  7. What is returned is the caller's own copy; what is passed in is copied.
//  8. Every change that can alter a decision is published to watchers after it
//     is committed, by the id of the key or account it is about.
//  9. Times are kept to the microsecond or better and returned in UTC.
package store

import "errors"

var (
	// ErrNotFound: no such record in this account.
	ErrNotFound = errors.New("store: not found")
	// ErrConflict: the record exists already, or has been rotated already.
	ErrConflict = errors.New("store: already exists")
	// ErrQuota: the account holds as many live keys as it may.
	ErrQuota = errors.New("store: quota reached")
	// ErrInactive: the key is revoked or expired and cannot be changed.
	ErrInactive = errors.New("store: revoked or expired")
)

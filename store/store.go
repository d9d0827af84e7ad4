// Package store defines what Tollgate keeps and the small interfaces that a
// database satisfies. Prove yours with package storetest.
//
// Rules of every backend, by number in storetest's failures:
//
//  1. Missing is [ErrNotFound], taken is [ErrConflict]; other errors mean that
//     the store could not answer, and nobody may conclude anything from them.
//  2. A call that manages a record names the owner beside the id (the account of
//     a key, the user of a session). A foreign id is exactly as absent as a
//     missing one, and no call reaches a record of another owner.
//  3. Revoked, expired and disabled records are returned: the caller decides,
//     and knows why. Nothing is deleted on use.
//  4. No record is rewritten as a whole. Revoke is idempotent, the first time
//     and reason win, and nothing undoes it.
//  5. Touch never moves Used or Seen back and never touches what is revoked.
//  6. Rotate is one transaction. Create under a quota is serialised per account;
//     what is disabled counts, for it can come back.
//  7. What is returned is the caller's own copy; what is passed in is copied.
//  8. Every change that can alter a decision is published to watchers after it
//     is committed, by the id of the key, account, user or session it is about;
//     a change of a membership by the id of the user.
//  9. Times and durations are kept to the microsecond or better, times are
//     returned in UTC.
//  10. Hashes, digests, grants and fingerprints are replaced by compare-and-swap:
//     a caller who has not seen the present one changes nothing. A new password
//     also needs the present epoch.
//  11. An epoch only grows: by one for every new password, every status that is
//     not active and every call of EndSessions, and for nothing else.
//  12. The grace of a rotated key begins once, and never lengthens a life.
//  13. At most one key is made under an idempotency key of an account.
//  14. Find answers of one instant: the key, its account, and what the key's
//     owner is in that account and no other.
//  15. Update changes what it is told to and nothing else, and never a key that
//     has ended. A disabled key is not live until it is enabled again.
//  16. A successor opens what the stored key opens, for the same owner and as
//     long, even if its maker has read something else.
//  17. Text is UTF-8 without U+0000. What a record is found by (ids, email
//     addresses, environments, peppers, idempotency keys and the names in
//     grants and scopes) has at most 512 bytes, any other text 64 KiB. Text
//     that breaks this names no record: it is as absent as a missing one and in
//     no list. To write it, or to list what comes after it, is [ErrInvalid].
//     Backends get this from package store/guard.
//  18. A key with an owner is added only while the owner is a member of the
//     account, in the transaction that adds it.
//  19. An account or user that is created without a status is active. To write
//     any other status than the three is [ErrInvalid]. This, too, is in package store/guard.
package store

import "errors"

var (
	// ErrNotFound: no such record of this owner.
	ErrNotFound = errors.New("store: not found")
	// ErrConflict: the record exists already, has been rotated already, or is
	// not what the caller believes it to be.
	ErrConflict = errors.New("store: exists already or has changed")
	// ErrQuota: the account holds as many keys as it may.
	ErrQuota = errors.New("store: quota reached")
	// ErrInvalid: a text or status that no record can hold: see rules 17 and 19.
	ErrInvalid = errors.New("store: not a value that can be stored")
	// ErrInactive: the key has ended and cannot be changed, or is disabled and
	// cannot be rotated.
	ErrInactive = errors.New("store: revoked, expired or disabled")
)

// A Store is everything that Tollgate keeps, in one backend: memory.New,
// sqlitestore.Open and pgstore.Open return one. Prove yours with package
// storetest.
type Store interface {
	Keys() Keys
	KeyAdmin() KeyAdmin
	Accounts() Accounts
	Users() Users
	Memberships() Memberships
	Sessions() Sessions
	Events() Events
	Fingerprints() Fingerprints
	Changes
}

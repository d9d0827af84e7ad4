// Package store defines the records that Tollgate keeps, and the small interfaces that a
// database implements. Package storetest checks an implementation.
//
// A backend keeps these rules. The failures of storetest name them by number.
//
//  1. A record that is missing is [ErrNotFound], one that exists already is
//     [ErrConflict]. Any other error means that the store could not answer, and says
//     nothing about the record.
//  2. A call that manages a record names its owner beside its id: the account of a key,
//     the user of a session. The id of another owner's record gets the same answer as an
//     id that does not exist, and no call reaches a record of another owner.
//  3. Revoked, expired and disabled records are returned, so that the caller decides and
//     knows the reason. No record is deleted because it is used.
//  4. No change writes a record as a whole. Revoke is idempotent: the first time and
//     reason stay, and nothing undoes it.
//  5. Touch never moves Used or Seen back, and never changes a revoked record.
//  6. Rotate is one transaction. Create under a quota is serialised per account. A
//     disabled key counts, because it can be enabled again.
//  7. A returned record is the caller's own copy, and a record that is passed in is
//     copied.
//  8. Every change that can alter a decision is published to watchers after it is
//     committed, by the id of the key, account, user or session. A change of a membership
//     is published by the id of its user.
//  9. Times and durations are kept to the microsecond or better. Times are returned in
//     UTC. A change that stores its own time refuses a zero now, which would read as
//     never, with [ErrInvalid].
//  10. Hashes, digests, grants and fingerprints are replaced by compare-and-swap: a caller
//     who has not read the present one changes nothing. A new password also needs the
//     present epoch.
//  11. An epoch only grows: by one for every new password, every status that is not
//     active and every call of EndSessions, and for nothing else.
//  12. The grace period of a rotated key begins once, and never makes a key valid for
//     longer.
//  13. At most one key is made under an idempotency key of an account.
//  14. Find returns a key, its account, and the state of its owner in that account, all of
//     one instant.
//  15. Update changes what it is told to change and nothing else. It never changes a key
//     that has ended. A disabled key is not live until it is enabled again.
//  16. The successor of a key has the grant, the owner and the expiry of the stored key,
//     even if the caller has read something else.
//  17. Text is UTF-8 without U+0000. Text by which a record is found has at most 512
//     bytes: ids, email addresses, environments, peppers, idempotency keys and the names
//     in grants and scopes. Any other text has at most 64 KiB. No record has a text that
//     breaks this rule: to read or change that record is ErrNotFound, and no list
//     contains it. To write such a text, or to list what comes after it, is [ErrInvalid].
//     Package store/guard does this for every backend.
//  18. A key with an owner is added only while the owner is a member of the account. This
//     is checked in the transaction that adds it.
//  19. An account or user that is created without a status is active. A status other than
//     the three is ErrInvalid. Package store/guard does this, too, and answers lists and
//     prunings of 0 records or less.
//  20. An account has at most one invitation for an address: the latest. Accept deletes
//     the invitation and adds the membership in one transaction. Of many calls at once
//     one succeeds, and a call that fails changes nothing.
//  21. Swap changes a membership only if it is still as the caller has read it. An active
//     member of the account always has the role that Swap is told to keep, even if
//     members remove each other at the same time.
package store

import "errors"

var (
	// ErrNotFound means that this owner has no such record.
	ErrNotFound = errors.New("store: not found")
	// ErrConflict means that the record exists already, has been rotated already, or
	// is not as the caller has read it.
	ErrConflict = errors.New("store: exists already or has changed")
	// ErrQuota means that the account has as many keys as it may have.
	ErrQuota = errors.New("store: quota reached")
	// ErrInvalid means a text, status or time that no record can have: see rules 9, 17
	// and 19.
	ErrInvalid = errors.New("store: not a value that can be stored")
	// ErrInactive means that the key has ended and cannot be changed, or is disabled
	// and cannot be rotated.
	ErrInactive = errors.New("store: revoked, expired or disabled")
	// ErrLast means that nobody else in the account has the role that is to be kept.
	ErrLast = errors.New("store: nobody else in the account has this role")
)

// A Store keeps all records of Tollgate. memory.New, sqlitestore.Open and pgstore.Open
// return one.
type Store interface {
	Keys() Keys
	KeyAdmin() KeyAdmin
	Accounts() Accounts
	Users() Users
	Memberships() Memberships
	Invitations() Invitations
	Sessions() Sessions
	Events() Events
	Fingerprints() Fingerprints
	Changes
}

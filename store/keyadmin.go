package store

import (
	"context"
	"net/netip"
	"time"

	"medtwin.ai/tollgate/authz"
)

// A Filter says which keys of an account are meant: all that no field rules
// out.
type Filter struct {
	Owner         string    // "": anybody's and the account's own
	Environment   string    // "": any
	CreatedBy     string    // "": by anybody
	CreatedBefore time.Time // zero: whenever
}

// A KeyUpdate says what shall change about a key. What is nil stays.
type KeyUpdate struct {
	// Was is the grant that the caller's decision was based on. If the stored one
	// differs, nothing changes.
	Was authz.Grant

	Name      *string
	Grant     *authz.Grant
	Addresses *[]netip.Prefix // an empty list: anywhere
	Expires   *time.Time      // the zero time: never
	Disabled  *bool
}

// KeyAdmin is what management needs. Implementations are safe for concurrent
// use.
type KeyAdmin interface {
	// Create adds k. quota is the most keys that have not ended, disabled ones
	// and this one included, that the account may hold; 0 means no bound.
	// Where several errors apply, ErrNotFound (no such account, or k.Owner is no
	// member of it at that instant: a removal that has ended finds all keys there
	// are) comes before ErrConflict (the id, the digest or, in this account, the idempotency key
	// exists), and that before ErrQuota.
	Create(ctx context.Context, k Key, quota int, now time.Time) error

	// Get returns one key of the account.
	Get(ctx context.Context, account, id string) (Key, error)

	// ByIdempotency returns the key of the account that was made under that
	// idempotency key. Nothing was made under "".
	ByIdempotency(ctx context.Context, account, idempotency string) (Key, error)

	// List returns up to limit keys of the account, revoked and expired ones
	// included, newest id first, beginning after the id after ("": from the
	// start).
	List(ctx context.Context, account, after string, limit int) ([]Key, error)

	// Owned is List of the keys that have that owner, a user; "" owns none.
	Owned(ctx context.Context, account, owner, after string, limit int) ([]Key, error)

	// Expiring returns up to limit keys of the account that have not ended at
	// now and will have expired by the instant by, the soonest first.
	Expiring(ctx context.Context, account string, now, by time.Time, limit int) ([]Key, error)

	// Outdated counts the keys of all accounts that have not ended at now and
	// whose digest is not under that pepper, imported ones not yet used
	// included.
	Outdated(ctx context.Context, pepper string, now time.Time) (int, error)

	// Update makes the changes of u in one transaction and returns the key as
	// it is then. It returns ErrInactive where the key has ended at now, else
	// ErrConflict where its grant is not u.Was or where u would raise the
	// expiry of a key that has a successor. Disabling a disabled key leaves
	// the time since when it is.
	Update(ctx context.Context, account, id string, u KeyUpdate, now time.Time) (Key, error)

	// Revoke ends a key for ever. A key already revoked stays as it is.
	Revoke(ctx context.Context, account, id, reason string, now time.Time) error

	// RevokeAll ends the keys of the account that the filter means, in one
	// transaction, and returns how many were not revoked before.
	RevokeAll(ctx context.Context, account string, f Filter, reason string, now time.Time) (int, error)

	// Rotate adds next as the successor of id and in the same transaction
	// lowers the expiry of the old key to deadline (never raises it; the zero
	// time leaves it). Whatever next itself says, it gets the account, owner,
	// environment, addresses, plan, expiry and family of the old key as that
	// is stored then. Rotate returns ErrInactive where the old key is not live
	// at now or its owner is no member any more, else ErrConflict where its grant
	// is not next.Grant, where it already has a successor or where next is taken. Within deadline,
	// next.Grace says how long the old key outlives the first use of next.
	Rotate(ctx context.Context, account, id string, next Key, deadline, now time.Time) error

	// Prune deletes up to most keys that ended before the instant given, by their
	// expiry or revocation, and returns how many. A key that has not ended, such as
	// one without an expiry, is never deleted. Of a deleted key nobody knows that it
	// was revoked: it is refused as unknown, and could be imported again.
	Prune(ctx context.Context, before time.Time, most int) (int, error)
}

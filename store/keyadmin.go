package store

import (
	"context"
	"net/netip"
	"time"

	"medtwin.ai/tollgate/authz"
)

// A Filter selects keys of an account: all that no field excludes.
type Filter struct {
	Owner         string    // "": anybody's and the account's own
	Environment   string    // "": any
	CreatedBy     string    // "": by anybody
	CreatedBefore time.Time // zero: whenever
}

// A KeyUpdate says what to change about a key. Fields that are nil change nothing.
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

// KeyAdmin manages keys. Implementations are safe for concurrent use.
type KeyAdmin interface {
	// Create adds k. quota is the most keys that have not ended, disabled ones
	// and this one included, that the account may hold; 0 means no bound.
	// If several errors apply, it returns the first of:
	//   - ErrNotFound: there is no such account, or k.Owner is no member of it at
	//     that instant, so that a removal that has ended has found all keys;
	//   - ErrConflict: the id, the digest or, in this account, the idempotency key
	//     exists;
	//   - ErrQuota: the account holds quota keys.
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
	// it is then. It returns ErrInactive if the key has ended at now, else
	// ErrConflict if its grant is not u.Was or if u would raise the expiry of a
	// key that has a successor. Disabling a disabled key keeps the time since
	// which it is disabled.
	Update(ctx context.Context, account, id string, u KeyUpdate, now time.Time) (Key, error)

	// Revoke ends a key for ever. A key already revoked stays as it is.
	Revoke(ctx context.Context, account, id, reason string, now time.Time) error

	// RevokeAll ends the keys of the account that the filter selects, in one
	// transaction, and returns how many were not revoked before.
	RevokeAll(ctx context.Context, account string, f Filter, reason string, now time.Time) (int, error)

	// Rotate adds next as the successor of id and in the same transaction
	// lowers the expiry of the old key to deadline (never raises it; the zero
	// time leaves it). The account, owner, environment, addresses, plan, expiry
	// and family of next are ignored: it gets those of the old key as stored then.
	// Rotate returns ErrInactive if the old key is not live at now or its owner is
	// no longer a member, else ErrConflict if its grant is not next.Grant, if it
	// already has a successor or if next is taken. Within deadline, next.Grace
	// says how long the old key outlives the first use of next.
	Rotate(ctx context.Context, account, id string, next Key, deadline, now time.Time) error

	// Prune deletes up to most keys that ended before the instant given, by their
	// expiry or revocation, and returns how many. A key that has not ended, such as
	// one without an expiry, is never deleted. A deleted key is refused as
	// unknown, not as revoked, and could be imported again.
	Prune(ctx context.Context, before time.Time, most int) (int, error)
}

package store

import (
	"context"
	"net/netip"
	"time"

	"medtwin.ai/tollgate/authz"
)

// A Filter selects keys of an account: those that match all its fields.
type Filter struct {
	Owner         string    // the owner; "" matches all keys, also those of the account itself
	Environment   string    // "" matches all
	CreatedBy     string    // "" matches all
	CreatedBefore time.Time // the zero time matches all
}

// A KeyUpdate says what to change about a key. Fields that are nil change nothing.
type KeyUpdate struct {
	// Was is the grant that the caller has read and decided by. If the stored grant is
	// another one, Update changes nothing.
	Was authz.Grant

	Name      *string
	Grant     *authz.Grant
	Addresses *[]netip.Prefix // an empty list allows all addresses
	Expires   *time.Time      // the zero time means never
	Disabled  *bool
}

// KeyAdmin manages keys. Implementations are safe for concurrent use.
type KeyAdmin interface {
	// Create adds k. quota is how many keys that have not ended the account may have,
	// including disabled keys and this one; 0 means any number.
	//
	// It returns the first of these errors that applies:
	//   - ErrNotFound: there is no such account, or k.Owner is not a member of it at
	//     that instant. So nobody who removes a member, and then ends that member's
	//     keys, misses one;
	//   - ErrConflict: the id or the digest exists, or the idempotency key does in
	//     this account;
	//   - ErrQuota: the account has quota keys.
	Create(ctx context.Context, k Key, quota int, now time.Time) error

	// Get returns one key of the account.
	Get(ctx context.Context, account, id string) (Key, error)

	// ByIdempotency returns the key of the account that was made under this
	// idempotency key. No key was made under "".
	ByIdempotency(ctx context.Context, account, idempotency string) (Key, error)

	// List returns up to limit keys of the account, including revoked and expired
	// ones, the newest id first, beginning after the id after; "" begins at the
	// newest.
	List(ctx context.Context, account, after string, limit int) ([]Key, error)

	// Owned is List for the keys of one owner, a user. No key has the owner "".
	Owned(ctx context.Context, account, owner, after string, limit int) ([]Key, error)

	// Expiring returns up to limit keys of the account that have not ended at now but
	// expire by the time by, the earliest first.
	Expiring(ctx context.Context, account string, now, by time.Time, limit int) ([]Key, error)

	// Outdated counts the keys of all accounts that have not ended at now and whose
	// digest is not under this pepper. Imported keys that were never used are among
	// them.
	Outdated(ctx context.Context, pepper string, now time.Time) (int, error)

	// Update makes the changes of u in one transaction and returns the key as it is
	// then. A disabled key that is disabled again keeps its time of Disabled.
	//
	// It returns the first of these errors that applies:
	//   - ErrInactive: the key has ended at now;
	//   - ErrConflict: its grant is not u.Was, or it has a successor and u would
	//     raise its expiry.
	Update(ctx context.Context, account, id string, u KeyUpdate, now time.Time) (Key, error)

	// Revoke ends a key for ever. It changes nothing if the key is revoked already.
	Revoke(ctx context.Context, account, id, reason string, now time.Time) error

	// RevokeAll revokes the keys of the account that the filter selects, in one
	// transaction, and returns how many of them were not revoked before.
	RevokeAll(ctx context.Context, account string, f Filter, reason string, now time.Time) (int, error)

	// Rotate adds next as the successor of the key id and, in the same transaction,
	// limits the expiry of the old key to deadline. It never raises that expiry, and
	// the zero deadline leaves it as it is. next gets the account, owner, environment,
	// addresses, plan, expiry and family of the stored key, whatever it says itself.
	// next.Grace is how long the old key stays valid after the first use of next, but
	// never beyond deadline.
	//
	// It returns the first of these errors that applies:
	//   - ErrInactive: the old key is not live at now, or its owner is no longer a
	//     member;
	//   - ErrConflict: its grant is not next.Grant, it has a successor, or the id or
	//     digest of next exists.
	Rotate(ctx context.Context, account, id string, next Key, deadline, now time.Time) error

	// Prune deletes up to most keys that expired or were revoked before the given
	// time, and returns how many. It never deletes a key that has not ended. A
	// deleted key is refused as unknown and no longer as revoked, and it could be
	// imported again.
	Prune(ctx context.Context, before time.Time, most int) (int, error)
}

package store

import (
	"context"
	"net/netip"
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
)

// A Key is the record of an API key. The key itself is not in it: only its
// digest and a hint that people recognize it by.
type Key struct {
	ID          string // "key_…"
	Account     string // "acct_…", who is charged and whose data it opens
	CreatedBy   string // who made it: a user's id, or "operator"
	Name        string
	Environment string // "live", "test"
	Hint        string // "mt_live_…x7Qa"
	Digest      keyfmt.Digest
	Grant       authz.Grant
	Addresses   []netip.Prefix // where it may be used from; empty: anywhere
	Plan        string         // a plan of its own, given by the operator; "": the account's

	Created time.Time
	Expires time.Time // zero: never
	Revoked time.Time // zero: not revoked
	Used    time.Time // coarse; zero: never
	Reason  string    // why it was revoked

	Family   string // rotation lineage: the id of its first key
	Replaces string // the key this one was rotated from; "": none
}

// Live reports whether the key is neither revoked nor expired at now.
func (k *Key) Live(now time.Time) bool {
	return k.Revoked.IsZero() && (k.Expires.IsZero() || now.Before(k.Expires))
}

// A Use is one sighting of a key.
type Use struct {
	ID string
	At time.Time
}

// Keys is what a request needs. Implementations are safe for concurrent use.
type Keys interface {
	// Find returns the key with that digest and the present state of its
	// account, read in one statement. Revoked and expired keys are returned.
	// A digest nobody has is ErrNotFound.
	Find(ctx context.Context, d keyfmt.Digest) (Key, Account, error)

	// Touch records uses: per key the latest, never moving back, never on a
	// revoked key. Ids that do not exist are ignored. It publishes no change.
	Touch(ctx context.Context, uses []Use) error
}

// KeyAdmin is what management needs. Implementations are safe for concurrent
// use.
type KeyAdmin interface {
	// Create adds k. quota is the most live keys the account may hold, this
	// one included; 0 means no bound. Where several errors apply, ErrNotFound
	// (no such account) comes before ErrConflict (the id or the digest exists),
	// and that before ErrQuota.
	Create(ctx context.Context, k Key, quota int, now time.Time) error

	// Get returns one key of the account.
	Get(ctx context.Context, account, id string) (Key, error)

	// List returns up to limit keys of the account, revoked and expired ones
	// included, newest id first, beginning after the id after ("": from the
	// start).
	List(ctx context.Context, account, after string, limit int) ([]Key, error)

	// Revoke ends a key for ever. A key already revoked stays as it is.
	Revoke(ctx context.Context, account, id, reason string, now time.Time) error

	// Rotate adds next, in this account and as the successor of id whatever
	// next itself says, and in the same transaction lowers the expiry of the
	// old key to deadline (never raises it; the zero time leaves it). It
	// returns ErrInactive where the old key is revoked or expired at now, else
	// ErrConflict where it already has a successor.
	Rotate(ctx context.Context, account, id string, next Key, deadline, now time.Time) error

	// Prune deletes the keys whose expiry lies before the instant given and
	// returns how many. Keys without an expiry are never deleted.
	Prune(ctx context.Context, before time.Time) (int, error)
}

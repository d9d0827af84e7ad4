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
	// Grace is how long Replaces lives on once this key is used for the first
	// time. Zero: no first use is waited for, or it has been.
	Grace time.Duration

	Idempotency string   // of the call that made it, unique in the account; "": none
	Request     [32]byte // SHA-256 of what that call asked for
}

// Live reports whether the key is neither revoked nor expired at now.
func (k *Key) Live(now time.Time) bool {
	return k.Revoked.IsZero() && (k.Expires.IsZero() || now.Before(k.Expires))
}

// A Use is one sighting of a key or session.
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

	// BeginGrace says that this key is used for the first time: in one
	// transaction its Grace becomes zero, and the expiry of the key that it
	// replaces is lowered to now plus what Grace was (never raised). Where
	// Grace is zero already, or this key is revoked, nothing happens.
	BeginGrace(ctx context.Context, id string, now time.Time) error

	// Rehash replaces the digest old of the key by next, which is of the same
	// token. Where another digest than old is stored, or somebody has next, it
	// changes nothing and returns ErrConflict.
	Rehash(ctx context.Context, id string, old, next keyfmt.Digest) error
}

// A Filter says which keys of an account are meant: all that no field rules
// out.
type Filter struct {
	CreatedBy     string    // "": by anybody
	CreatedBefore time.Time // zero: whenever
}

// KeyAdmin is what management needs. Implementations are safe for concurrent
// use.
type KeyAdmin interface {
	// Create adds k. quota is the most live keys the account may hold, this
	// one included; 0 means no bound. Where several errors apply, ErrNotFound
	// (no such account) comes before ErrConflict (the id, the digest or, in
	// this account, the idempotency key exists), and that before ErrQuota.
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

	// Expiring returns up to limit keys of the account that are live at now
	// and will have expired by the instant by, the soonest first.
	Expiring(ctx context.Context, account string, now, by time.Time, limit int) ([]Key, error)

	// Outdated counts the keys of all accounts that are live at now and whose
	// digest is not under that pepper.
	Outdated(ctx context.Context, pepper string, now time.Time) (int, error)

	// Revoke ends a key for ever. A key already revoked stays as it is.
	Revoke(ctx context.Context, account, id, reason string, now time.Time) error

	// RevokeAll ends the keys of the account that the filter means, in one
	// transaction, and returns how many were not revoked before.
	RevokeAll(ctx context.Context, account string, f Filter, reason string, now time.Time) (int, error)

	// Rotate adds next, in this account and as the successor of id whatever
	// next itself says, and in the same transaction lowers the expiry of the
	// old key to deadline (never raises it; the zero time leaves it). It
	// returns ErrInactive where the old key is revoked or expired at now, else
	// ErrConflict where it already has a successor or next is taken. Within
	// deadline, next.Grace says how long the old key outlives the first use of
	// next.
	Rotate(ctx context.Context, account, id string, next Key, deadline, now time.Time) error

	// Prune deletes the keys whose expiry lies before the instant given and
	// returns how many. Keys without an expiry are never deleted.
	Prune(ctx context.Context, before time.Time) (int, error)
}

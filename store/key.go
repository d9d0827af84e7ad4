package store

import (
	"context"
	"net/netip"
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
)

// A Key is the record of an API key. It does not hold the key itself, only its digest
// and a hint by which people recognize it.
type Key struct {
	ID          string // "key_…"
	Account     string // "acct_…": it is charged for the key, and the key opens its data
	Owner       string // "user_…": the key never has more rights than this user; "" for a key of the account
	CreatedBy   string // the id of the user who made it, or "operator"
	Name        string
	Environment string // "live", "test"
	Hint        string // "mt_live_…x7Qa"
	Digest      keyfmt.Digest
	Import      string // how an imported key is verified when it is first used; "" for a key that Digest alone verifies
	Grant       authz.Grant
	Addresses   []netip.Prefix // the client addresses that may use it; empty for all
	Plan        string         // its own plan, which the operator sets; "" for the plan of the account

	Created  time.Time
	Expires  time.Time // zero: never
	Revoked  time.Time // zero: not revoked
	Disabled time.Time // zero: enabled; a key can be enabled again
	Used     time.Time // the last use, not exact; zero: never used
	Reason   string    // why it was revoked

	Family   string // the id of the first key in its chain of rotations
	Replaces string // the id of the key that this one replaces; "" for none
	// Grace is how long the replaced key stays valid after the first use of this
	// one. It is zero after that first use, and if there is nothing to wait for.
	Grace time.Duration

	Idempotency string   // the idempotency key of the call that made it, unique in the account; "" for none
	Request     [32]byte // SHA-256 of the request of that call
}

// Live reports whether the key can be used at now: it has not ended and is not disabled.
func (k *Key) Live(now time.Time) bool { return k.Disabled.IsZero() && !k.Ended(now) }

// Ended reports whether the key is revoked or has expired at now. It is not valid again
// after that.
func (k *Key) Ended(now time.Time) bool {
	return !k.Revoked.IsZero() || !k.Expires.IsZero() && !now.Before(k.Expires)
}

// A Use says that a key or session was used.
type Use struct {
	ID string
	At time.Time
}

// An Owner is the account of a key together with the present state of the user in
// [Key.Owner]. User and Membership are zero for a key without such a user.
type Owner struct {
	Account    Account
	User       authz.Status // zero: no such user
	Membership Membership   // of the user in Account; zero: none
}

// Keys finds keys and records that they were used. Implementations are safe for
// concurrent use.
type Keys interface {
	// Find returns the key with this digest and the present state of its owner, both
	// of one instant. It also returns revoked, expired and disabled keys. It returns
	// ErrNotFound if no key has the digest.
	Find(ctx context.Context, d keyfmt.Digest) (Key, Owner, error)

	// Touch sets Used of each key to its latest use, unless Used is later already or
	// the key is revoked. It ignores ids that do not exist, and publishes no change.
	Touch(ctx context.Context, uses []Use) error

	// BeginGrace records the first use of a key. In one transaction it sets Grace to
	// zero, and limits the expiry of the replaced key to now plus what Grace was. It
	// never raises that expiry. It changes nothing if Grace is zero already or the
	// key is revoked.
	BeginGrace(ctx context.Context, id string, now time.Time) error

	// Rehash replaces the digest old of a key by next, a digest of the same token, and
	// clears Import. If the stored digest is not old, or another key has next, it
	// changes nothing and returns ErrConflict.
	Rehash(ctx context.Context, id string, old, next keyfmt.Digest) error
}

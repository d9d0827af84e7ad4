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
	Owner       string // "user_…" whose rights bound it; "": the account's own
	CreatedBy   string // who made it: a user's id, or "operator"
	Name        string
	Environment string // "live", "test"
	Hint        string // "mt_live_…x7Qa"
	Digest      keyfmt.Digest
	Import      string // how an imported key is verified at its first use; "": by Digest alone
	Grant       authz.Grant
	Addresses   []netip.Prefix // where it may be used from; empty: anywhere
	Plan        string         // a plan of its own, given by the operator; "": the account's

	Created  time.Time
	Expires  time.Time // zero: never
	Revoked  time.Time // zero: not revoked
	Disabled time.Time // zero: enabled; unlike Revoked it can be undone
	Used     time.Time // coarse; zero: never
	Reason   string    // why it was revoked

	Family   string // rotation lineage: the id of its first key
	Replaces string // the key this one was rotated from; "": none
	// Grace is how long Replaces lives on once this key is used for the first
	// time. Zero: no first use is waited for, or it has been.
	Grace time.Duration

	Idempotency string   // of the call that made it, unique in the account; "": none
	Request     [32]byte // SHA-256 of what that call asked for
}

// Live reports whether the key opens anything at now: it has not ended and is
// not disabled.
func (k *Key) Live(now time.Time) bool { return k.Disabled.IsZero() && !k.Ended(now) }

// Ended reports whether the key is revoked, or has expired at now. Nothing
// brings it back.
func (k *Key) Ended(now time.Time) bool {
	return !k.Revoked.IsZero() || !k.Expires.IsZero() && !now.Before(k.Expires)
}

// A Use is one sighting of a key or session.
type Use struct {
	ID string
	At time.Time
}

// An Owner is whose a key is: its account, and what the person in [Key.Owner]
// is there. Of a key without such a person, User and Membership are zero.
type Owner struct {
	Account    Account
	User       authz.Status // zero: no such user
	Membership Membership   // in Account; zero: none
}

// Keys finds keys and records their use. Implementations are safe for concurrent
// use.
type Keys interface {
	// Find returns the key with that digest and the present state of its
	// owner, read in one statement. Revoked, expired and disabled keys are
	// returned. A digest that no key has is ErrNotFound.
	Find(ctx context.Context, d keyfmt.Digest) (Key, Owner, error)

	// Touch records uses: per key the latest, never moving back, never on a
	// revoked key. Ids that do not exist are ignored. It publishes no change.
	Touch(ctx context.Context, uses []Use) error

	// BeginGrace records the first use of this key. In one transaction it sets
	// Grace to zero and lowers the expiry of the key that this one replaces to now
	// plus what Grace was (it never raises it). If Grace is zero already, or this
	// key is revoked, it changes nothing.
	BeginGrace(ctx context.Context, id string, now time.Time) error

	// Rehash replaces the digest old of the key by next, which is of the same
	// token, and clears Import. If the stored digest is not old, or another key has
	// next, it changes nothing and returns ErrConflict.
	Rehash(ctx context.Context, id string, old, next keyfmt.Digest) error
}

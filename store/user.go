package store

import (
	"context"
	"maps"
	"time"

	"medtwin.ai/tollgate/authz"
)

// A User is a person who can log in. What they may do follows from their memberships.
type User struct {
	ID       string // "user_…"
	Email    string // as login.Email returns it, unique, and proven by a mail; "" for none
	Name     string
	Password string       // the hash in PHC format; "" for a user who cannot log in by password
	Status   authz.Status // Create makes a zero status active
	Epoch    int64        // sessions with another epoch are not valid
	// Resets counts the password resets that were begun. Only the latest is valid.
	Resets  int64
	Created time.Time
}

// Users keeps users. Implementations are safe for concurrent use.
type Users interface {
	// Create adds a user. It returns ErrConflict if the id or the email is taken.
	Create(ctx context.Context, u User) error
	Get(ctx context.Context, id string) (User, error)
	// ByEmail returns the user with this email, compared byte by byte. No user has the
	// email "".
	ByEmail(ctx context.Context, email string) (User, error)

	// SetPassword replaces the hash of the user was by next, increments Epoch and
	// returns it, so that the caller can keep its own session. If the stored hash or
	// epoch is not that of was, it changes nothing and returns ErrConflict. Of was it
	// reads only the id, the hash and the epoch.
	SetPassword(ctx context.Context, was User, next string) (epoch int64, err error)
	// BeginReset increments Resets and returns the user with the new value.
	BeginReset(ctx context.Context, id string) (User, error)
	// Rehash replaces the hash old by next, a hash of the same password, and leaves
	// Epoch as it is. If the stored hash is not old, it changes nothing and returns
	// ErrConflict.
	Rehash(ctx context.Context, id, old, next string) error
	// SetStatus changes the status, and increments Epoch unless s is Active.
	SetStatus(ctx context.Context, id string, s authz.Status) error
	// EndSessions increments Epoch and returns it. This ends all sessions of the user,
	// and also a login that has not finished.
	EndSessions(ctx context.Context, id string) (epoch int64, err error)
}

// A Membership is a user's role in an account.
type Membership struct {
	User, Account string
	Role          string // a name that the application gives to what a member may do
	// Scope limits the role to the ids in it, for each kind of resource in it. Other
	// kinds are not limited.
	Scope   map[string]authz.Set
	Created time.Time
}

// Equal reports whether m and o are equal: the same user and account, and the same role,
// scope and time of creation.
func (m Membership) Equal(o Membership) bool {
	return m.User == o.User && m.Account == o.Account && m.Role == o.Role &&
		maps.EqualFunc(m.Scope, o.Scope, authz.Set.Equal) && m.Created.Equal(o.Created)
}

// Memberships keeps which users are members of which accounts. Implementations are safe
// for concurrent use.
type Memberships interface {
	// Put adds a membership, or changes the role and scope of the one that exists. It
	// returns ErrNotFound if there is no such user or account.
	Put(ctx context.Context, m Membership) error
	Remove(ctx context.Context, account, user string) error
	Get(ctx context.Context, account, user string) (Membership, error)
	// OfUser returns all memberships of a user in the order of their accounts.
	OfUser(ctx context.Context, user string) ([]Membership, error)
	// OfAccount returns up to limit memberships of an account in the order of their
	// users, beginning after the user after; "" begins at the start.
	OfAccount(ctx context.Context, account, after string, limit int) ([]Membership, error)

	// Swap changes the role and scope of the membership was to those of next, or
	// removes the membership if next is nil. It reads no other field of next.
	//
	// keep is a role that somebody in the account must have, or "". If was has this
	// role and next has not, Swap succeeds only if another member has it who is an
	// active user. This holds even if two members remove each other at the same time,
	// in whatever processes: one of them stays.
	//
	// It returns the first of these errors that applies, and then changes nothing:
	//   - ErrNotFound: there is no such membership;
	//   - ErrConflict: the stored membership is not equal to was;
	//   - ErrLast: nobody else has the role keep.
	Swap(ctx context.Context, was Membership, next *Membership, keep string) error
}

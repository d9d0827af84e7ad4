package store

import (
	"context"
	"time"

	"medtwin.ai/tollgate/authz"
)

// A User is a person who can log in. What they may do follows from their memberships.
type User struct {
	ID       string // "user_…"
	Email    string // as login.Email returns it, unique; "": none
	Name     string
	Password string       // PHC string of its hash; "": cannot log in by password
	Status   authz.Status // zero when they are created: active
	Epoch    int64        // sessions born under another one are dead
	// Invitations is how many were made for the user: the latest alone is good.
	Invitations int64
	Created     time.Time
}

// Users keeps users. Implementations are safe for concurrent use.
type Users interface {
	// Create adds a user; a taken id or email is ErrConflict.
	Create(ctx context.Context, u User) error
	Get(ctx context.Context, id string) (User, error)
	// ByEmail compares byte by byte. Nobody has the email "".
	ByEmail(ctx context.Context, email string) (User, error)

	// SetPassword replaces the hash that was holds by next, increments Epoch and
	// returns it, for the session that the caller keeps. If the stored hash or
	// epoch is not that of was, it changes nothing and returns ErrConflict. It
	// reads no other field of was but the id.
	SetPassword(ctx context.Context, was User, next string) (epoch int64, err error)
	// Invite increments Invitations and returns the user as they are then.
	Invite(ctx context.Context, id string) (User, error)
	// Rehash replaces old by next, which is of the same password: Epoch stays.
	// If the stored hash is not old, it returns ErrConflict.
	Rehash(ctx context.Context, id, old, next string) error
	// SetStatus increments Epoch too, unless s is Active.
	SetStatus(ctx context.Context, id string, s authz.Status) error
	// EndSessions increments Epoch and returns it. This ends every session of the
	// user, and a login that is under way.
	EndSessions(ctx context.Context, id string) (epoch int64, err error)
}

// A Membership is a user's role in an account.
type Membership struct {
	User, Account string
	Role          string // the application's name for what members may
	// Scope narrows the role to these ids of a kind of resource. A kind that
	// is missing is not narrowed.
	Scope   map[string]authz.Set
	Created time.Time
}

// Memberships keeps who belongs where. Implementations are safe for concurrent
// use.
type Memberships interface {
	// Put adds a membership, or gives the one that exists another role and
	// scope. No such user or account is ErrNotFound.
	Put(ctx context.Context, m Membership) error
	Remove(ctx context.Context, account, user string) error
	Get(ctx context.Context, account, user string) (Membership, error)
	// OfUser returns all memberships of a user, by account.
	OfUser(ctx context.Context, user string) ([]Membership, error)
	// OfAccount returns up to limit memberships of an account by user, after
	// the one given.
	OfAccount(ctx context.Context, account, after string, limit int) ([]Membership, error)
}

package store

import (
	"context"
	"time"

	"medtwin.ai/tollgate/authz"
)

// An Invitation offers a membership of an account to the reader of an email
// address. Until it is accepted it is a record of that account alone: it makes no
// user and no membership, and says nothing of whether the address has a user.
type Invitation struct {
	ID      string // "inv_…"
	Account string
	Email   string // as login.Email returns it
	Name    string // of the person; may be ""
	Role    string // of the membership
	Scope   map[string]authz.Set
	By      string // who made it: the id of a user, or "operator"
	Created time.Time
	Expires time.Time // zero: never
}

// Expired reports whether the invitation can no longer be accepted at now.
func (i Invitation) Expired(now time.Time) bool { return !i.Expires.IsZero() && !now.Before(i.Expires) }

// Membership returns the membership that user gets by accepting the invitation at
// now.
func (i Invitation) Membership(user string, now time.Time) Membership {
	return Membership{User: user, Account: i.Account, Role: i.Role, Scope: i.Scope, Created: now}
}

// Invitations keeps invitations. Implementations are safe for concurrent use.
type Invitations interface {
	// Put adds an invitation, in place of the one that the account has for the same
	// address, if any. It returns ErrNotFound if there is no such account, and
	// ErrConflict if another invitation has the id.
	Put(ctx context.Context, i Invitation) error
	// Get returns an invitation, even if it has expired.
	Get(ctx context.Context, account, id string) (Invitation, error)
	// OfAccount returns up to limit invitations of an account in the order of their
	// ids, including expired ones, beginning after the id after; "" begins at the
	// start.
	OfAccount(ctx context.Context, account, after string, limit int) ([]Invitation, error)
	// Remove deletes an invitation. It returns ErrNotFound if there is none.
	Remove(ctx context.Context, account, id string) error
	// Accept deletes an invitation, adds the membership that it offers and returns
	// it, in one transaction.
	//
	// It returns one of these errors if it changes nothing:
	//   - ErrNotFound: there is no such invitation or user, or the invitation has
	//     expired at now;
	//   - ErrConflict: the user is a member already.
	Accept(ctx context.Context, account, id, user string, now time.Time) (Membership, error)
	// Prune deletes up to most invitations that expired before the given time, and
	// returns how many.
	Prune(ctx context.Context, before time.Time, most int) (int, error)
}

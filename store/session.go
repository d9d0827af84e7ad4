package store

import (
	"context"
	"time"

	"medtwin.ai/tollgate/keyfmt"
)

// A Session is what a user got for logging in. The token itself is not in it.
type Session struct {
	ID      string // "ses_…"
	User    string // "user_…"
	Account string // "acct_…", the one it acts in; "": none
	Digest  keyfmt.Digest
	Epoch   int64 // the user's, read before the password was verified
	Cookie  bool  // minted for a cookie, else for the header

	Created time.Time
	Seen    time.Time     // coarse; zero: not since Created
	Expires time.Time     // absolute, never moves
	Revoked time.Time     // zero: not revoked
	Idle    time.Duration // how long it may go unseen; 0: until Expires

	Address, Agent string // of the login, for people
}

// Live reports whether the session is neither revoked nor expired at now, nor
// has gone unseen for too long. It does not check the user's epoch.
func (s *Session) Live(now time.Time) bool {
	seen := s.Seen
	if seen.Before(s.Created) {
		seen = s.Created
	}
	return s.Revoked.IsZero() && now.Before(s.Expires) && (s.Idle <= 0 || now.Before(seen.Add(s.Idle)))
}

// Sessions keeps sessions, perhaps in another place than the users: it does not
// check that the user exists. Implementations are safe for concurrent use.
type Sessions interface {
	// Find returns the session with that digest, also one that is revoked or
	// has expired. A digest that no session has is ErrNotFound.
	Find(ctx context.Context, d keyfmt.Digest) (Session, error)
	// Create adds a session; a taken id or digest is ErrConflict.
	Create(ctx context.Context, s Session) error
	// Touch records when sessions were seen: per session the latest, never
	// moving back, never on a revoked one. Ids that do not exist are ignored.
	// It publishes no change.
	Touch(ctx context.Context, uses []Use) error

	Get(ctx context.Context, user, id string) (Session, error)
	// List returns the sessions of a user, live or not, newest id first, at
	// most 1000.
	List(ctx context.Context, user string) ([]Session, error)

	// Revoke ends a session for ever. One already revoked stays as it is.
	Revoke(ctx context.Context, user, id string, now time.Time) error
	// RevokeAll ends the sessions of a user, except the one with the id but ("":
	// no exception), and returns how many were not revoked before.
	RevokeAll(ctx context.Context, user, but string, now time.Time) (int, error)

	// Prune deletes up to most sessions that ended before the instant given, by
	// their expiry or revocation, and returns how many. Those with neither, which
	// are not live, stay.
	Prune(ctx context.Context, before time.Time, most int) (int, error)
}

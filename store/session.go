package store

import (
	"context"
	"time"

	"medtwin.ai/tollgate/keyfmt"
)

// A Session is the record of a login. It does not hold the token, only its digest.
type Session struct {
	ID      string // "ses_…"
	User    string // "user_…"
	Account string // "acct_…": the account in which the user acts; "" for none
	Digest  keyfmt.Digest
	Epoch   int64 // of the user, read before the password was verified
	Cookie  bool  // its token is for a cookie, and otherwise for the header

	Created time.Time
	Seen    time.Time     // the last use, not exact; zero: not used since Created
	Expires time.Time     // never changes
	Revoked time.Time     // zero: not revoked
	Idle    time.Duration // how long it may be unused; 0: until Expires

	Address, Agent string // of the login, as information for people
}

// Live reports whether the session is valid at now: not revoked, not expired and not
// unused for longer than Idle. It does not check the user's epoch.
func (s *Session) Live(now time.Time) bool {
	seen := s.Seen
	if seen.Before(s.Created) {
		seen = s.Created
	}
	return s.Revoked.IsZero() && now.Before(s.Expires) && (s.Idle <= 0 || now.Before(seen.Add(s.Idle)))
}

// Sessions keeps sessions. They may be in another place than the users, so it does not
// check that the user exists. Implementations are safe for concurrent use.
type Sessions interface {
	// Find returns the session with this digest, even if it is revoked or has expired.
	// It returns ErrNotFound if no session has the digest.
	Find(ctx context.Context, d keyfmt.Digest) (Session, error)
	// Create adds a session. It returns ErrConflict if the id or the digest is taken.
	Create(ctx context.Context, s Session) error
	// Touch sets Seen of each session to its latest use, unless Seen is later already
	// or the session is revoked. It ignores ids that do not exist, and publishes no
	// change.
	Touch(ctx context.Context, uses []Use) error

	Get(ctx context.Context, user, id string) (Session, error)
	// List returns the sessions of a user, live or not, the newest id first, and at
	// most 1000 of them.
	List(ctx context.Context, user string) ([]Session, error)

	// Revoke ends a session for ever. It changes nothing if the session is revoked
	// already.
	Revoke(ctx context.Context, user, id string, now time.Time) error
	// RevokeAll revokes the sessions of a user except the one with the id but ("" is
	// no exception), and returns how many of them were not revoked before.
	RevokeAll(ctx context.Context, user, but string, now time.Time) (int, error)

	// Prune deletes up to most sessions that expired or were revoked before the given
	// time, and returns how many. It keeps sessions that have neither time.
	Prune(ctx context.Context, before time.Time, most int) (int, error)
}

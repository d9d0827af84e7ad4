package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
	"unicode/utf8"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// A Spec says what a new session is like.
type Spec struct {
	// User is the person who has proved their identity, as read *before* the
	// proof. If something ends all sessions of the user between that reading
	// and Start, the epoch of this session is out of date, and it is dead from
	// the start.
	User    store.User
	Account string // the account that the user acts in
	Cookie  bool   // the token goes into a cookie, and is refused in a header
	Address string // of the client; shown in lists of sessions
	Agent   string // the User-Agent; cut at 200 characters
}

// Start begins a session. It returns the record and the token, which cannot be
// had again. The token is always new: it never comes from the request, so
// nobody can make a user log in to a session that they know (session fixation).
//
// Start ends the oldest sessions of the user beyond Config.Most. A session that
// has begun counts even if that fails, because the next Start tries again.
func (m *Manager) Start(ctx context.Context, spec Spec, now time.Time) (store.Session, keyfmt.Token, error) {
	token := m.config.Format.Generate()
	session := store.Session{
		ID: keyfmt.NewID("ses_", now), User: spec.User.ID, Account: spec.Account, Digest: m.config.Peppers.Digest(token),
		Epoch: spec.User.Epoch, Cookie: spec.Cookie, Created: now.UTC(), Expires: now.Add(m.config.Lifetime).UTC(),
		Idle: m.config.Idle, Address: spec.Address, Agent: cut(spec.Agent, 200),
	}
	if err := m.records.sessions.Create(ctx, session); err != nil {
		return store.Session{}, keyfmt.Token{}, err
	}
	m.memory.Forget(session.ID)
	if err := m.bound(ctx, session, now); err != nil { // the next Start ends them
		m.config.Logger.LogAttrs(ctx, slog.LevelWarn, "a user has too many sessions, and the oldest have not ended",
			slog.String("user", session.User), slog.Any("err", err))
	}
	return session, token, nil
}

// bound ends the oldest sessions of a user who has more than Config.Most. It
// runs after the new session has been stored. So if many begin at once, the
// last one sees them all. It keeps the new session, and considers those that
// the store lists.
func (m *Manager) bound(ctx context.Context, begun store.Session, now time.Time) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.config.Timeout) // a client that hangs up must not prevent it
	defer cancel()
	all, err := m.records.sessions.List(ctx, begun.User)
	if err != nil {
		return err
	}
	others := live(all, begun.Epoch, now)
	others = slices.DeleteFunc(others, func(s store.Session) bool { return s.ID == begun.ID })
	for _, s := range others[min(m.config.Most-1, len(others)):] {
		err = errors.Join(err, m.records.sessions.Revoke(ctx, s.User, s.ID, now))
		m.memory.Forget(s.ID)
	}
	return err
}

// live returns the sessions of a user that have not ended, in the order of all.
func live(all []store.Session, epoch int64, now time.Time) (live []store.Session) {
	for _, s := range all {
		if s.Epoch == epoch && s.Live(now) {
			live = append(live, s)
		}
	}
	return live
}

// cut returns the first n characters of s, as text that a store can hold: NUL
// and invalid UTF-8 become U+FFFD.
func cut(s string, n int) string {
	var b []byte
	for _, r := range s {
		if r == 0 { // see rule 17 of package store
			r = utf8.RuneError
		}
		if n--; n < 0 {
			break
		}
		b = utf8.AppendRune(b, r)
	}
	return string(b)
}

// List and the methods below take a principal of kind KindSession only. A key
// must not list or end the sessions of its owner, and a person of the
// application's own login has none here.
// List returns the sessions of the caller's user that are live, newest first.
func (m *Manager) List(ctx context.Context, by *authn.Principal, now time.Time) ([]store.Session, error) {
	if by == nil || by.Kind != authn.KindSession {
		return nil, authn.ErrForbidden
	}
	user, err := m.records.users.Get(ctx, by.User)
	if err != nil {
		return nil, err
	}
	all, err := m.records.sessions.List(ctx, by.User)
	if err != nil {
		return nil, err
	}
	return live(all, user.Epoch, now), nil
}

// Current returns the caller's session as it is in the store, not as it is
// cached. Errors: authn.ErrRevoked if it has ended, authn.ErrForbidden if the
// caller has no session.
func (m *Manager) Current(ctx context.Context, by *authn.Principal, now time.Time) (store.Session, error) {
	if by == nil || by.Kind != authn.KindSession {
		return store.Session{}, authn.ErrForbidden
	}
	session, err := m.records.sessions.Get(ctx, by.User, by.ID)
	if err != nil {
		return store.Session{}, gone(err)
	}
	user, err := m.records.users.Get(ctx, by.User)
	if err != nil {
		return store.Session{}, gone(err)
	}
	// It does not check Idle. The authentication of this request has, and the
	// store learns of uses late.
	if user.Status != authz.Active || session.Epoch != user.Epoch || !session.Revoked.IsZero() || !now.Before(session.Expires) {
		return store.Session{}, authn.ErrRevoked
	}
	return session, nil
}

// Fresh returns the caller with the rights that the stores give at this moment.
// Use it before something that outlives the cache, such as making an API key:
// cached rights may have been taken away since.
//
// It is an apikey.Config.Fresh. Errors are those of Current, and
// authn.ErrEnvironment if the caller acts in an environment that is not in
// Config.Environments.
func (m *Manager) Fresh(ctx context.Context, by *authn.Principal, now time.Time) (*authn.Principal, error) {
	session, err := m.Current(ctx, by, now)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(m.config.Environments, by.Environment) {
		return nil, authn.ErrEnvironment
	}
	account, grants, err := m.membership(ctx, session)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", authn.ErrUnavailable, err)
	}
	p := standsFor(session, account, m.rights(account, grants), by.Environment)
	return &p, nil
}

// gone turns an error of the store about a known session into one of package
// authn: a session that the store no longer has is revoked, and anything else
// is an outage.
func gone(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return authn.ErrRevoked
	}
	return fmt.Errorf("%w: %w", authn.ErrUnavailable, err)
}

// Forget makes this process read a session again, or all sessions of a user or
// an account, depending on what the id names. Call it after a change that did
// not go through the Manager, such as a new password. Then the change holds
// here at once, also without a stream of changes.
func (m *Manager) Forget(id string) { m.memory.Forget(id) }

// Revoke ends one session of the caller's user for ever. The session of another
// user is store.ErrNotFound, as if it did not exist.
func (m *Manager) Revoke(ctx context.Context, by *authn.Principal, id string, now time.Time) error {
	if by == nil || by.Kind != authn.KindSession {
		return authn.ErrForbidden
	}
	err := m.records.sessions.Revoke(ctx, by.User, id, now)
	m.memory.Forget(id) // after the commit, or a read in between would cache the old answer again
	return err
}

// RevokeOthers ends all sessions of the caller's user except the caller's own,
// and returns how many those were.
func (m *Manager) RevokeOthers(ctx context.Context, by *authn.Principal, now time.Time) (int, error) {
	if by == nil || by.Kind != authn.KindSession {
		return 0, authn.ErrForbidden
	}
	n, err := m.records.sessions.RevokeAll(ctx, by.User, by.ID, now)
	m.memory.Forget(by.User)
	return n, err
}

// RevokeAll logs the caller's user out everywhere, a login in flight included.
//
// Raising the epoch ends all sessions at once. Revoking the records afterwards
// makes lists and audits say so; if it fails, the sessions have ended all the
// same.
func (m *Manager) RevokeAll(ctx context.Context, by *authn.Principal, now time.Time) error {
	if by == nil || by.Kind != authn.KindSession {
		return authn.ErrForbidden
	}
	_, err := m.records.users.EndSessions(ctx, by.User) // this alone ends them
	m.memory.Forget(by.User)
	if err == nil {
		_, err = m.records.sessions.RevokeAll(ctx, by.User, "", now)
	}
	return err
}

// Logout ends the session that a credential names. It is no error if the
// session is unknown, expired or already ended, because the client is logged
// out either way. A token on the wrong transport logs nobody out: see
// Authenticate.
func (m *Manager) Logout(ctx context.Context, c authn.Credential, now time.Time) error {
	if !m.mine(c) {
		return nil
	}
	t, err := m.config.Format.Parse(c.Reveal())
	if err != nil {
		return nil
	}
	session, err := m.find(ctx, t)
	if errors.Is(err, store.ErrNotFound) || err == nil && session.Cookie != c.Cookie {
		return nil
	}
	if err == nil {
		err = m.records.sessions.Revoke(ctx, session.User, session.ID, now)
		m.memory.Forget(session.ID)
	}
	return err
}

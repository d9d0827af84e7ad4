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

// A Spec says what a new session shall be.
type Spec struct {
	// User is the person who has proved their identity, as read *before* the
	// proof: if their sessions are ended in between, this one is dead from the
	// start.
	User    store.User
	Account string // that the user acts in
	Cookie  bool   // the token goes into a cookie, and is refused in a header
	Address string // of the client, for people who look at their sessions
	Agent   string // likewise; cut at 200 characters
}

// Start begins a session, always under a new token, which cannot be had again,
// and ends the user's oldest beyond Config.Most.
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
	if err := m.bound(ctx, session, now); err != nil { // the next one that begins ends them
		m.config.Logger.LogAttrs(ctx, slog.LevelWarn, "a user has too many sessions, and the oldest have not ended",
			slog.String("user", session.User), slog.Any("err", err))
	}
	return session, token, nil
}

// bound ends the oldest sessions of a user who has too many now that another
// has begun. It looks after that, so that of many that begin at once the last
// sees them all; among those that the store lists.
func (m *Manager) bound(ctx context.Context, begun store.Session, now time.Time) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.config.Timeout) // who hangs up is bounded all the same
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

// live returns those of a user's sessions that are, in their order.
func live(all []store.Session, epoch int64, now time.Time) (live []store.Session) {
	for _, s := range all {
		if s.Epoch == epoch && s.Live(now) {
			live = append(live, s)
		}
	}
	return live
}

// cut returns at most n characters of s, as text that a store can hold.
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
// cached: authn.ErrRevoked if it has ended.
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
	// Idleness was checked when the session was authenticated; the store learns of uses
	// late.
	if user.Status != authz.Active || session.Epoch != user.Epoch || !session.Revoked.IsZero() || !now.Before(session.Expires) {
		return store.Session{}, authn.ErrRevoked
	}
	return session, nil
}

// Fresh returns the caller with the rights that the stores give at this moment,
// not those that are cached: for what outlives a cache, such as an API key that
// the caller makes. It is an apikey.Config.Fresh. Errors are those of Current,
// and authn.ErrEnvironment if the caller acts in an environment that is not in
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

// gone is what an error of a store says about a session that there was.
func gone(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return authn.ErrRevoked
	}
	return fmt.Errorf("%w: %w", authn.ErrUnavailable, err)
}

// Forget makes this process ask the stores again about a session, or all those
// of a user or an account. Call it after a change that went past the Manager,
// such as a new password, where it should hold here at once though no stream
// of changes tells of it.
func (m *Manager) Forget(id string) { m.memory.Forget(id) }

// Revoke ends one session of the caller's user for ever.
func (m *Manager) Revoke(ctx context.Context, by *authn.Principal, id string, now time.Time) error {
	if by == nil || by.Kind != authn.KindSession {
		return authn.ErrForbidden
	}
	err := m.records.sessions.Revoke(ctx, by.User, id, now)
	m.memory.Forget(id) // after the commit
	return err
}

// RevokeOthers ends all sessions of the caller's user but the caller's own, and
// returns how many.
func (m *Manager) RevokeOthers(ctx context.Context, by *authn.Principal, now time.Time) (int, error) {
	if by == nil || by.Kind != authn.KindSession {
		return 0, authn.ErrForbidden
	}
	n, err := m.records.sessions.RevokeAll(ctx, by.User, by.ID, now)
	m.memory.Forget(by.User)
	return n, err
}

// RevokeAll logs the caller's user out everywhere, a login in flight included.
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

// Logout ends the session that a credential names. It is no error if the session
// is unknown, expired or already ended: the client is logged out either way.
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

package authn

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// A SessionSpec says what a new session shall be.
type SessionSpec struct {
	// User is who has proved himself, as he was read *before* he did: if his
	// sessions are ended in between, this one is born dead.
	User    store.User
	Account string // he acts in
	Cookie  bool   // the token goes into a cookie, and is refused in a header
	Address string // of the client, for people who look at their sessions
	Agent   string // likewise; cut at 200 characters
}

// Start begins a session, always under a new token, which cannot be had again.
func (s *Sessions) Start(ctx context.Context, spec SessionSpec, now time.Time) (store.Session, keyfmt.Token, error) {
	token := s.config.Format.Generate()
	session := store.Session{
		ID: keyfmt.NewID("ses_", now), User: spec.User.ID, Account: spec.Account, Digest: s.config.Peppers.Digest(token),
		Epoch: spec.User.Epoch, Cookie: spec.Cookie, Created: now.UTC(), Expires: now.Add(s.config.Lifetime).UTC(),
		Idle: s.config.Idle, Address: spec.Address, Agent: cut(spec.Agent, 200),
	}
	if err := s.config.Store.Create(ctx, session); err != nil {
		return store.Session{}, keyfmt.Token{}, err
	}
	s.answers.fresh.Forget(session.ID)
	return session, token, nil
}

// cut returns at most n characters of s, as valid UTF-8.
func cut(s string, n int) string {
	var b []byte
	for _, r := range s {
		if n--; n < 0 {
			break
		}
		b = utf8.AppendRune(b, r)
	}
	return string(b)
}

// List returns the sessions of the caller's user that are live, newest first.
func (s *Sessions) List(ctx context.Context, by *Principal, now time.Time) ([]store.Session, error) {
	if by == nil || by.User == "" {
		return nil, ErrForbidden
	}
	user, err := s.config.Users.Get(ctx, by.User)
	if err != nil {
		return nil, err
	}
	all, err := s.config.Store.List(ctx, by.User)
	if err != nil {
		return nil, err
	}
	var live []store.Session
	for _, session := range all {
		if session.Epoch == user.Epoch && session.Live(now) {
			live = append(live, session)
		}
	}
	return live, nil
}

// Revoke ends one session of the caller's user for ever.
func (s *Sessions) Revoke(ctx context.Context, by *Principal, id string, now time.Time) error {
	if by == nil || by.Kind != KindSession {
		return ErrForbidden
	}
	err := s.config.Store.Revoke(ctx, by.User, id, now)
	s.answers.fresh.Forget(id) // after the commit
	return err
}

// RevokeOthers ends all sessions of the caller's user but his own, and returns
// how many.
func (s *Sessions) RevokeOthers(ctx context.Context, by *Principal, now time.Time) (int, error) {
	if by == nil || by.Kind != KindSession {
		return 0, ErrForbidden
	}
	n, err := s.config.Store.RevokeAll(ctx, by.User, by.ID, now)
	s.answers.fresh.Forget(by.User)
	return n, err
}

// RevokeAll logs the caller's user out everywhere, a login in flight included.
func (s *Sessions) RevokeAll(ctx context.Context, by *Principal, now time.Time) error {
	if by == nil || by.Kind != KindSession {
		return ErrForbidden
	}
	_, err := s.config.Users.EndSessions(ctx, by.User) // this alone ends them
	s.answers.fresh.Forget(by.User)
	if err == nil {
		_, err = s.config.Store.RevokeAll(ctx, by.User, "", now)
	}
	return err
}

// Logout ends the session that a credential names. That it is unknown, expired
// or ended already is no error: whoever logs out is logged out.
func (s *Sessions) Logout(ctx context.Context, c Credential, now time.Time) error {
	if !s.mine(c) {
		return nil
	}
	t, err := s.config.Format.Parse(c.token)
	if err != nil {
		return nil
	}
	session, err := s.find(ctx, t)
	if errors.Is(err, store.ErrNotFound) || err == nil && session.Cookie != c.Cookie {
		return nil
	}
	if err == nil {
		err = s.config.Store.Revoke(ctx, session.User, session.ID, now)
		s.answers.fresh.Forget(session.ID)
	}
	return err
}

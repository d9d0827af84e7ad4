package login

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/store"
)

// ChangePassword gives the caller's user another password. That ends all
// sessions of the user. The caller's continues under a new token in the same
// account and for the same transport, and the device in use is the only one
// still known. The Token is zero if only the new session failed: the password
// has changed all the same, and the user must log in again.
//
// Only a session may do this (else authn.ErrForbidden), and only if the present
// password proves that its owner uses it: ErrFailed, counted against the user. A
// password that nobody should have is a *password.PolicyError. Otherwise errors
// are those of Login, and authn.ErrRevoked if the session ended in the meantime.
func (m *Manager) ChangePassword(ctx context.Context, by *authn.Principal, current, next string, now time.Time) (Success, error) {
	if by == nil || by.Kind != authn.KindSession || by.User == "" {
		return Success{}, authn.ErrForbidden
	}
	turn, err := m.throttle.enter([]counter{{m.config.Limits.Source, m.seal.subject("password", by.User)}}, now)
	if err != nil {
		return Success{}, err
	}
	defer turn.leave()

	old, err := m.config.Sessions.Current(ctx, by, now)
	if err != nil {
		return Success{}, err
	}
	user, err := m.records.users.Get(ctx, by.User)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && user.Epoch != old.Epoch:
		return Success{}, authn.ErrRevoked
	case err != nil:
		return Success{}, unavailable(err)
	}
	ok, _, err := m.verify(ctx, m.config.Passwords.Priority(), user, current)
	if err != nil {
		return Success{}, err
	}
	if !ok {
		turn.fail(now)
		return Success{}, ErrFailed
	}
	if err := m.replace(ctx, user, next, true); err != nil {
		if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) {
			err = ErrFailed // the password that was proved is no longer the one stored
		}
		return Success{}, err
	}
	user.Epoch++ // not the epoch stored now: a request to end all sessions in between ends this one too
	device := m.know("", user, now)
	started, token, err := m.config.Sessions.Start(ctx, session.Spec{
		User: user, Account: old.Account, Cookie: old.Cookie, Address: old.Address, Agent: old.Agent,
	}, now)
	if err != nil {
		m.config.Logger.LogAttrs(ctx, slog.LevelError, "password changed, but no session started",
			slog.String("user", user.ID), slog.Any("err", err))
		return Success{Device: device}, nil
	}
	return Success{started, token, device}, nil
}

// replace gives the user, as read, another password, if it is one to have. That
// increments the user's epoch. proved: by the present password, which the end of
// all sessions meanwhile takes nothing from. ErrConflict: the user has got another
// one since, or (unless proved) another epoch; ErrNotFound: the user is gone.
func (m *Manager) replace(ctx context.Context, user store.User, next string, proved bool) error {
	if err := m.config.Passwords.Check(ctx, next, user.Email, user.Name); err != nil {
		return err
	}
	hash, err := m.config.Passwords.Priority().Hash(ctx, next) // a session or an invitation was shown
	if err != nil {
		return err
	}
	err = m.swap(ctx, user, hash, proved)
	m.config.Sessions.Forget(user.ID) // after the commit
	if err != nil && !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNotFound) {
		return unavailable(err)
	}
	return err
}

// swap puts the hash next in the place of that of the user as read. In the same
// epoch another one is of the same password: a login has rehashed it in between,
// which happens once. In another epoch the same hash is what was proved.
func (m *Manager) swap(ctx context.Context, user store.User, next string, proved bool) error {
	_, err := m.records.users.SetPassword(ctx, user, next)
	if !errors.Is(err, store.ErrConflict) {
		return err
	}
	present, err := m.records.users.Get(ctx, user.ID)
	switch {
	case err != nil:
		return err
	case present.Epoch != user.Epoch && !(proved && present.Password == user.Password):
		return store.ErrConflict
	}
	_, err = m.records.users.SetPassword(ctx, present, next)
	return err
}

package login

import (
	"context"
	"errors"
	"net/netip"
	"strconv"
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// Invite returns a token by which whoever has it can set the password of the
// user, once: for one who is new, or has forgotten his. It belongs into a
// message to him and nowhere else. Nothing is stored. A new password, a log-out
// everywhere and a suspension void all that are out. Who may ask for one is for
// the application to decide.
//
// Errors: store.ErrNotFound, ErrSuspended, authn.ErrUnavailable.
func (m *Manager) Invite(ctx context.Context, userID string, now time.Time) (token string, err error) {
	user, err := m.config.Users.Get(ctx, userID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return "", err
	case err != nil:
		return "", unavailable(err)
	case user.Status != authz.Active:
		return "", ErrSuspended
	}
	return m.seal.sign(invitationToken, now.Add(m.config.Invitation), user.ID, strconv.FormatInt(user.Epoch, 10)), nil
}

// Accept gives the user whom the token invites the password next, ends all his
// sessions, and returns his id. He logs in then. From is where the request
// comes from; a client that tries too many tokens is a *authn.ThrottledError.
//
// A token that is wrong, used or expired is ErrInvitation; a password that
// nobody should have is a *password.PolicyError, and the token stays good.
// Otherwise errors are those of Login.
func (m *Manager) Accept(ctx context.Context, token, next string, from netip.Addr, now time.Time) (userID string, err error) {
	var user store.User
	defer func() { m.note(ctx, "invitation not accepted", user.ID, from, err, now) }()
	turn, err := m.throttle.enter([]lane{
		{m.config.Limits.Address, m.seal.subject("invitation", client(from))},
		{inFlight, m.seal.subject("accept", token)},
	}, now)
	if err != nil {
		return "", err
	}
	defer turn.leave()
	user, err = m.invited(ctx, token, now)
	if err == nil {
		err = m.replace(ctx, user, next)
	}
	if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) {
		turn.fail(now)
		err = ErrInvitation
	}
	if err != nil {
		return "", err
	}
	return user.ID, nil
}

// invited returns the user whom the token invites, as he is now, or
// ErrNotFound.
func (m *Manager) invited(ctx context.Context, token string, now time.Time) (store.User, error) {
	fields, ok := m.seal.open(invitationToken, 2, token, now)
	if !ok {
		return store.User{}, store.ErrNotFound
	}
	user, err := m.config.Users.Get(ctx, fields[0])
	switch {
	case errors.Is(err, store.ErrNotFound),
		err == nil && (user.Status != authz.Active || fields[1] != strconv.FormatInt(user.Epoch, 10)):
		return store.User{}, store.ErrNotFound
	case err != nil:
		return store.User{}, unavailable(err)
	}
	return user, nil
}

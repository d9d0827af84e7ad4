package login

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"strconv"
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// Invite returns a token with which its holder can set the password of the user,
// once: for users who are new, or have forgotten theirs. It belongs into a message
// to the user and nowhere else. An invitation ends when it is used, when another
// one is made, when a membership of the user begins, changes or ends (so it never
// lets anybody into more than it was made for), with a new password, a log-out
// everywhere and a suspension. Invite after the membership has been stored. The
// application decides who may ask for an invitation.
//
// Errors: store.ErrNotFound, ErrSuspended, authn.ErrUnavailable.
func (m *Manager) Invite(ctx context.Context, userID string, now time.Time) (token string, err error) {
	user, err := m.records.users.Get(ctx, userID)
	if err == nil && user.Status == authz.Active {
		user, err = m.records.users.Invite(ctx, userID)
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return "", err
	case err != nil:
		return "", unavailable(err)
	case user.Status != authz.Active:
		return "", ErrSuspended
	}
	state, err := m.state(ctx, user)
	if err != nil {
		return "", unavailable(err)
	}
	return m.seal.sign(invitationToken, now.Add(m.config.Invitation), user.ID, state), nil
}

// state returns what an invitation of the user is made for: it differs where the
// user's epoch, the number of invitations or any membership does.
func (m *Manager) state(ctx context.Context, user store.User) (string, error) {
	members, err := m.records.memberships.OfUser(ctx, user.ID)
	if err != nil {
		return "", err
	}
	parts := []string{strconv.FormatInt(user.Epoch, 10), strconv.FormatInt(user.Invitations, 10)}
	for _, one := range members {
		scope := "{}"
		if len(one.Scope) > 0 { // a map is encoded in the order of its keys
			text, err := json.Marshal(one.Scope)
			if err != nil {
				return "", err
			}
			scope = string(text)
		}
		parts = append(parts, one.Account, one.Role, strconv.FormatInt(one.Created.UnixMicro(), 10), scope)
	}
	return m.seal.subject("state", parts...), nil
}

// Accept gives the user whom the token invites the password next, ends all the
// user's sessions, and returns the user's id. The user logs in then. From is where
// the request comes from; a client that tries too many tokens is a *authn.ThrottledError.
//
// A token that is wrong, used or expired is ErrInvitation; a password that
// nobody should have is a *password.PolicyError, and the token stays good.
// Otherwise errors are those of Login.
func (m *Manager) Accept(ctx context.Context, token, next string, from netip.Addr, now time.Time) (userID string, err error) {
	var user store.User
	defer func() { m.note(ctx, "invitation not accepted", user.ID, from, err, now) }()
	turn, err := m.throttle.enter([]counter{
		{m.config.Limits.Address, m.seal.subject("invitation", client(from))},
		{inFlight, m.seal.subject("accept", token)},
	}, now)
	if err != nil {
		return "", err
	}
	defer turn.leave()
	user, err = m.invited(ctx, token, now)
	if err == nil {
		err = m.replace(ctx, user, next, false)
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

// invited returns the user whom the token invites, as stored now, or ErrNotFound.
func (m *Manager) invited(ctx context.Context, token string, now time.Time) (store.User, error) {
	fields, ok := m.seal.open(invitationToken, 2, token, now)
	if !ok {
		return store.User{}, store.ErrNotFound
	}
	user, err := m.records.users.Get(ctx, fields[0])
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && user.Status != authz.Active:
		return store.User{}, store.ErrNotFound
	case err != nil:
		return store.User{}, unavailable(err)
	}
	state, err := m.state(ctx, user)
	switch {
	case err != nil:
		return store.User{}, unavailable(err)
	case fields[1] != state:
		return store.User{}, store.ErrNotFound
	}
	return user, nil
}

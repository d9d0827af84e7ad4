package login

import (
	"context"
	"errors"
	"net/netip"
	"strconv"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// Invite stores an invitation and returns it with the token that accepts it. The token
// is proof that its holder reads the mail of the address, so it belongs into a message
// to that address and nowhere else: another holder would be taken for its owner.
// Invite sets ID, Created and Expires. The account's earlier invitation to the same
// address ends. The application decides who may invite, and to what.
//
// Errors: authn.ErrInvalid if i.Email is not an address as [Email] returns it;
// store.ErrNotFound if there is no such account; authn.ErrUnavailable.
func (m *Manager) Invite(ctx context.Context, i store.Invitation, now time.Time) (store.Invitation, string, error) {
	if i.Email == "" || Email(i.Email) != i.Email {
		return store.Invitation{}, "", authn.ErrInvalid
	}
	i.ID, i.Created, i.Expires = keyfmt.NewID("inv_", now), now.UTC(), now.UTC().Add(m.config.Invitation)
	if err := m.records.invitations.Put(ctx, i); err != nil {
		if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrInvalid) {
			return store.Invitation{}, "", err
		}
		return store.Invitation{}, "", unavailable(err)
	}
	return i, m.seal.sign(invitationToken, i.Expires, i.Account, i.ID), nil
}

// Reset returns a token with which its holder can give the user another password, once.
// It belongs into a message to the user and nowhere else. It ends when it is used, when
// another one is made, with a new password, a log-out everywhere and a suspension.
//
// Errors: store.ErrNotFound, ErrSuspended, authn.ErrUnavailable.
func (m *Manager) Reset(ctx context.Context, userID string, now time.Time) (token string, err error) {
	user, err := m.records.users.Get(ctx, userID)
	if err == nil && user.Status == authz.Active {
		user, err = m.records.users.BeginReset(ctx, userID)
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return "", err
	case err != nil:
		return "", unavailable(err)
	case user.Status != authz.Active:
		return "", ErrSuspended
	}
	return m.seal.sign(resetToken, now.Add(m.config.Reset), user.ID, resetState(user)), nil
}

// resetState is what a reset of the user is made for: it differs if the user's epoch or
// the number of resets does.
func resetState(user store.User) string {
	return strconv.FormatInt(user.Epoch, 10) + "." + strconv.FormatInt(user.Resets, 10)
}

// An Accepted says what a token has done.
type Accepted struct {
	User    string // the id of the user
	Account string // that the user is a member of now; "" after a reset
}

// Accept uses a token of [Manager.Invite] or [Manager.Reset]. From is where the request
// comes from.
//
// A token is a signature over its kind, its end and what it is for. It is good as long
// as the store holds what it is for: an invitation, or the user in the state that the
// reset was made for. Using it changes that, so it works once.
//
//   - A reset gives the user the password next and ends their sessions.
//   - An invitation makes its user a member. The user is the one with its address; if
//     there is none, Accept makes them with the password next. A user who has a password
//     keeps it, and next must be empty.
//
// Errors:
//
//   - ErrToken: the token is wrong, used or expired.
//   - ErrPasswordRequired, ErrPasswordNotWanted, *password.PolicyError: nothing has
//     happened, and the token stays good.
//   - *authn.ThrottledError: the client has tried too many tokens.
//   - otherwise those of Login.
func (m *Manager) Accept(ctx context.Context, token, next string, from netip.Addr, now time.Time) (done Accepted, err error) {
	defer func() { m.note(ctx, "token not accepted", done.User, from, err, now) }()
	turn, err := m.throttle.enter([]counter{
		{m.config.Limits.Address, m.seal.subject("token", client(from))},
		{inFlight, m.seal.subject("accept", token)},
	}, now)
	if err != nil {
		return Accepted{}, err
	}
	defer turn.leave()
	if fields, ok := m.seal.open(resetToken, 2, token, now); ok {
		done, err = m.reset(ctx, fields[0], fields[1], next)
	} else if fields, ok := m.seal.open(invitationToken, 2, token, now); ok {
		done, err = m.join(ctx, fields[0], fields[1], next, now)
	} else {
		err = store.ErrNotFound
	}
	if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) {
		turn.fail(now)
		err = ErrToken
	}
	return done, err
}

// reset gives a user in that state another password. ErrNotFound: the user is not in it.
func (m *Manager) reset(ctx context.Context, id, state, next string) (Accepted, error) {
	user, err := m.records.users.Get(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && (user.Status != authz.Active || resetState(user) != state):
		return Accepted{}, store.ErrNotFound
	case err != nil:
		return Accepted{}, unavailable(err)
	}
	return Accepted{User: user.ID}, m.replace(ctx, user, next, false)
}

// join makes the user of an invitation a member. ErrNotFound: there is no such
// invitation, or its user is suspended. ErrConflict: the user is a member already.
//
// A user who is made and then not added, because the process dies, accepts again, and
// has a password then.
func (m *Manager) join(ctx context.Context, account, id, next string, now time.Time) (Accepted, error) {
	i, err := m.records.invitations.Get(ctx, account, id)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && i.Expired(now):
		return Accepted{}, store.ErrNotFound
	case err != nil:
		return Accepted{}, unavailable(err)
	}
	user, err := m.invited(ctx, i, next, now)
	if errors.Is(err, store.ErrConflict) { // another acceptance has just made them
		user, err = m.invited(ctx, i, next, now)
	}
	if err != nil {
		return Accepted{User: user.ID}, err
	}
	_, err = m.records.invitations.Accept(ctx, account, id, user.ID, now)
	m.config.Sessions.Forget(user.ID) // after the commit
	if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrConflict) {
		err = unavailable(err)
	}
	return Accepted{User: user.ID, Account: account}, err
}

// invited returns the user with the address of an invitation, whose mail the caller has
// proved to read. They have a password then: next, if they had none.
func (m *Manager) invited(ctx context.Context, i store.Invitation, next string, now time.Time) (store.User, error) {
	user, err := m.records.users.ByEmail(ctx, i.Email)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return m.enrol(ctx, i, next, now)
	case err != nil:
		return user, unavailable(err)
	case user.Status != authz.Active:
		return user, store.ErrNotFound
	case user.Password != "" && next != "":
		return user, ErrPasswordNotWanted
	case user.Password != "":
		return user, nil
	case next == "":
		return user, ErrPasswordRequired
	}
	return user, m.replace(ctx, user, next, false)
}

// enrol makes the user of an invitation.
func (m *Manager) enrol(ctx context.Context, i store.Invitation, next string, now time.Time) (store.User, error) {
	if next == "" {
		return store.User{}, ErrPasswordRequired
	}
	user := store.User{ID: keyfmt.NewID("user_", now), Email: i.Email, Name: i.Name, Status: authz.Active, Created: now.UTC()}
	if err := m.config.Passwords.Check(ctx, next, user.Email, user.Name); err != nil {
		return store.User{}, err
	}
	var err error
	if user.Password, err = m.config.Passwords.Priority().Hash(ctx, next); err != nil { // an invitation was shown
		return store.User{}, err
	}
	if err := m.records.users.Create(ctx, user); err != nil && !errors.Is(err, store.ErrConflict) {
		return store.User{}, unavailable(err)
	} else if err != nil {
		return store.User{}, err
	}
	return user, nil
}

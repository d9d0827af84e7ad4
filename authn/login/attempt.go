package login

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"medtwin.ai/tollgate/authn/password"
	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// An Attempt is one attempt to log in. It prints redacted.
type Attempt struct {
	Email    string // as typed: see Email
	Password string `json:"-"`
	Account  string // to act in; "": the one that the user has been a member of for longest
	Device   string `json:"-"` // the Success.Device of the last login; "": none
	Cookie   bool   // the session's token goes into a cookie
	// Address of the client. All who come without one are one client to Limits:
	// whose failures keep the others out.
	Address netip.Addr
	Agent   string // for people who look at their sessions
}

// Format redacts the attempt under every verb.
func (a Attempt) Format(f fmt.State, _ rune) { io.WriteString(f, "login [redacted]") }

// LogValue redacts it for handlers that print in another way.
func (a Attempt) LogValue() slog.Value { return slog.StringValue("login [redacted]") }

// A Success is the result of a login.
type Success struct {
	Session store.Session
	Token   keyfmt.Token // of the session, which cannot be had again
	// Device identifies this device at its next logins, which failures on other
	// devices do not block: see Manager.DeviceCookie. It opens nothing, and is
	// void once all sessions of the user end, as by a new password.
	Device string `json:"-"`
}

// Login begins a session, always under a new token. Errors:
//
//   - ErrFailed: the password is not that of the user, if there is one.
//   - *authn.ThrottledError: too many failures. Nothing was verified.
//   - ErrSuspended, ErrAccount: only after the right password.
//   - *password.BusyError, authn.ErrUnavailable or the error of ctx: it cannot
//     be told. No failure is counted.
//
// The session is dead from the start if it is ended while the login is in
// flight, by the user or an administrator: by ending all of the user's sessions,
// by a new password or by suspension.
func (m *Manager) Login(ctx context.Context, a Attempt, now time.Time) (done Success, err error) {
	var user store.User
	defer func() { m.note(ctx, "login failed", user.ID, a.Address, err, now) }()
	email := Email(a.Email)
	device, err := m.known(ctx, a.Device, email, now)
	if err != nil {
		return Success{}, err
	}
	turn, err := m.throttle.enter(m.counters(device, email, a.Address), now)
	if err != nil {
		return Success{}, err
	}
	defer turn.leave()

	user, err = m.user(ctx, email) // before the password is verified, and with it the epoch
	if err != nil {
		return Success{}, err
	}
	passwords := m.config.Passwords
	if device != "" {
		passwords = passwords.Priority()
	}
	ok, rehash, err := m.verify(ctx, passwords, user, a.Password)
	switch {
	case err != nil:
		return Success{}, err
	case !ok:
		turn.fail(now)
		return Success{}, ErrFailed
	case user.Status != authz.Active:
		return Success{}, ErrSuspended
	}
	if rehash {
		m.rehash(ctx, passwords, user, a.Password)
	}
	account, err := m.account(ctx, user.ID, a.Account)
	if err != nil {
		return Success{}, err
	}
	started, token, err := m.config.Sessions.Start(ctx, session.Spec{
		User: user, Account: account, Cookie: a.Cookie, Address: text(a.Address), Agent: a.Agent,
	}, now)
	if err != nil {
		return Success{}, unavailable(err)
	}
	return Success{started, token, m.know(device, user, now)}, nil
}

// user returns the user with that email, or the zero User, whose password nobody has.
func (m *Manager) user(ctx context.Context, email string) (store.User, error) {
	user, err := m.records.users.ByEmail(ctx, email)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return store.User{}, nil
	case err != nil:
		return store.User{}, unavailable(err)
	}
	return user, nil
}

// rehash replaces what the password was verified with. That is for later: it
// never fails the login, and where the password was changed in the meantime the
// new one stays.
func (m *Manager) rehash(ctx context.Context, passwords *password.Hasher, user store.User, text string) {
	next, err := passwords.Hash(ctx, text)
	if err == nil {
		err = m.records.users.Rehash(ctx, user.ID, user.Password, next)
	}
	if err != nil && !errors.Is(err, store.ErrConflict) {
		m.config.Logger.LogAttrs(ctx, slog.LevelWarn, "password not rehashed, will be at the next login",
			slog.String("user", user.ID), slog.Any("err", err))
	}
}

// account returns where the user will act: in the account asked for, or else in
// the one that the user has been a member of for longest.
func (m *Manager) account(ctx context.Context, user, asked string) (string, error) {
	members, err := m.records.memberships.OfUser(ctx, user)
	if err != nil {
		return "", unavailable(err)
	}
	if asked != "" {
		members = slices.DeleteFunc(members, func(s store.Membership) bool { return s.Account != asked })
	}
	if len(members) == 0 {
		return "", ErrAccount
	}
	return slices.MinFunc(members, func(a, b store.Membership) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Account, b.Account))
	}).Account, nil
}

func text(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

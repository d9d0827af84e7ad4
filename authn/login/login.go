package login

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/password"
	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/internal/loglimit"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

var (
	// ErrFailed is what everyone hears who has not proved who he is.
	ErrFailed = errors.New("login: failed")
	// ErrSuspended: the user is, as only he hears, who knows his password.
	ErrSuspended = errors.New("login: user suspended")
	// ErrAccount: the user, who has proved who he is, is no member of the
	// account that he asked for, or of any.
	ErrAccount = errors.New("login: no member of the account")
	// ErrInvitation: no such invitation; or it has been used, has been
	// overtaken by another change, or has expired.
	ErrInvitation = errors.New("login: invitation not valid")
)

// Config of a Manager.
type Config struct {
	// Users and Memberships are who can log in and where they act. Required.
	Users       store.Users
	Memberships store.Memberships
	// Sessions starts them. Required.
	Sessions *session.Manager
	// Passwords verifies, judges and hashes them. Required.
	Passwords *password.Hasher
	// Limits of guessing. Required, all four.
	Limits Limits
	// Secret signs device tokens and invitations, and hides addresses and
	// emails from who keeps the counters: 32 random bytes or more, the same in
	// all processes and in no database. With another one invitations are void
	// and no device is known. Required.
	Secret []byte
	// Device is how long a device stays known after a login. Default: a year.
	Device time.Duration
	// Invitation is how long one can be accepted. Default: 72 hours.
	Invitation time.Duration
	// Logger hears of stored hashes that cannot be verified, which is an
	// alarm, of what could not be done after a password proved right, and of
	// logins that failed: at most ten a second, the others at debug level. It
	// hears no email, password or token. Default: none.
	Logger *slog.Logger
}

// A Manager lets people in. Safe for concurrent use.
type Manager struct {
	config   Config
	seal     seal
	throttle throttle
	failed   loglimit.Log
}

// New checks the configuration.
func New(c Config) (*Manager, error) {
	var errs []error
	require := func(ok bool, text string) {
		if !ok {
			errs = append(errs, errors.New("login: Config."+text))
		}
	}
	require(c.Users != nil, "Users is required")
	require(c.Memberships != nil, "Memberships is required")
	require(c.Sessions != nil, "Sessions is required")
	require(c.Passwords != nil, "Passwords is required")
	const endless = " is required: without it there is no end to guessing"
	require(c.Limits.Address != nil, "Limits.Address"+endless)
	require(c.Limits.Source != nil, "Limits.Source"+endless)
	require(c.Limits.Account != nil, "Limits.Account"+endless)
	require(c.Limits.Device != nil, "Limits.Device"+endless)
	// What makes a bad pepper makes a bad secret.
	if _, err := keyfmt.NewKeyring(keyfmt.Pepper{ID: "secret", Secret: c.Secret}); err != nil {
		errs = append(errs, fmt.Errorf("login: Config.Secret: %w", err))
	}
	c.Device = cmp.Or(c.Device, 365*24*time.Hour)
	c.Invitation = cmp.Or(c.Invitation, 72*time.Hour)
	require(c.Device > 0 && c.Invitation > 0, "Device and Invitation cannot be negative")
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Manager{config: c, seal: newSeal(c.Secret)}
	m.failed.Logger = c.Logger
	m.config.Secret = nil // who prints a Manager shows no secret
	return m, nil
}

// verify is exactly one hash. A stored one that cannot be verified is for the
// client a wrong password like any other.
func (m *Manager) verify(ctx context.Context, passwords *password.Hasher, user store.User, text string) (ok, rehash bool, err error) {
	ok, rehash, err = passwords.Verify(ctx, user.Password, text)
	if errors.Is(err, password.ErrHash) {
		m.config.Logger.LogAttrs(ctx, slog.LevelError, "the stored hash of a password cannot be verified: the database is damaged, or someone writes into it",
			slog.String("user", user.ID), slog.Any("err", err))
		return false, false, nil
	}
	return ok, rehash, err
}

// unavailable says of an error of a store that nobody may conclude anything
// from it.
func unavailable(err error) error { return fmt.Errorf("%w: %w", authn.ErrUnavailable, err) }

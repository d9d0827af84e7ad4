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
	// ErrFailed is returned to everyone who has not proved their identity.
	ErrFailed = errors.New("login: failed")
	// ErrSuspended is returned only after the right password, so it reveals nothing to
	// others.
	ErrSuspended = errors.New("login: user suspended")
	// ErrAccount: the user is no member of the account asked for, or of any.
	ErrAccount = errors.New("login: no member of the account")
	// ErrToken: the token of an invitation or a reset is wrong, has been used, has
	// been overtaken by another change, or has expired.
	ErrToken = errors.New("login: token not valid")
	// ErrPasswordRequired: the invited address has no user with a password, so one has
	// to be chosen.
	ErrPasswordRequired = errors.New("login: a password is required")
	// ErrPasswordNotWanted: the user with the invited address has a password, which an
	// invitation does not change.
	ErrPasswordNotWanted = errors.New("login: the user has a password already")
)

// Config of a Manager.
type Config struct {
	// Store says who can log in, and in which accounts they act. Required.
	Store store.Store
	// Sessions starts them. Required.
	Sessions *session.Manager
	// Passwords verifies, judges and hashes them. Required.
	Passwords *password.Hasher
	// Limits of guessing. Default: counters in this process.
	Limits Limits
	// Secret signs device tokens and those of invitations and resets, and hides
	// addresses and emails from the store of the counters: 32 random bytes or more, the
	// same in all processes and in no database. If it changes, all tokens are void and
	// all devices unknown. Required.
	Secret []byte
	// Device is how long a device stays known after a login. Default: a year.
	Device time.Duration
	// Invitation is how long one can be accepted. Default: 72 hours.
	Invitation time.Duration
	// Reset is how long a password can be reset with one token. Default: an hour.
	Reset time.Duration
	// Logger records stored hashes that cannot be verified, which is an alarm; work
	// that failed after a password proved right; and failed logins, at most ten a
	// second and the rest at debug level. No email, password or token is logged.
	// Default: none.
	Logger *slog.Logger
}

// A Manager lets people in. Safe for concurrent use.
type Manager struct {
	config   Config
	records  records
	seal     seal
	throttle throttle
	failed   loglimit.Log
}

// records are the parts of Config.Store that a Manager uses.
type records struct {
	users       store.Users
	memberships store.Memberships
	invitations store.Invitations
}

// New checks the configuration.
func New(c Config) (*Manager, error) {
	var errs []error
	require := func(ok bool, text string) {
		if !ok {
			errs = append(errs, errors.New("login: Config."+text))
		}
	}
	require(c.Store != nil, "Store is required")
	require(c.Sessions != nil, "Sessions is required")
	require(c.Passwords != nil, "Passwords is required")
	limits, err := c.Limits.withDefaults()
	errs = append(errs, err)
	c.Limits = limits
	// What makes a bad pepper makes a bad secret.
	if _, err := keyfmt.NewKeyring(keyfmt.Pepper{ID: "secret", Secret: c.Secret}); err != nil {
		errs = append(errs, fmt.Errorf("login: Config.Secret: %w", err))
	}
	c.Device = cmp.Or(c.Device, 365*24*time.Hour)
	c.Invitation = cmp.Or(c.Invitation, 72*time.Hour)
	c.Reset = cmp.Or(c.Reset, time.Hour)
	require(c.Device > 0 && c.Invitation > 0 && c.Reset > 0, "Device, Invitation and Reset cannot be negative")
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Manager{config: c, records: records{c.Store.Users(), c.Store.Memberships(), c.Store.Invitations()}, seal: newSeal(c.Secret)}
	m.failed.Logger = c.Logger
	m.config.Secret = nil // a Manager that is printed shows no secret
	return m, nil
}

// verify computes exactly one hash. To the client, a stored hash that cannot be
// verified is a wrong password like any other.
func (m *Manager) verify(ctx context.Context, passwords *password.Hasher, user store.User, text string) (ok, rehash bool, err error) {
	ok, rehash, err = passwords.Verify(ctx, user.Password, text)
	if errors.Is(err, password.ErrHash) {
		m.config.Logger.LogAttrs(ctx, slog.LevelError, "the stored hash of a password cannot be verified: the database is damaged, or someone writes into it",
			slog.String("user", user.ID), slog.Any("err", err))
		return false, false, nil
	}
	return ok, rehash, err
}

// unavailable wraps an error of a store in authn.ErrUnavailable, so that it says nothing
// about the caller.
func unavailable(err error) error { return fmt.Errorf("%w: %w", authn.ErrUnavailable, err) }

package authn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// SessionsConfig configures Sessions.
type SessionsConfig struct {
	// Store keeps sessions, Users, Memberships and Accounts who they stand
	// for. Required.
	Store       store.Sessions
	Users       store.Users
	Memberships store.Memberships
	Accounts    store.Accounts
	// Changes tells what to forget; see Run. Default: nothing does, and what
	// was read once is believed for Lease.
	Changes store.Changes
	// Model compiles grants into rights. Required.
	Model *authz.Model
	// Roles says what the members of an account may, by the role of their
	// membership. Required.
	Roles map[string]authz.Grant
	// Format of the tokens: sess_…. Required.
	Format keyfmt.Format
	// Peppers digest the tokens; keyfmt.Unpeppered() goes without. Required.
	Peppers *keyfmt.Keyring
	// Environments that a request may ask for in X-Environment; the first is
	// what it gets without. Default: live, test.
	Environments []string
	// Lifetime of a session, which nothing extends. Default: 30 days.
	Lifetime time.Duration
	// Idle is how long a session may go unused; from 2 minutes. Default: a day.
	Idle time.Duration
	// CacheSize is how many verified sessions are remembered. Default: 65,536.
	CacheSize int
	// Lease and Timeout are those of KeysConfig.
	Lease, Timeout time.Duration
	// Logger hears of outages and of tokens on the wrong transport. Default:
	// none.
	Logger *slog.Logger
}

const minIdle = 2 * time.Minute // eight grains of more than a flush each

// Sessions is the Authenticator for sessions of people, and their life cycle.
// A session's token is opaque: there is nothing to refresh, and what it may do
// is what its user may do at present.
type Sessions struct {
	config  SessionsConfig
	grain   time.Duration // of recorded uses
	answers *answers
	uses    uses
}

// NewSessions checks the configuration. Run must be started for revocations to
// arrive by push and for uses to be recorded.
func NewSessions(c SessionsConfig) (*Sessions, error) {
	var errs []error
	require := func(ok bool, text string) {
		if !ok {
			errs = append(errs, errors.New("authn: SessionsConfig."+text))
		}
	}
	require(c.Store != nil, "Store is required")
	require(c.Users != nil, "Users is required")
	require(c.Memberships != nil, "Memberships is required")
	require(c.Accounts != nil, "Accounts is required")
	require(c.Model != nil, "Model is required")
	require(c.Peppers != nil, "Peppers is required; keyfmt.Unpeppered() goes without")
	require(c.Format.Prefix() != "", "Format is required")
	require(len(c.Roles) > 0, "Roles is required: without it nobody may do anything")
	if len(c.Environments) == 0 {
		c.Environments = []string{"live", "test"}
	}
	require(!slices.Contains(c.Environments, ""), "Environments has one without a name")
	if c.Model != nil {
		for role, g := range c.Roles {
			if err := c.Model.Validate(g); err != nil {
				errs = append(errs, fmt.Errorf("authn: SessionsConfig.Roles[%q]: %w", role, err))
			}
		}
	}
	c.Lifetime = cmp.Or(c.Lifetime, 30*24*time.Hour)
	c.Idle = cmp.Or(c.Idle, 24*time.Hour)
	c.Lease = cmp.Or(c.Lease, defaultLease)
	c.Timeout = cmp.Or(c.Timeout, defaultTimeout)
	c.CacheSize = cmp.Or(c.CacheSize, defaultCache)
	require(c.Idle >= minIdle, "Idle is less than "+minIdle.String())
	require(c.Lifetime >= c.Idle, "Lifetime is less than Idle")
	require(c.CacheSize > 0 && c.Lease > 0 && c.Timeout > 0, "CacheSize, Lease and Timeout cannot be negative")
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Sessions{config: c, grain: c.Idle / 8, answers: newAnswers(c.CacheSize, c.Lease, c.Timeout)}, nil
}

// MaxRevocationDelay is the longest time for which a session that has ended
// can still pass on any node: see Keys.MaxRevocationDelay.
func (s *Sessions) MaxRevocationDelay() time.Duration { return s.config.Lease }

// mine reports whether the credential has the shape of a session.
func (s *Sessions) mine(c Credential) bool {
	return (c.Scheme == "session" || c.Scheme == "bearer") && strings.HasPrefix(c.token, s.config.Format.Prefix())
}

// recall implements recaller.
func (s *Sessions) recall(c Credential, now time.Time) *Principal {
	if len(c.token) > maxToken || !s.mine(c) {
		return nil
	}
	sum := digest(c.token)
	e := s.answers.recall(&sum, now)
	if e == nil {
		return nil
	}
	p, err := s.principal(e, c, now)
	if err != nil {
		return nil
	}
	return p
}

// Authenticate implements Authenticator.
func (s *Sessions) Authenticate(ctx context.Context, c Credential, now time.Time) (*Principal, error) {
	if !s.mine(c) {
		return nil, ErrNotMine
	}
	t, err := s.config.Format.Parse(c.token)
	if err != nil {
		return nil, ErrRejected
	}
	e, err := s.answers.get(ctx, digest(t.Reveal()), now, func(ctx context.Context, e *entry) error {
		return s.ask(ctx, t, e)
	})
	switch {
	case err != nil:
		return nil, err
	case e.err != nil:
		return nil, e.err
	case e.expired(now):
		return nil, ErrExpired
	}
	return s.principal(e, c, now)
}

// principal chooses by what the request says about itself, and notes the use.
func (s *Sessions) principal(e *entry, c Credential, now time.Time) (*Principal, error) {
	if c.Cookie != e.cookie {
		s.config.Logger.Warn("a session's token on the wrong transport", slog.String("session", e.principal.ID), slog.Bool("cookie", c.Cookie))
		return nil, ErrRejected
	}
	i := 0
	if c.Environment != "" {
		if i = slices.Index(s.config.Environments, c.Environment); i < 0 {
			return nil, ErrEnvironment
		}
	}
	e.seen(now)
	s.uses.saw(e, now, s.grain)
	return &e.principals[i], nil
}

// ask fills in e from the stores. Whether the session is of the user's present
// epoch is asked here, whichever store keeps it.
func (s *Sessions) ask(ctx context.Context, t keyfmt.Token, e *entry) error {
	session, err := s.find(ctx, t)
	if errors.Is(err, store.ErrNotFound) {
		e.err = ErrRejected
		return nil
	}
	if err != nil {
		return err
	}
	user, err := s.config.Users.Get(ctx, session.User)
	if errors.Is(err, store.ErrNotFound) {
		e.err = ErrRejected
		return nil
	}
	if err != nil {
		return err
	}
	e.is(session.ID, user.ID, session.Account)
	switch {
	case !session.Revoked.IsZero(), session.Epoch != user.Epoch, user.Status != authz.Active:
		e.err = ErrRevoked
		return nil
	case !e.read.Before(session.Expires):
		e.err = ErrExpired
		return nil
	}
	account, grants, err := s.membership(ctx, session)
	if err != nil {
		return err
	}
	e.cookie, e.idle = session.Cookie, session.Idle
	e.seen(later(session.Created, session.Seen))
	rights := s.config.Model.Rights(account.Status, []authz.Grant{s.config.Model.Everything()}, grants)
	for _, env := range s.config.Environments {
		e.principals = append(e.principals, Principal{
			Kind: KindSession, ID: session.ID, Account: session.Account, User: user.ID, Environment: env, Expires: session.Expires,
			Subject: session.Account + "/" + env, AccountPlan: account.Plan, Limits: account.Limits, Rights: rights,
		})
	}
	e.principal = &e.principals[0]
	return nil
}

// membership returns the account of a session and what its user may do there
// at present: nothing, where he is no member any more.
func (s *Sessions) membership(ctx context.Context, session store.Session) (store.Account, []authz.Grant, error) {
	account, err := s.config.Accounts.Get(ctx, session.Account)
	if errors.Is(err, store.ErrNotFound) {
		return store.Account{}, nil, nil
	}
	if err != nil {
		return store.Account{}, nil, err
	}
	m, err := s.config.Memberships.Get(ctx, session.Account, session.User)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return store.Account{}, nil, err
	}
	if g, ok := s.config.Roles[m.Role]; ok && err == nil {
		return account, []authz.Grant{g}, nil
	}
	return account, nil, nil
}

func (s *Sessions) find(ctx context.Context, t keyfmt.Token) (session store.Session, err error) {
	for d := range s.config.Peppers.Candidates(t) {
		if session, err = s.config.Store.Find(ctx, d); !errors.Is(err, store.ErrNotFound) {
			break
		}
	}
	return session, err
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

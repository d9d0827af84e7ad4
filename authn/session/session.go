package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/internal/loglimit"
	"medtwin.ai/tollgate/internal/recall"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// Config of a Manager.
type Config struct {
	// Store keeps the sessions, and their users with accounts and memberships. Its
	// changes tell what to forget; see Run. Sessions may be kept elsewhere: see
	// store.WithSessions. Required.
	Store store.Store
	// Model compiles grants into rights. Required.
	Model *authz.Model
	// Roles says what a present membership allows: any of these grants, nothing
	// where there are none. Of a grant that Model refuses nothing is allowed.
	// Required.
	Roles func(store.Membership) []authz.Grant
	// Format of the tokens: sess_…. Required.
	Format keyfmt.Format
	// Peppers digest the tokens; keyfmt.InsecureUnpeppered() goes without. Required.
	Peppers *keyfmt.Keyring
	// Environments that a request may ask for in X-Environment; the first is
	// what it gets without. Default: live, test.
	Environments []string
	// Lifetime of a session, which nothing extends. Default: 30 days.
	Lifetime time.Duration
	// Idle is how long a session may go unused; from 2 minutes. Default: a day.
	Idle time.Duration
	// Most is how many live sessions a user has at once: where another begins,
	// the oldest beyond it end. From 1 to 500. Default: 100.
	Most int
	// CacheSize is how many verified sessions are remembered. Default: 65,536.
	CacheSize int
	// Lease, MaxAge, OutageLease and Timeout are those of apikey.Config. It is an
	// outage if any part of Store cannot be reached.
	Lease, MaxAge, OutageLease, Timeout time.Duration
	// Logger records outages, in lines with of=sessions, and tokens on the
	// wrong transport. Default: none.
	Logger *slog.Logger
}

const (
	minIdle = 2 * time.Minute // eight grains of more than a flush each
	maxMost = 500             // half of what store.Sessions lists: of the rest some have ended
)

// A Manager is the Authenticator for sessions of people, and their life cycle.
// Safe for concurrent use.
type Manager struct {
	config  Config
	records records
	memory  *recall.Memory[*answer]

	misplaced loglimit.Log // tokens on the wrong transport
}

// records are the parts of Config.Store that a Manager uses.
type records struct {
	sessions    store.Sessions
	users       store.Users
	memberships store.Memberships
	accounts    store.Accounts
}

// An answer is what a token proves.
type answer struct {
	principals []authn.Principal // the same, by the environment it acts in
	cookie     bool              // its transport
}

// New checks the configuration. Run must be started for revocations to
// arrive by push and for uses to be recorded.
func New(c Config) (*Manager, error) {
	var errs []error
	require := func(ok bool, text string) {
		if !ok {
			errs = append(errs, errors.New("session: Config."+text))
		}
	}
	require(c.Store != nil, "Store is required")
	require(c.Model != nil, "Model is required")
	require(c.Peppers != nil, "Peppers is required; keyfmt.InsecureUnpeppered() goes without")
	require(c.Format.Prefix() != "", "Format is required")
	require(c.Roles != nil, "Roles is required: without it nobody may do anything")
	if len(c.Environments) == 0 {
		c.Environments = []string{"live", "test"}
	}
	require(!slices.Contains(c.Environments, ""), "Environments has one without a name")
	c.Lifetime = cmp.Or(c.Lifetime, 30*24*time.Hour)
	c.Idle = cmp.Or(c.Idle, 24*time.Hour)
	c.Lease = cmp.Or(c.Lease, recall.DefaultLease)
	c.Timeout = cmp.Or(c.Timeout, recall.DefaultTimeout)
	c.CacheSize = cmp.Or(c.CacheSize, recall.DefaultSize)
	c.Most = cmp.Or(c.Most, 100)
	require(c.Most > 0 && c.Most <= maxMost, fmt.Sprintf("Most is not from 1 to %d", maxMost))
	require(c.Idle >= minIdle, "Idle is less than "+minIdle.String())
	require(c.Lifetime >= c.Idle, "Lifetime is less than Idle")
	require(c.MaxAge == 0 || c.MaxAge >= c.Lease, "MaxAge is less than Lease: no answer would live as long as its lease")
	require(c.CacheSize > 0 && c.Lease > 0 && c.OutageLease >= 0 && c.Timeout > 0,
		"CacheSize, Lease, OutageLease and Timeout cannot be negative")
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Manager{
		config: c, misplaced: loglimit.Log{Logger: c.Logger},
		records: records{c.Store.Sessions(), c.Store.Users(), c.Store.Memberships(), c.Store.Accounts()},
	}
	m.memory = recall.New[*answer](recall.Config{
		Size: c.CacheSize, Lease: c.Lease, MaxAge: c.MaxAge, OutageLease: c.OutageLease, Timeout: c.Timeout, Unavailable: authn.ErrUnavailable,
		Changes: c.Store, Touch: m.records.sessions.Touch, Grain: c.Idle / 8,
		Logger: c.Logger.With(slog.String("of", "sessions")),
	}, m.again)
	return m, nil
}

// Run is apikey.Manager.Run for sessions.
func (m *Manager) Run(ctx context.Context) error { return m.memory.Run(ctx) }

// MaxRevocationDelay is the longest time for which a session that has ended
// can still pass on any node: see apikey.Manager.MaxRevocationDelay, also for
// the clock that it is counted on.
func (m *Manager) MaxRevocationDelay() time.Duration { return m.memory.MaxDelay() }

// Streaming is apikey.Manager.Streaming for sessions.
func (m *Manager) Streaming(now time.Time) bool { return m.memory.Streaming(now) }

// mine reports whether the credential has the shape of a session.
func (m *Manager) mine(c authn.Credential) bool {
	return (c.Scheme == "session" || c.Scheme == "bearer") && strings.HasPrefix(c.Reveal(), m.config.Format.Prefix())
}

// Remembers implements authn.Rememberer.
func (m *Manager) Remembers(self authn.Authenticator) bool { return self == authn.Authenticator(m) }

// Authenticate implements authn.Authenticator.
func (m *Manager) Authenticate(ctx context.Context, c authn.Credential, now time.Time) (*authn.Principal, error) {
	if !m.mine(c) {
		return nil, authn.ErrNotMine
	}
	if c.MemoryOnly {
		e := m.memory.Recall(c.Reveal(), now)
		if e == nil && m.memory.Knows(c.Reveal(), now) {
			return nil, authn.ErrStale
		}
		if e == nil || c.Cookie != e.Value.cookie { // the wrong transport is logged past the limit on failures
			return nil, authn.ErrNotRemembered
		}
		return m.principal(e, c, now)
	}
	t, err := m.config.Format.Parse(c.Reveal())
	if err != nil {
		return nil, authn.ErrRejected
	}
	e, err := m.memory.Get(ctx, t.Reveal(), now, func(ctx context.Context, e *recall.Entry[*answer]) error {
		return m.ask(ctx, t, e)
	})
	switch {
	case err != nil:
		return nil, err
	case e.Err != nil:
		return nil, e.Err
	case e.Expired(now):
		return nil, authn.ErrExpired
	}
	shared, err := m.principal(e, c, now)
	if err != nil {
		return nil, err
	}
	p := shared.Clone() // the caller may change it
	return &p, nil
}

// principal chooses by what the request says about itself, and notes the use.
func (m *Manager) principal(e *recall.Entry[*answer], c authn.Credential, now time.Time) (*authn.Principal, error) {
	if c.Cookie != e.Value.cookie {
		m.misplaced.Write(context.Background(), now, slog.LevelWarn, "a session's token on the wrong transport",
			slog.String("session", e.Value.principals[0].ID), slog.Bool("cookie", c.Cookie))
		return nil, authn.ErrRejected
	}
	i := 0
	if c.Environment != "" {
		if i = slices.Index(m.config.Environments, c.Environment); i < 0 {
			return nil, authn.ErrEnvironment
		}
	}
	e.Seen(now)
	m.memory.Use(e, now)
	return &e.Value.principals[i], nil
}

// again is ask about a session that was verified before.
func (m *Manager) again(ctx context.Context, token string, e *recall.Entry[*answer]) error {
	t, err := m.config.Format.Parse(token)
	if err != nil {
		return err
	}
	return m.ask(ctx, t, e)
}

// ask fills in e from the stores. Whether the session is of the user's present
// epoch is asked here, whichever store keeps it.
func (m *Manager) ask(ctx context.Context, t keyfmt.Token, e *recall.Entry[*answer]) error {
	session, err := m.find(ctx, t)
	if errors.Is(err, store.ErrNotFound) {
		e.Err = authn.ErrRejected
		return nil
	}
	if err != nil {
		return err
	}
	e.About(session.ID, session.User, session.Account)
	e.Expires, e.Idle = session.Expires, session.Idle
	e.Seen(later(session.Created, session.Seen))
	switch { // before reading the user, who may be in another store, which may be down
	case !session.Revoked.IsZero():
		e.Err = authn.ErrRevoked
		return nil
	case e.Expired(e.Read):
		e.Err = authn.ErrExpired
		return nil
	}
	user, err := m.records.users.Get(ctx, session.User)
	switch {
	case errors.Is(err, store.ErrNotFound):
		e.Err = authn.ErrRejected
		return nil
	case err != nil:
		return err
	case session.Epoch != user.Epoch, user.Status != authz.Active:
		e.Err = authn.ErrRevoked
		return nil
	}
	account, grants, err := m.membership(ctx, session)
	if err != nil {
		return err
	}
	e.Value = &answer{cookie: session.Cookie}
	rights := m.rights(account, grants)
	for _, env := range m.config.Environments {
		e.Value.principals = append(e.Value.principals, standsFor(session, account, rights, env))
	}
	return nil
}

func (m *Manager) rights(account store.Account, grants []authz.Grant) *authz.Rights {
	return m.config.Model.Rights(account.Status, []authz.Grant{m.config.Model.Everything()}, grants)
}

// standsFor returns the principal of a session.
func standsFor(session store.Session, account store.Account, rights *authz.Rights, env string) authn.Principal {
	return authn.Principal{
		Kind: authn.KindSession, ID: session.ID, Account: session.Account, User: session.User, Environment: env,
		Expires: session.Expires, Proved: session.Created,
		Subject: session.Account + "/" + env, AccountPlan: account.Plan, Limits: account.Limits, Rights: rights,
	}
}

// membership returns the account of a session and what its user may do there at
// present: nothing, if the user is no longer a member.
func (m *Manager) membership(ctx context.Context, session store.Session) (store.Account, []authz.Grant, error) {
	account, err := m.records.accounts.Get(ctx, session.Account)
	if errors.Is(err, store.ErrNotFound) {
		return store.Account{}, nil, nil
	}
	if err != nil {
		return store.Account{}, nil, err
	}
	member, err := m.records.memberships.Get(ctx, session.Account, session.User)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return account, nil, nil
	case err != nil:
		return store.Account{}, nil, err
	}
	return account, m.config.Roles(member), nil
}

func (m *Manager) find(ctx context.Context, t keyfmt.Token) (session store.Session, err error) {
	for d := range m.config.Peppers.Candidates(t) {
		if session, err = m.records.sessions.Find(ctx, d); !errors.Is(err, store.ErrNotFound) {
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

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
	// Store keeps the sessions, and the users, accounts and memberships that
	// they stand for. Its stream of changes tells the cache what to forget: see
	// Run. Sessions may be kept elsewhere: see store.WithSessions. Required.
	Store store.Store
	// Model compiles grants into rights. Required.
	Model *authz.Model
	// Roles returns the grants of a member. The member may do what any of them
	// allows. No grants allow nothing, and neither does a grant that Model
	// refuses. Required.
	Roles func(store.Membership) []authz.Grant
	// Format of the tokens, such as sess_…. Required.
	Format keyfmt.Format
	// Peppers digest the tokens. keyfmt.InsecureUnpeppered() does without.
	// Required.
	Peppers *keyfmt.Keyring
	// Environments that a request may name in X-Environment. A request without
	// the header acts in the first one. Default: live, test.
	Environments []string
	// Lifetime of a session, which nothing extends. Default: 30 days.
	Lifetime time.Duration
	// Idle is how long a session may go unused: 2 minutes or more. Default: a
	// day.
	Idle time.Duration
	// Most is how many live sessions a user may have: 1 to 500. A further one
	// ends the oldest. Default: 100.
	Most int
	// CacheSize is how many verified sessions are cached. Default: 65,536.
	CacheSize int
	// Lease, MaxAge, OutageLease and Timeout are as in apikey.Config. An outage
	// of any part of Store counts.
	Lease, MaxAge, OutageLease, Timeout time.Duration
	// Logger records outages, in lines with of=sessions, and tokens on the
	// wrong transport. Default: none.
	Logger *slog.Logger
}

const (
	minIdle = 2 * time.Minute // a use is written once for each eighth of Idle, and flushes must be more frequent
	maxMost = 500             // half of what store.Sessions lists, because some of those have ended
)

// A Manager authenticates the sessions of people, and starts, lists and ends
// them. It is safe for concurrent use.
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

// An answer is what a token proves. It is immutable once it is cached.
type answer struct {
	principals []authn.Principal // one for each of Config.Environments, in that order
	cookie     bool              // the token was issued for a cookie
}

// New returns a Manager, or an error that names every mistake of c. The caller
// starts Run: without it, revocations wait for the lease and uses are not
// recorded.
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
		Size: c.CacheSize, Lease: c.Lease, MaxAge: c.MaxAge, OutageLease: c.OutageLease, Timeout: c.Timeout,
		Changes: c.Store, Touch: m.records.sessions.Touch, Grain: c.Idle / 8,
		Logger: c.Logger.With(slog.String("of", "sessions")),
	}, m.again)
	return m, nil
}

// Run watches for changes and records uses until ctx ends: see
// apikey.Manager.Run.
func (m *Manager) Run(ctx context.Context) error { return m.memory.Run(ctx) }

// MaxRevocationDelay is the longest time for which a session that has ended can
// still pass on any node. See apikey.Manager.MaxRevocationDelay, also for the
// clock that it is counted on.
func (m *Manager) MaxRevocationDelay() time.Duration { return m.memory.MaxDelay() }

// Streaming reports whether the stream of changes is alive: see
// apikey.Manager.Streaming.
func (m *Manager) Streaming(now time.Time) bool { return m.memory.Streaming(now) }

// mine reports whether the credential has the shape of a session. "Bearer"
// carries sessions too, because many clients can send nothing else.
func (m *Manager) mine(c authn.Credential) bool {
	return (c.Scheme == "session" || c.Scheme == "bearer") && strings.HasPrefix(c.Reveal(), m.config.Format.Prefix())
}

// Remembers implements [authn.Rememberer]. It is false for a type that embeds
// m.
func (m *Manager) Remembers(self authn.Authenticator) bool { return self == authn.Authenticator(m) }

// Authenticate implements [authn.Authenticator].
//
// A token works only on the transport that it was issued for: a cookie, or a
// header. A cookie's token that arrives in a header was read out of a browser,
// and a header's token in a cookie was planted in one. Both are
// authn.ErrRejected, and both are logged.
func (m *Manager) Authenticate(ctx context.Context, c authn.Credential, now time.Time) (*authn.Principal, error) {
	if !m.mine(c) {
		return nil, authn.ErrNotMine
	}
	if c.MemoryOnly {
		e, err := m.memory.Recall(c.Reveal(), now)
		if err != nil {
			return nil, err
		}
		if c.Cookie != e.Value.cookie { // without MemoryOnly it is logged, and counted as a failure
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
	if err != nil {
		return nil, err
	}
	shared, err := m.principal(e, c, now)
	if err != nil {
		return nil, err
	}
	p := shared.Clone() // the caller may change it
	return &p, nil
}

// principal returns the principal for the environment that the request asks
// for, and notes the use. A request on the wrong transport, or for an unknown
// environment, is no use.
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
	m.memory.Use(e, now)
	return &e.Value.principals[i], nil
}

// again asks the stores about a session that was verified before. The cache
// calls it when the lease of an entry has ended.
func (m *Manager) again(ctx context.Context, token string, e *recall.Entry[*answer]) error {
	t, err := m.config.Format.Parse(token)
	if err != nil {
		return err
	}
	return m.ask(ctx, t, e)
}

// ask fills in e from the stores. It checks the epoch, whichever store keeps
// the session, so that ending all sessions of a user needs no write to the
// store of sessions.
//
// The order of the reads matters. e.About names what the answer depends on
// before the user and the membership are read: a change that is committed while
// they are read then makes the answer stale on arrival.
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
	e.Seen(latest(session.Created, session.Seen))
	switch { // needs no user, whose store may be another one and down
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

// rights returns what a session may do: the member's grants, within nothing
// else. The first layer allows everything, because a session has no grant of
// its own that would narrow it.
func (m *Manager) rights(account store.Account, grants []authz.Grant) *authz.Rights {
	return m.config.Model.Rights(account.Status, []authz.Grant{m.config.Model.Everything()}, grants)
}

// standsFor returns the principal of a session in one environment.
func standsFor(session store.Session, account store.Account, rights *authz.Rights, env string) authn.Principal {
	return authn.Principal{
		Kind: authn.KindSession, ID: session.ID, Account: session.Account, User: session.User, Environment: env,
		Expires: session.Expires, Proved: session.Created,
		Subject: session.Account + "/" + env, AccountPlan: account.Plan, Limits: account.Limits, Rights: rights,
	}
}

// membership returns the account of a session, and what its user may do there
// at present. A user who is no longer a member may do nothing. An error means
// that this is unknown, which is not the same.
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

// find returns the session of a token. It tries the digest under the newest
// pepper first, and then those under older ones.
func (m *Manager) find(ctx context.Context, t keyfmt.Token) (session store.Session, err error) {
	for d := range m.config.Peppers.Candidates(t) {
		if session, err = m.records.sessions.Find(ctx, d); !errors.Is(err, store.ErrNotFound) {
			break
		}
	}
	return session, err
}

// latest returns the later of two times.
func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

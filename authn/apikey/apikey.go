package apikey

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/internal/recall"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// Config of a Manager.
type Config struct {
	// Store answers for the keys that requests bring. Required.
	Store store.Keys
	// Admin changes keys, for Issue, Rotate and Revoke. Default: they are
	// refused.
	Admin store.KeyAdmin
	// Changes tells what to forget; see Run. Default: nothing does, and what
	// was read once is believed for Lease.
	Changes store.Changes
	// Model compiles grants into rights. Required.
	Model *authz.Model
	// Formats of the keys, by environment: "live": mt_live_…. Required.
	Formats map[string]keyfmt.Format
	// Peppers digest the keys; keyfmt.Unpeppered() goes without. Required.
	// Keys move to the newest as they are used, so every node must know a
	// pepper before any node has it first.
	Peppers *keyfmt.Keyring
	// Quota is the most live keys that an account may hold. Default: no bound.
	Quota int
	// CacheSize is how many verified keys are remembered. Default: 65,536.
	CacheSize int
	// Lease is how long an answer of the store is believed without a sign of
	// life from Changes. Default: 5 s.
	Lease time.Duration
	// Timeout bounds one read of the store. Default: 2 s.
	Timeout time.Duration
	// Logger hears when the stream of changes is lost and when uses cannot be
	// written. Default: none.
	Logger *slog.Logger
}

// A Manager is the Authenticator for API keys, and their life cycle. Safe for
// concurrent use.
type Manager struct {
	config  Config
	formats []format
	memory  *recall.Memory[*authn.Principal]
}

type format struct {
	environment, prefix string
	keyfmt.Format
}

// New checks the configuration. Run must be started for revocations to
// arrive by push and for uses to be recorded.
func New(c Config) (*Manager, error) {
	var errs []error
	require := func(ok bool, text string) {
		if !ok {
			errs = append(errs, errors.New("apikey: Config."+text))
		}
	}
	require(c.Store != nil, "Store is required")
	require(c.Model != nil, "Model is required")
	require(c.Peppers != nil, "Peppers is required; keyfmt.Unpeppered() goes without")
	require(len(c.Formats) > 0, "Formats is required: one format for every environment")
	require(c.Quota >= 0 && c.CacheSize >= 0 && c.Lease >= 0 && c.Timeout >= 0, "Quota, CacheSize, Lease and Timeout cannot be negative")
	c.CacheSize = cmp.Or(c.CacheSize, recall.DefaultSize)
	c.Lease = cmp.Or(c.Lease, recall.DefaultLease)
	c.Timeout = cmp.Or(c.Timeout, recall.DefaultTimeout)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	k := &Manager{config: c}
	for env, f := range c.Formats {
		require(env != "", "Formats has an environment without a name")
		require(f.Prefix() != "", "Formats["+env+"] is the zero Format")
		for _, other := range k.formats {
			require(!strings.HasPrefix(f.Prefix(), other.Prefix()) && !strings.HasPrefix(other.Prefix(), f.Prefix()),
				"Formats: the prefixes "+f.Prefix()+" and "+other.Prefix()+" cannot be told apart")
		}
		k.formats = append(k.formats, format{env, f.Prefix(), f})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	k.memory = recall.New[*authn.Principal](recall.Config{
		Size: c.CacheSize, Lease: c.Lease, Timeout: c.Timeout, Unavailable: authn.ErrUnavailable,
		Changes: c.Changes, Touch: c.Store.Touch, Grain: useGrain, Logger: c.Logger,
	})
	return k, nil
}

const useGrain = time.Minute

// Run watches for changes and records uses until ctx ends; then it records the
// last of them and returns ctx's error. The caller owns the goroutine.
func (k *Manager) Run(ctx context.Context) error { return k.memory.Run(ctx) }

// MaxRevocationDelay is the longest time for which a key that has been revoked
// (or whose account was suspended, or whose rights changed) can still pass on
// any node that uses the same store. It does not depend on Changes or Run:
// those make it milliseconds, as a rule.
func (k *Manager) MaxRevocationDelay() time.Duration { return k.config.Lease }

// parse tells whose credential it is from its prefix and refuses a malformed
// one, before any hashing or I/O.
func (k *Manager) parse(c authn.Credential) (keyfmt.Token, string, error) {
	if c.Scheme != "bearer" {
		return keyfmt.Token{}, "", authn.ErrNotMine
	}
	f := k.format(c.Reveal())
	if f == nil {
		return keyfmt.Token{}, "", authn.ErrNotMine
	}
	t, err := f.Parse(c.Reveal())
	if err != nil {
		return keyfmt.Token{}, "", authn.ErrRejected
	}
	return t, f.environment, nil
}

// format returns the format whose prefix the token has, or nil.
func (k *Manager) format(token string) *format {
	for i := range k.formats {
		if f := &k.formats[i]; strings.HasPrefix(token, f.prefix) {
			return f
		}
	}
	return nil
}

// Self implements authn.Recaller.
func (k *Manager) Self() authn.Authenticator { return k }

// Recall implements authn.Recaller.
func (k *Manager) Recall(c authn.Credential, now time.Time) *authn.Principal {
	// Only what was well formed is remembered, so the checksum can wait.
	if c.Scheme != "bearer" || k.format(c.Reveal()) == nil {
		return nil
	}
	e := k.memory.Recall(c.Reveal(), now)
	if e == nil {
		return nil
	}
	k.memory.Use(e, now)
	return e.Value
}

// Authenticate implements authn.Authenticator. The order is that of cost: shape,
// checksum, memory, store; and within the record what ended for ever, what
// ended with time, and the environment.
func (k *Manager) Authenticate(ctx context.Context, c authn.Credential, now time.Time) (*authn.Principal, error) {
	t, env, err := k.parse(c)
	if err != nil {
		return nil, err
	}
	e, err := k.memory.Get(ctx, t.Reveal(), now, func(ctx context.Context, e *recall.Entry[*authn.Principal]) error {
		return k.ask(ctx, t, c.From, env, e)
	})
	switch {
	case err != nil:
		return nil, err
	case e.Err != nil:
		return nil, e.Err
	case e.Expired(now):
		return nil, authn.ErrExpired
	}
	k.memory.Use(e, now)
	p := *e.Value // the caller may change his
	return &p, nil
}

// ask fills in e from the store.
func (k *Manager) ask(ctx context.Context, t keyfmt.Token, from netip.Addr, env string, e *recall.Entry[*authn.Principal]) error {
	key, account, err := k.find(ctx, t)
	switch {
	case errors.Is(err, store.ErrNotFound):
		e.Err = authn.ErrRejected
		return nil
	case err != nil:
		return err
	case key.Account != account.ID || key.ID == "":
		return errors.New("the store returned a key and another's account")
	case !key.Revoked.IsZero():
		e.Err = authn.ErrRevoked
	case !key.Live(e.Read):
		e.Err = authn.ErrExpired
	case key.Environment != env:
		e.Err = authn.ErrRejected
	}
	e.About(key.ID, account.ID)
	e.Value, e.Expires = k.principal(key, account), key.Expires
	switch {
	case e.Err != nil:
	case from.IsValid() && !e.Value.Admits(from): // no use of the key: it will be refused
		e.Once = true
	default:
		e.Once = !k.settle(ctx, t, key, e.Read)
	}
	return nil
}

// settleTimeout bounds the writes of a first use, which holds up a request.
const settleTimeout = 250 * time.Millisecond

// settle writes what the use of a key brings about, and reports whether it may
// be remembered. A store that cannot write now still lets the key in: a grace
// that has not begun is tried at the next use, a rehash some time.
func (k *Manager) settle(ctx context.Context, t keyfmt.Token, key store.Key, now time.Time) bool {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	if newest := k.config.Peppers.Digest(t); key.Digest.Pepper != newest.Pepper {
		err := k.config.Store.Rehash(ctx, key.ID, key.Digest, newest)
		if err != nil && !errors.Is(err, store.ErrConflict) { // that: somebody else has
			k.config.Logger.WarnContext(ctx, "key not rehashed", slog.String("key", key.ID), slog.Any("err", err))
		}
	}
	if key.Grace == 0 {
		return true
	}
	// Its first use: the key that it replaces has so long now.
	if err := k.config.Store.BeginGrace(ctx, key.ID, now); err != nil {
		k.config.Logger.ErrorContext(ctx, "grace not begun, will be tried again", slog.String("key", key.ID), slog.Any("err", err))
		return false
	}
	k.memory.Forget(key.Replaces)
	return true
}

// find tries the newest pepper with one plain equality, older ones only when
// that misses. While a key is being rehashed it has left the older digest when
// that is tried and had not come to the newest: so that one is tried again.
func (k *Manager) find(ctx context.Context, t keyfmt.Token) (key store.Key, account store.Account, err error) {
	tried := 0
	for d := range k.config.Peppers.Candidates(t) {
		tried++
		if key, account, err = k.config.Store.Find(ctx, d); !errors.Is(err, store.ErrNotFound) {
			return key, account, err
		}
	}
	if tried > 1 {
		key, account, err = k.config.Store.Find(ctx, k.config.Peppers.Digest(t))
	}
	return key, account, err
}

func (k *Manager) principal(key store.Key, account store.Account) *authn.Principal {
	p := &authn.Principal{
		Kind: authn.KindKey, ID: key.ID, Account: key.Account, Environment: key.Environment, Expires: key.Expires,
		Subject: key.Account + "/" + key.Environment, KeyPlan: key.Plan, AccountPlan: account.Plan, Limits: account.Limits,
		Rights:    k.config.Model.Rights(account.Status, []authz.Grant{key.Grant}),
		Addresses: key.Addresses,
	}
	if key.Plan != "" { // a plan of its own is a budget of its own, through all rotations
		p.Subject = cmp.Or(key.Family, key.ID)
	}
	return p
}

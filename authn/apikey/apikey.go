package apikey

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
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
	// Store keeps the keys, and says who their owners are. Its changes tell what
	// to forget; see Run. Required.
	Store store.Store
	// Model compiles grants into rights. Required.
	Model *authz.Model
	// Roles says what a present membership allows the keys of its user; give
	// session.Config the same. Default: the keys of users open nothing, and none
	// can be made.
	Roles func(store.Membership) []authz.Grant
	// Manage is the permission of those members who manage the account's own
	// keys, and see and revoke everybody's. They hold it in the environment of the
	// key, wherever they act, for the endpoint id "api_keys.manage" and for every
	// kind of the model as a whole: members who are limited to some projects manage
	// their own keys. Default: the operator alone does.
	Manage string
	// Recent is how old the log-in of a person may be who makes, rotates or enables
	// a key of their own, or changes what it opens: a key outlives the session that
	// made it, and a stolen session may be of any age. RecentManage is the same for
	// the account's own keys and for keys that hold Manage. An older log-in is a
	// *authz.DeniedError, which authz.Problem turns into the challenge of RFC 9470.
	// Both are whole seconds, and any age is recent enough where one is negative.
	// Defaults: 12 hours, 1 hour.
	Recent, RecentManage time.Duration
	// Fresh returns the present principal of a person, past every cache, or why there
	// is none any more: session.Manager.Fresh. Issue, Update and Rotate decide by the
	// answer. Default: they believe the principal they are given, which may be as old
	// as the lease of the authenticator that returned it.
	Fresh func(ctx context.Context, by *authn.Principal, now time.Time) (*authn.Principal, error)
	// Formats of the keys, by environment: "live": mt_live_…. Required.
	Formats map[string]keyfmt.Format
	// Peppers digest the keys; keyfmt.InsecureUnpeppered() goes without. Required.
	// Keys move to the newest as they are used, so every node must know a
	// pepper before any node has it first.
	Peppers *keyfmt.Keyring
	// Quota is how many keys that have not ended keep an account from making
	// another. A rotation needs no room. Default: no bound.
	Quota int
	// Policies say what keys must be like, by environment. Default: anything
	// goes.
	Policies map[string]Policy
	// Verifiers know the keys of other systems, for Import, by a name that is
	// stored with every such key until its first use: 1 to 32 of [a-z0-9-].
	// Keep one for so long. Default: none.
	Verifiers map[string]Verifier
	// CacheSize is how many verified keys are remembered. Where half as many are
	// active, one in a hundred is forgotten early for want of a place: eight
	// share a set. Default: 65,536.
	CacheSize int
	// Lease is how long an answer of Store is believed without a sign of life
	// from its stream of changes. Default: 5 s.
	Lease time.Duration
	// MaxAge is how long an answer of Store is believed at most, whatever its
	// stream says. It bounds changes that a living stream does not tell of, such
	// as rows written with the triggers of the database disabled. Each key in use
	// is read again that often, some a quarter sooner so that not all are read
	// together. Default: a minute, or Lease where that is longer.
	MaxAge time.Duration
	// OutageLease is how long, while Store cannot be reached, a key that was
	// verified before goes on after it was last sure to hold: after it was read
	// or, later but within MaxAge, the stream of changes gave a sign of life. It ends with its
	// expiry and with any change that was heard of, its addresses bind it, and what is asked
	// afresh (Fresh) fails. While Store hangs, the first requests wait for
	// Timeout. A key that is revoked where nobody can be told passes for so
	// long: see MaxRevocationDelay. Default: no longer than Lease; from then on
	// requests fail.
	OutageLease time.Duration
	// Timeout bounds one read of the store. Default: 2 s.
	Timeout time.Duration
	// Logger hears when the stream of changes is lost and when uses cannot be
	// written; such lines have of=keys. Default: none.
	Logger *slog.Logger
}

// A Manager is the Authenticator for API keys, and their life cycle. Safe for
// concurrent use.
type Manager struct {
	config     Config
	records    records
	formats    []format
	whole      [][4]authz.Resource // every kind of the model; see manages
	verifiers  []verifier
	verifying  semaphore // bounds Verifier.Verify
	noRoles    sync.Once
	memory     *recall.Memory[*authn.Principal]
	unfinished loglimit.Log // first uses that could not be written, so that every use is a first one
}

// records are the parts of Config.Store that a Manager uses.
type records struct {
	keys    store.Keys
	admin   store.KeyAdmin
	members store.Memberships
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
	require(c.Peppers != nil, "Peppers is required; keyfmt.InsecureUnpeppered() goes without")
	require(len(c.Formats) > 0, "Formats is required: one format for every environment")
	require(c.Quota >= 0 && c.CacheSize >= 0 && c.Lease >= 0 && c.OutageLease >= 0 && c.Timeout >= 0,
		"Quota, CacheSize, Lease, OutageLease and Timeout cannot be negative")
	c.Recent = cmp.Or(c.Recent, 12*time.Hour)
	c.RecentManage = cmp.Or(c.RecentManage, time.Hour)
	require(c.Recent%time.Second == 0 && c.RecentManage%time.Second == 0, "Recent and RecentManage must be whole seconds")
	c.CacheSize = cmp.Or(c.CacheSize, recall.DefaultSize)
	c.Lease = cmp.Or(c.Lease, recall.DefaultLease)
	c.Timeout = cmp.Or(c.Timeout, recall.DefaultTimeout)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	require(c.MaxAge == 0 || c.MaxAge >= c.Lease, "MaxAge is less than Lease: no answer would live as long as its lease")
	k := &Manager{config: c, verifying: newSemaphore(), unfinished: loglimit.Log{Logger: c.Logger}}
	for env, f := range c.Formats {
		require(env != "", "Formats has an environment without a name")
		require(f.Prefix() != "", "Formats["+env+"] is the zero Format")
		for _, other := range k.formats {
			require(!strings.HasPrefix(f.Prefix(), other.Prefix()) && !strings.HasPrefix(other.Prefix(), f.Prefix()),
				"Formats: the prefixes "+f.Prefix()+" and "+other.Prefix()+" cannot be told apart")
		}
		k.formats = append(k.formats, format{env, f.Prefix(), f})
	}
	if c.Manage != "" && c.Model != nil {
		g := c.Model.Everything()
		g.Permissions = authz.Of(c.Manage)
		require(c.Model.Validate(g) == nil, "Manage: "+c.Manage+" is no permission of the model")
	}
	for env, p := range c.Policies {
		_, known := c.Formats[env]
		require(known, "Policies["+env+"] is of an environment that is not in Formats")
		require(p.MaxLifetime >= 0, "Policies["+env+"].MaxLifetime is negative")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Verifiers)) {
		require(len(name) >= 1 && len(name) <= 32 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == "",
			"Verifiers: the name "+name+" is not 1 to 32 of [a-z0-9-]")
		require(c.Verifiers[name] != nil, "Verifiers["+name+"] is nil")
		k.verifiers = append(k.verifiers, verifier{name, c.Verifiers[name]})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	k.whole = whole(c.Model)
	k.records = records{c.Store.Keys(), c.Store.KeyAdmin(), c.Store.Memberships()}
	k.memory = recall.New[*authn.Principal](recall.Config{
		Size: c.CacheSize, Lease: c.Lease, MaxAge: c.MaxAge, OutageLease: c.OutageLease, Timeout: c.Timeout, Unavailable: authn.ErrUnavailable,
		Changes: store.MainChanges(c.Store), Touch: k.records.keys.Touch, Grain: useGrain,
		Logger: c.Logger.With(slog.String("of", "keys")),
	}, k.again)
	return k, nil
}

const useGrain = time.Minute

// Run watches for changes and records uses until ctx ends; then it records the
// last of them and returns ctx's error. The caller owns the goroutine.
func (m *Manager) Run(ctx context.Context) error { return m.memory.Run(ctx) }

// MaxRevocationDelay is the longest time for which a key that has been revoked
// (or whose account was suspended, or whose rights or owner's role changed) can
// still pass on any node that uses the same store, in any circumstances. It does
// not depend on Run.
//
// It is Config.MaxAge, which bounds a change that a living stream of changes does
// not tell of, and Config.OutageLease on top, for an outage that begins then. As a
// rule a revocation takes milliseconds, and Config.Lease while the stream is down.
//
// It is counted on the monotonic clock, which stands still while a virtual
// machine is suspended: one that resumes goes on where it was, and no longer than
// that.
func (m *Manager) MaxRevocationDelay() time.Duration { return m.memory.MaxDelay() }

// Streaming reports whether the stream of changes has given a sign of life within
// Config.Lease before now. Without it keys are read again after every lease. It
// is for people and monitoring, and no failure.
func (m *Manager) Streaming(now time.Time) bool { return m.memory.Streaming(now) }

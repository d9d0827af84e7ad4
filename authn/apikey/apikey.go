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
	// Store keeps the keys, and the accounts, users and memberships of their
	// owners. Its stream of changes tells the cache what to forget: see Run.
	// Required.
	Store store.Store
	// Model compiles grants into rights. Required.
	Model *authz.Model
	// Roles returns the grants that bound the keys of a member. Give
	// session.Config the same function. Default: the keys of users open
	// nothing, and none can be made.
	Roles func(store.Membership) []authz.Grant
	// Manage is the permission of members who manage the account's own keys,
	// and who see and revoke the keys of everybody. They must hold it in the
	// environment of the key, for the endpoint id "api_keys.manage", and for
	// every kind of resource without a limit: members who are limited to some
	// projects manage their own keys only. The environment that they act in
	// does not matter. Default: only the operator manages.
	Manage string
	// Recent is the greatest age of a login for making, rotating or enabling a
	// key of one's own, and for changing what it opens. A key outlives the
	// session that made it, and a stolen session may be of any age.
	// RecentManage is the same for the account's own keys, and for keys that
	// hold Manage.
	//
	// An older login gets a *authz.DeniedError, which authz.Problem turns into
	// the challenge of RFC 9470. Both are whole seconds. A negative value
	// accepts a login of any age. Defaults: 12 hours, 1 hour.
	Recent, RecentManage time.Duration
	// Fresh returns the present principal of a person, past every cache, or the
	// reason why there is none any more: session.Manager.Fresh. Issue, Update
	// and Rotate decide by its answer. Default: they believe the principal that
	// they are given, which may be as old as the lease of the authenticator
	// that returned it.
	Fresh func(ctx context.Context, by *authn.Principal, now time.Time) (*authn.Principal, error)
	// Formats of the keys by environment, such as "live": mt_live_…. No prefix
	// may begin with another one. Required.
	Formats map[string]keyfmt.Format
	// Peppers digest the keys. keyfmt.InsecureUnpeppered() does without. A key
	// moves to the newest pepper when it is used. So every node must know a
	// pepper before any node has it as its newest. Required.
	Peppers *keyfmt.Keyring
	// Quota is the greatest number of keys of an account that have not ended.
	// An account that has them cannot make another one. A rotation needs no
	// room. Default: no bound.
	Quota int
	// Policies say what keys must be like, by environment. Default: no rules.
	Policies map[string]Policy
	// Verifiers verify the keys of other systems, for Import. The name of a
	// Verifier, 1 to 32 of [a-z0-9-], is stored with each of its keys until the
	// first use of the key. Keep the Verifier as long as such keys exist.
	// Default: none.
	Verifiers map[string]Verifier
	// CacheSize is how many verified keys are cached. The table has sets of
	// eight places. If half as many keys as CacheSize are in use, one in a
	// hundred finds its set full and is forgotten early. Default: 65,536.
	CacheSize int
	// Lease is how long an answer of Store is used without a sign of life from
	// the stream of changes. Default: 5 s.
	Lease time.Duration
	// MaxAge is how long an answer of Store is used at most, whatever the
	// stream of changes says. It bounds changes that a living stream does not
	// tell of, such as rows written with the triggers of the database disabled.
	// Every key in use is read again that often. Each entry ends up to a
	// quarter sooner, so that not all are read at the same moment. Default: a
	// minute, or Lease if that is longer.
	MaxAge time.Duration
	// OutageLease is how long a verified key is accepted while Store cannot be
	// reached. It begins when the key was last known to be good: when it was
	// read or, within MaxAge, when the stream of changes last gave a sign of
	// life. The key still ends with its expiry and with every change that is
	// heard of. It is still bound to its addresses. What asks Fresh fails.
	//
	// While Store hangs, the first requests wait for Timeout. A key that is
	// revoked during the outage is accepted for so long if nobody can tell: see
	// MaxRevocationDelay. Default: no longer than Lease, and then requests
	// fail.
	OutageLease time.Duration
	// Timeout bounds one read of the store. Default: 2 s.
	Timeout time.Duration
	// Logger records that the stream of changes is lost and that uses cannot be
	// written, in lines with of=keys. Default: none.
	Logger *slog.Logger
}

// A Manager authenticates API keys, and makes, changes, rotates, revokes and
// imports them. It is safe for concurrent use.
type Manager struct {
	config     Config
	records    records
	formats    []format
	allKinds   [][4]authz.Resource // every kind of resource, without a limit; see manages
	verifiers  []verifier
	verifying  semaphore // bounds the calls of Verifier.Verify
	noRoles    sync.Once
	memory     *recall.Memory[*authn.Principal]
	unfinished loglimit.Log // first uses that could not be written, which every use then tries again
}

// records are the parts of Config.Store that a Manager uses.
type records struct {
	keys    store.Keys
	admin   store.KeyAdmin
	members store.Memberships
}

// A format is the format of the keys of one environment.
type format struct {
	environment, prefix string
	keyfmt.Format
}

// New returns a Manager, or an error that names every mistake of c. The caller
// starts Run: without it, revocations wait for the lease and uses are not
// recorded.
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
	k.allKinds = allKinds(c.Model)
	k.records = records{c.Store.Keys(), c.Store.KeyAdmin(), c.Store.Memberships()}
	k.memory = recall.New[*authn.Principal](recall.Config{
		Size: c.CacheSize, Lease: c.Lease, MaxAge: c.MaxAge, OutageLease: c.OutageLease, Timeout: c.Timeout,
		Changes: store.MainChanges(c.Store), Touch: k.records.keys.Touch, Grain: useGrain,
		Logger: c.Logger.With(slog.String("of", "keys")),
	}, k.again)
	return k, nil
}

// useGrain is how precisely the last use of a key is recorded: of the uses
// within one grain, the first one is written.
const useGrain = time.Minute

// Run watches for changes and records uses until ctx ends. Then it records the
// last of them, and returns ctx's error. The caller owns the goroutine.
func (m *Manager) Run(ctx context.Context) error { return m.memory.Run(ctx) }

// MaxRevocationDelay is the longest time for which a key can still pass after
// it has been revoked, on any node that uses the same store, in any
// circumstances. It is also the bound for a suspended account, for changed
// rights, and for a changed role of the owner. It does not depend on Run.
//
// It is Config.MaxAge, which bounds a change that a living stream of changes
// does not tell of. Config.OutageLease is added, for an outage that begins at
// that moment. Normally a revocation takes milliseconds, and while the stream
// is down it takes Config.Lease.
//
// The time is counted on the monotonic clock, which stands still while a
// virtual machine is suspended. A machine that resumes goes on where it was.
func (m *Manager) MaxRevocationDelay() time.Duration { return m.memory.MaxDelay() }

// Streaming reports whether the stream of changes has given a sign of life
// within Config.Lease before now. Without it every key is read again after its
// lease. It is information for people and monitoring, and no failure.
func (m *Manager) Streaming(now time.Time) bool { return m.memory.Streaming(now) }

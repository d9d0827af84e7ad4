// Package memory keeps keys, accounts and people in the process. It is for tests, for
// demos and for programs that load their keys at the start. Nothing survives the process,
// and no other process hears of a change.
package memory

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/guard"
)

// ErrFull means that the store has as many records as [Config] allows. Pruning makes
// room.
var ErrFull = errors.New("memory: full")

// Config limits how many records a [Store] keeps. The zero value is ready for use.
type Config struct {
	MaxKeys     int // including revoked and expired ones. Default: 100,000.
	MaxAccounts int // Default: 100,000.
	MaxUsers    int // and as many memberships, and as many invitations. Default: 100,000.
	MaxSessions int // including revoked and expired ones. Default: 100,000.
	MaxEvents   int // then the oldest are deleted. Default: 10,000.
}

// A Store keeps keys, accounts and people. It is safe for concurrent use.
type Store struct {
	maxKeys, maxAccounts, maxUsers, maxSessions, maxEvents int

	// A writer holds write while it changes the records under mu and then reports the
	// change to the watchers. So watchers hear of changes in order, after they can be
	// read, and every change has been reported when nobody holds write.
	write    sync.Mutex
	watchers []*watcher // guarded by write

	mu          sync.RWMutex
	keys        map[string]*store.Key
	digests     map[keyfmt.Digest]*store.Key
	successors  map[string]*store.Key // by the id of the key that they replace
	created     map[call]*store.Key   // by the call that has made them
	accounts    map[string]*account
	order       []string // ids of the accounts, ascending
	users       map[string]*user
	emails      map[string]*user
	members     int // memberships
	invitations map[string]*store.Invitation
	offers      map[offer]*store.Invitation
	sessions    map[string]*store.Session
	tokens      map[keyfmt.Digest]*store.Session
	logins      map[string][]*store.Session // by user, each list by ascending id
	events      []store.Event               // by ascending id
	prints      []store.Fingerprint         // by ascending id
}

// account is an account with its keys and invitations by ascending id and its
// members by ascending user.
type account struct {
	store.Account
	keys        []*store.Key
	members     []*store.Membership
	invitations []*store.Invitation
}

// call is an idempotency key.
type call struct{ account, idempotency string }

var _ store.Store = (*Store)(nil)

// New returns an empty store.
func New(c Config) (*Store, error) {
	var errs []error
	for _, bound := range []struct {
		name string
		n    int
	}{
		{"MaxKeys", c.MaxKeys}, {"MaxAccounts", c.MaxAccounts}, {"MaxUsers", c.MaxUsers},
		{"MaxSessions", c.MaxSessions}, {"MaxEvents", c.MaxEvents},
	} {
		if bound.n < 0 {
			errs = append(errs, fmt.Errorf("memory: %s is %d, want 0 or more", bound.name, bound.n))
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	const usual = 100_000
	return &Store{
		maxKeys:     cmp.Or(c.MaxKeys, usual),
		maxAccounts: cmp.Or(c.MaxAccounts, usual),
		maxUsers:    cmp.Or(c.MaxUsers, usual),
		maxSessions: cmp.Or(c.MaxSessions, usual),
		maxEvents:   cmp.Or(c.MaxEvents, 10_000),
		keys:        make(map[string]*store.Key),
		digests:     make(map[keyfmt.Digest]*store.Key),
		successors:  make(map[string]*store.Key),
		created:     make(map[call]*store.Key),
		accounts:    make(map[string]*account),
		users:       make(map[string]*user),
		emails:      make(map[string]*user),
		invitations: make(map[string]*store.Invitation),
		offers:      make(map[offer]*store.Invitation),
		sessions:    make(map[string]*store.Session),
		tokens:      make(map[keyfmt.Digest]*store.Session),
		logins:      make(map[string][]*store.Session),
	}, nil
}

// Keys returns the keys as requests read them.
func (s *Store) Keys() store.Keys { return guard.Keys(keys{s}) }

// KeyAdmin returns the keys as their management reads and changes them.
func (s *Store) KeyAdmin() store.KeyAdmin { return guard.KeyAdmin(admin{s}) }

// Accounts returns the accounts.
func (s *Store) Accounts() store.Accounts { return guard.Accounts(accounts{s}) }

// Users returns the users.
func (s *Store) Users() store.Users { return guard.Users(users{s}) }

// Memberships returns the memberships of users in accounts.
func (s *Store) Memberships() store.Memberships { return guard.Memberships(memberships{s}) }

// Invitations returns the invitations to accounts.
func (s *Store) Invitations() store.Invitations { return guard.Invitations(invitations{s}) }

// Sessions returns the sessions.
func (s *Store) Sessions() store.Sessions { return guard.Sessions(sessions{s}) }

// Events returns the audit log.
func (s *Store) Events() store.Events { return guard.Events(events{s}) }

// Fingerprints returns the fingerprints of the secrets.
func (s *Store) Fingerprints() store.Fingerprints { return guard.Fingerprints(fingerprints{s}) }

// copied returns a copy of k that shares nothing mutable with it, its times
// in UTC.
func copied(k *store.Key) store.Key {
	c := *k
	c.Addresses = slices.Clone(k.Addresses)
	c.Grant.Scope = maps.Clone(k.Grant.Scope)
	c.Created, c.Expires = utc(k.Created), utc(k.Expires)
	c.Revoked, c.Disabled, c.Used = utc(k.Revoked), utc(k.Disabled), utc(k.Used)
	return c
}

// utc returns t in UTC and without its monotonic reading.
func utc(t time.Time) time.Time { return t.Round(0).UTC() }

func byID(k *store.Key, id string) int { return cmp.Compare(k.ID, id) }

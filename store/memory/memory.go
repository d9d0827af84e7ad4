// Package memory keeps keys and accounts in the process: for tests, demos and
// programs that load their keys at the start. Nothing survives the process,
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
)

// ErrFull is returned by what would add a record beyond the bounds of
// [Config]. Pruning makes room.
var ErrFull = errors.New("memory: full")

// Config bounds a [Store]. The zero value is ready for use.
type Config struct {
	MaxKeys     int // revoked and expired ones included; 0: 100,000
	MaxAccounts int // 0: 100,000
}

// A Store keeps keys and accounts. It is safe for concurrent use.
type Store struct {
	maxKeys, maxAccounts int

	// One writer at a time changes the records under mu and then, still
	// holding write, tells the watchers. So they hear of a change once it can
	// be read, in order, and none is unreported while write is free.
	write    sync.Mutex
	watchers []*watcher // guarded by write

	mu         sync.RWMutex
	keys       map[string]*store.Key
	digests    map[keyfmt.Digest]*store.Key
	successors map[string]*store.Key // by the id that they replace
	accounts   map[string]*account
	order      []string // ids of the accounts, ascending
}

// account is an account and its keys by ascending id.
type account struct {
	store.Account
	keys []*store.Key
}

// New returns an empty store.
func New(c Config) (*Store, error) {
	var errs []error
	if c.MaxKeys < 0 {
		errs = append(errs, fmt.Errorf("memory: MaxKeys is %d, want 0 or more", c.MaxKeys))
	}
	if c.MaxAccounts < 0 {
		errs = append(errs, fmt.Errorf("memory: MaxAccounts is %d, want 0 or more", c.MaxAccounts))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	const usual = 100_000
	return &Store{
		maxKeys:     cmp.Or(c.MaxKeys, usual),
		maxAccounts: cmp.Or(c.MaxAccounts, usual),
		keys:        make(map[string]*store.Key),
		digests:     make(map[keyfmt.Digest]*store.Key),
		successors:  make(map[string]*store.Key),
		accounts:    make(map[string]*account),
	}, nil
}

// Keys returns what requests need.
func (s *Store) Keys() store.Keys { return keys{s} }

// KeyAdmin returns what the management of keys needs.
func (s *Store) KeyAdmin() store.KeyAdmin { return admin{s} }

// Accounts returns the accounts.
func (s *Store) Accounts() store.Accounts { return accounts{s} }

// copied returns a copy of k that shares nothing mutable with it, its times
// in UTC.
func copied(k *store.Key) store.Key {
	c := *k
	c.Addresses = slices.Clone(k.Addresses)
	c.Grant.Scope = maps.Clone(k.Grant.Scope)
	c.Created, c.Expires = utc(k.Created), utc(k.Expires)
	c.Revoked, c.Used = utc(k.Revoked), utc(k.Used)
	return c
}

// utc drops the monotonic reading too: it means nothing in a record.
func utc(t time.Time) time.Time { return t.Round(0).UTC() }

func byID(k *store.Key, id string) int { return cmp.Compare(k.ID, id) }

package storetest

import (
	"context"
	"errors"
	"sync"
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// A breakage makes one mistake in a backend that is sound otherwise.
type breakage struct {
	rule  int
	name  string
	check string // the check that finds it
	open  func(Backend) Backend
}

var breakages = []breakage{
	{1, "missing accounts are changed with success", "missing is ErrNotFound", func(b Backend) Backend {
		return parts{Backend: b, accounts: carelessAccounts{b.Accounts()}}
	}},
	{1, "a failure looks like a missing key", "a cancelled call is no answer", func(b Backend) Backend {
		return parts{Backend: b, keys: impatientKeys{b.Keys()}}
	}},
	{2, "ids are global", "a foreign id is as absent as a missing one", func(b Backend) Backend {
		return parts{Backend: b, admin: &globalAdmin{KeyAdmin: b.KeyAdmin(), owners: map[string]string{}}}
	}},
	{2, "a foreign id has an error of its own", "a foreign id is as absent as a missing one", func(b Backend) Backend {
		return parts{Backend: b, admin: &talkativeAdmin{globalAdmin{KeyAdmin: b.KeyAdmin(), owners: map[string]string{}}}}
	}},
	{3, "revoked keys are hidden", "revoked, expired and disabled keys are returned", func(b Backend) Backend {
		return parts{Backend: b, keys: tidyKeys{b.Keys()}}
	}},
	{3, "Prune takes all that is old", "Prune deletes what ended long ago and nothing else", func(b Backend) Backend {
		return parts{Backend: b, admin: greedyAdmin{b.KeyAdmin()}}
	}},
	{3, "Prune takes all at once", "Prune deletes no more than it is told to", func(b Backend) Backend {
		return parts{Backend: b, admin: hastyAdmin{b.KeyAdmin()}}
	}},
	{1, "Owned lists everybody's", "Owned pages the keys of one owner by descending id", func(b Backend) Backend {
		return parts{Backend: b, admin: curiousAdmin{b.KeyAdmin()}}
	}},
	{4, "the last reason wins", "the first revocation wins", func(b Backend) Backend {
		return parts{Backend: b, admin: &forgetfulAdmin{KeyAdmin: b.KeyAdmin(), reasons: map[string]string{}}}
	}},
	{4, "an account is written back as it was read", "changes to different fields do not undo each other", func(b Backend) Backend {
		return parts{Backend: b, accounts: wholeAccounts{b.Accounts()}}
	}},
	{4, "a revocation is not seen for a while", "a revocation under load never comes back", func(b Backend) Backend {
		return parts{Backend: b, keys: &cachedKeys{Keys: b.Keys(), kept: map[keyfmt.Digest]store.Key{}}}
	}},
	{5, "the last use wins", "Touch never moves back", func(b Backend) Backend {
		u := &uses{last: map[string]time.Time{}}
		return parts{Backend: b, keys: lastKeys{b.Keys(), u}, admin: lastAdmin{b.KeyAdmin(), u}}
	}},
	{6, "the quota is read, then the key written", "a quota holds under concurrency", func(b Backend) Backend {
		return parts{Backend: b, admin: &racyAdmin{KeyAdmin: b.KeyAdmin(), met: make(chan struct{})}}
	}},
	{6, "every rotation wins", "one of many rotations wins", func(b Backend) Backend {
		return parts{Backend: b, admin: generousAdmin{b.KeyAdmin()}}
	}},
	{6, "a rotation leaves its new key behind", "Rotate refuses inactive and rotated keys", func(b Backend) Backend {
		return parts{Backend: b, admin: halfwayAdmin{b.KeyAdmin()}}
	}},
	{7, "reads share one record", "what is returned is the caller's own", func(b Backend) Backend {
		return parts{Backend: b, admin: &sharingAdmin{KeyAdmin: b.KeyAdmin(), kept: map[string]store.Key{}}}
	}},
	{8, "accounts are not published", "Accounts.SetStatus is published", func(b Backend) Backend {
		return filtered{b, func(w store.Watcher) store.Watcher { return deafWatcher{w} }}
	}},
	{8, "a watch begins without Gap", "a watch begins with Gap and ends with its context", func(b Backend) Backend {
		return filtered{b, func(w store.Watcher) store.Watcher { return gaplessWatcher{w} }}
	}},
	{8, "Alive comes before the changes", "Alive never runs ahead of the changes", func(b Backend) Backend {
		return filtered{b, func(w store.Watcher) store.Watcher { return &lateWatcher{Watcher: w} }}
	}},
	{8, "a change is published before it is made", "a change can be read when it is published", func(b Backend) Backend {
		e := &early{Backend: b}
		return parts{Backend: e, admin: earlyAdmin{b.KeyAdmin(), e}}
	}},
	{9, "times are kept to the second", "times are in UTC and keep their microseconds", func(b Backend) Backend {
		return parts{Backend: b, admin: coarseAdmin{b.KeyAdmin()}}
	}},
	{9, "times are local", "times are in UTC and keep their microseconds", func(b Backend) Backend {
		return parts{Backend: b, admin: localAdmin{b.KeyAdmin()}}
	}},
}

// parts is a backend with some of its parts replaced.
type parts struct {
	Backend
	keys     store.Keys
	admin    store.KeyAdmin
	accounts store.Accounts
	users    store.Users
	members  store.Memberships
	invites  store.Invitations
	sessions store.Sessions
	prints   store.Fingerprints
}

func (p parts) Fingerprints() store.Fingerprints {
	if p.prints != nil {
		return p.prints
	}
	return p.Backend.Fingerprints()
}

func (p parts) Users() store.Users {
	if p.users != nil {
		return p.users
	}
	return p.Backend.Users()
}

func (p parts) Memberships() store.Memberships {
	if p.members != nil {
		return p.members
	}
	return p.Backend.Memberships()
}

func (p parts) Invitations() store.Invitations {
	if p.invites != nil {
		return p.invites
	}
	return p.Backend.Invitations()
}

func (p parts) Sessions() store.Sessions {
	if p.sessions != nil {
		return p.sessions
	}
	return p.Backend.Sessions()
}

func (p parts) Keys() store.Keys {
	if p.keys != nil {
		return p.keys
	}
	return p.Backend.Keys()
}

func (p parts) KeyAdmin() store.KeyAdmin {
	if p.admin != nil {
		return p.admin
	}
	return p.Backend.KeyAdmin()
}

func (p parts) Accounts() store.Accounts {
	if p.accounts != nil {
		return p.accounts
	}
	return p.Backend.Accounts()
}

type carelessAccounts struct{ store.Accounts }

func (a carelessAccounts) SetStatus(ctx context.Context, id string, s authz.Status) error {
	if err := a.Accounts.SetStatus(ctx, id, s); !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return nil
}

type impatientKeys struct{ store.Keys }

func (k impatientKeys) Find(ctx context.Context, d keyfmt.Digest) (store.Key, store.Owner, error) {
	if ctx.Err() != nil {
		return store.Key{}, store.Owner{}, store.ErrNotFound
	}
	return k.Keys.Find(ctx, d)
}

// globalAdmin looks a key up by its id alone.
type globalAdmin struct {
	store.KeyAdmin
	mu     sync.Mutex
	owners map[string]string
}

func (a *globalAdmin) Create(ctx context.Context, k store.Key, quota int, now time.Time) error {
	a.mu.Lock()
	a.owners[k.ID] = k.Account
	a.mu.Unlock()
	return a.KeyAdmin.Create(ctx, k, quota, now)
}

func (a *globalAdmin) owner(id string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.owners[id]
}

func (a *globalAdmin) Get(ctx context.Context, account, id string) (store.Key, error) {
	return a.KeyAdmin.Get(ctx, a.owner(id), id)
}

type talkativeAdmin struct{ globalAdmin }

type foreignError struct{ error }

func (e foreignError) Error() string { return "not yours" }
func (e foreignError) Unwrap() error { return e.error }

func (a *talkativeAdmin) Get(ctx context.Context, account, id string) (store.Key, error) {
	k, err := a.KeyAdmin.Get(ctx, account, id)
	if err != nil && a.owner(id) != "" {
		err = foreignError{err}
	}
	return k, err
}

type tidyKeys struct{ store.Keys }

func (k tidyKeys) Find(ctx context.Context, d keyfmt.Digest) (store.Key, store.Owner, error) {
	key, a, err := k.Keys.Find(ctx, d)
	if err == nil && !key.Revoked.IsZero() {
		return store.Key{}, store.Owner{}, store.ErrNotFound
	}
	return key, a, err
}

// greedyAdmin prunes keys that have not expired yet.
type greedyAdmin struct{ store.KeyAdmin }

func (a greedyAdmin) Prune(ctx context.Context, before time.Time, most int) (int, error) {
	return a.KeyAdmin.Prune(ctx, before.Add(time.Second), most)
}

// hastyAdmin prunes without bound.
type hastyAdmin struct{ store.KeyAdmin }

func (a hastyAdmin) Prune(ctx context.Context, before time.Time, most int) (int, error) {
	return a.KeyAdmin.Prune(ctx, before, 1000)
}

// curiousAdmin lists the keys of all owners as those of one.
type curiousAdmin struct{ store.KeyAdmin }

func (a curiousAdmin) Owned(ctx context.Context, account, owner, after string, limit int) ([]store.Key, error) {
	return a.List(ctx, account, after, limit)
}

type forgetfulAdmin struct {
	store.KeyAdmin
	reasons map[string]string
}

func (a *forgetfulAdmin) Revoke(ctx context.Context, account, id, reason string, now time.Time) error {
	a.reasons[id] = reason
	return a.KeyAdmin.Revoke(ctx, account, id, reason, now)
}

func (a *forgetfulAdmin) Get(ctx context.Context, account, id string) (store.Key, error) {
	k, err := a.KeyAdmin.Get(ctx, account, id)
	k.Reason = a.reasons[id]
	return k, err
}

// wholeAccounts changes the status by writing the account as it once was.
type wholeAccounts struct{ store.Accounts }

func (a wholeAccounts) SetStatus(ctx context.Context, id string, s authz.Status) error {
	if err := a.Accounts.SetStatus(ctx, id, s); err != nil {
		return err
	}
	was := newAccount(id)
	return a.SetPlan(ctx, id, was.Plan, was.Limits)
}

// cachedKeys answers from memory that nobody clears.
type cachedKeys struct {
	store.Keys
	mu   sync.Mutex
	kept map[keyfmt.Digest]store.Key
}

func (k *cachedKeys) Find(ctx context.Context, d keyfmt.Digest) (store.Key, store.Owner, error) {
	key, a, err := k.Keys.Find(ctx, d)
	if err != nil {
		return key, a, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if old, ok := k.kept[d]; ok {
		return old, a, nil
	}
	k.kept[d] = key
	return key, a, nil
}

type uses struct {
	mu   sync.Mutex
	last map[string]time.Time
}

type lastKeys struct {
	store.Keys
	uses *uses
}

func (k lastKeys) Touch(ctx context.Context, uses []store.Use) error {
	k.uses.mu.Lock()
	defer k.uses.mu.Unlock()
	for _, u := range uses {
		k.uses.last[u.ID] = u.At
	}
	return nil
}

type lastAdmin struct {
	store.KeyAdmin
	uses *uses
}

func (a lastAdmin) Get(ctx context.Context, account, id string) (store.Key, error) {
	k, err := a.KeyAdmin.Get(ctx, account, id)
	a.uses.mu.Lock()
	defer a.uses.mu.Unlock()
	k.Used = a.uses.last[id]
	return k, err
}

// racyAdmin counts and then creates. The first to count waits a moment for
// another to have counted, so that the race is lost whenever there is one.
type racyAdmin struct {
	store.KeyAdmin
	mu     sync.Mutex
	counts int
	met    chan struct{}
}

func (a *racyAdmin) Create(ctx context.Context, k store.Key, quota int, now time.Time) error {
	list, err := a.List(ctx, k.Account, "", 1000)
	if err != nil {
		return err
	}
	live := 0
	for _, k := range list {
		if k.Live(now) {
			live++
		}
	}
	if quota > 0 {
		a.mu.Lock()
		if a.counts++; a.counts == 20 {
			close(a.met)
		}
		a.mu.Unlock()
		if live >= quota {
			return store.ErrQuota
		}
		select {
		case <-a.met:
		case <-time.After(100 * time.Millisecond):
		}
	}
	return a.KeyAdmin.Create(ctx, k, 0, now)
}

type generousAdmin struct{ store.KeyAdmin }

func (a generousAdmin) Rotate(ctx context.Context, account, id string, next store.Key, deadline, now time.Time) error {
	err := a.KeyAdmin.Rotate(ctx, account, id, next, deadline, now)
	if errors.Is(err, store.ErrConflict) {
		next.Replaces = ""
		return a.Create(ctx, next, 0, now)
	}
	return err
}

type halfwayAdmin struct{ store.KeyAdmin }

func (a halfwayAdmin) Rotate(ctx context.Context, account, id string, next store.Key, deadline, now time.Time) error {
	err := a.KeyAdmin.Rotate(ctx, account, id, next, deadline, now)
	if errors.Is(err, store.ErrInactive) {
		next.Replaces = ""
		return errors.Join(err, a.Create(ctx, next, 0, now))
	}
	return err
}

type sharingAdmin struct {
	store.KeyAdmin
	kept map[string]store.Key
}

func (a *sharingAdmin) Get(ctx context.Context, account, id string) (store.Key, error) {
	if k, ok := a.kept[id]; ok {
		return k, nil
	}
	k, err := a.KeyAdmin.Get(ctx, account, id)
	if err == nil {
		a.kept[id] = k
	}
	return k, err
}

// coarseAdmin cuts the times of new keys to seconds.
type coarseAdmin struct{ store.KeyAdmin }

func (a coarseAdmin) Create(ctx context.Context, k store.Key, quota int, now time.Time) error {
	k.Created, k.Expires = k.Created.Truncate(time.Second), k.Expires.Truncate(time.Second)
	return a.KeyAdmin.Create(ctx, k, quota, now)
}

type localAdmin struct{ store.KeyAdmin }

func (a localAdmin) Get(ctx context.Context, account, id string) (store.Key, error) {
	k, err := a.KeyAdmin.Get(ctx, account, id)
	k.Created = k.Created.In(time.FixedZone("west", -3600))
	return k, err
}

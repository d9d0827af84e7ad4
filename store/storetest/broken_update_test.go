package storetest

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// Mistakes with changes to a key, and with what a rotation hands on.
var breakagesOfUpdates = []breakage{
	{1, "disabled keys are not outdated", "Outdated counts what has not ended under other peppers", func(b Backend) Backend {
		return parts{Backend: b, admin: hopefulAdmin{b.KeyAdmin()}}
	}},
	{2, "an update looks a key up by its id alone", "a foreign id is as absent as a missing one", func(b Backend) Backend {
		return parts{Backend: b, admin: &reachingAdmin{globalAdmin{KeyAdmin: b.KeyAdmin(), owners: map[string]string{}}, nil}}
	}},
	{2, "an update of a foreign key is a conflict", "a foreign id is as absent as a missing one", func(b Backend) Backend {
		return parts{Backend: b, admin: &reachingAdmin{globalAdmin{KeyAdmin: b.KeyAdmin(), owners: map[string]string{}}, store.ErrConflict}}
	}},
	{3, "disabled keys are hidden", "revoked, expired and disabled keys are returned", func(b Backend) Backend {
		return parts{Backend: b, keys: shyKeys{b.Keys()}}
	}},
	{6, "disabled keys leave the quota", "a quota counts what has not ended in the account", func(b Backend) Backend {
		return parts{Backend: b, admin: roomyAdmin{b.KeyAdmin()}}
	}},
	{6, "disabled keys can be rotated", "Rotate refuses inactive and rotated keys", func(b Backend) Backend {
		return parts{Backend: b, admin: wakingAdmin{b.KeyAdmin()}}
	}},
	{8, "updates are not published", "KeyAdmin.Update of the grant is published", mute},
	{8, "updates are not published", "KeyAdmin.Update to disabled is published", mute},
	{10, "an update does not compare", "a grant is replaced by compare-and-swap", func(b Backend) Backend {
		return parts{Backend: b, admin: blindAdmin{b.KeyAdmin()}}
	}},
	{10, "an update does not compare", "one of many grants wins", func(b Backend) Backend {
		return parts{Backend: b, admin: blindAdmin{b.KeyAdmin()}}
	}},
	{10, "only a new grant is compared", "a grant is replaced by compare-and-swap", func(b Backend) Backend {
		return parts{Backend: b, admin: shortsightedAdmin{blindAdmin{b.KeyAdmin()}}}
	}},
	{10, "Rehash keeps Import", "a digest of one's own ends an import", func(b Backend) Backend {
		return parts{Backend: b, keys: &importedKeys{Keys: b.Keys(), imports: map[string]string{}}}
	}},
	{12, "an update undoes a deadline", "no update lets a rotated key live longer", func(b Backend) Backend {
		return parts{Backend: b, admin: &patientAdmin{KeyAdmin: b.KeyAdmin(), expiries: map[string]time.Time{}}}
	}},
	{15, "what an update does not name is cleared", "Update changes what it is told to", func(b Backend) Backend {
		return parts{Backend: b, admin: clearingAdmin{b.KeyAdmin()}}
	}},
	{15, "an update returns the key as it was", "Update changes what it is told to", func(b Backend) Backend {
		return parts{Backend: b, admin: tardyAdmin{b.KeyAdmin()}}
	}},
	{15, "an update revives a revoked key", "Update leaves what has ended", func(b Backend) Backend {
		return parts{Backend: b, admin: &revivingAdmin{KeyAdmin: b.KeyAdmin(), revived: map[string]bool{}}}
	}},
	{15, "enabling revives a revoked key", "enabling brings back nothing that has ended", func(b Backend) Backend {
		return parts{Backend: b, admin: &revivingAdmin{KeyAdmin: b.KeyAdmin(), revived: map[string]bool{}}}
	}},
	{15, "an update writes what it has read", "an update racing a revocation does not bring a key back", func(b Backend) Backend {
		return parts{Backend: b, admin: &rewritingAdmin{KeyAdmin: b.KeyAdmin(), live: map[string]bool{}, read: make(chan struct{}), revoked: make(chan struct{})}}
	}},
	{15, "a key is written back as it was read", "updates of different fields do not undo each other", func(b Backend) Backend {
		return parts{Backend: b, admin: &wholeAdmin{KeyAdmin: b.KeyAdmin(), first: map[string]store.Key{}}}
	}},
	{15, "disabled keys are live", "a disabled key is not live until it is enabled", func(b Backend) Backend {
		return parts{Backend: b, keys: indulgentKeys{b.Keys()}}
	}},
	{15, "the last disabling wins", "a disabled key is not live until it is enabled", func(b Backend) Backend {
		return parts{Backend: b, admin: repeatedAdmin{b.KeyAdmin()}}
	}},
	{16, "a successor has the addresses and the expiry that it says", "a successor has what the stored key has", func(b Backend) Backend {
		return parts{Backend: b, admin: credulousAdmin{b.KeyAdmin()}}
	}},
	{16, "a successor has the owner that it says", "a successor has what the stored key has", func(b Backend) Backend {
		return parts{Backend: b, admin: &givingAdmin{KeyAdmin: b.KeyAdmin(), owners: map[string]string{}}}
	}},
	{16, "a successor has the grant that it says", "Rotate refuses another grant than the stored one", func(b Backend) Backend {
		return parts{Backend: b, admin: wideningAdmin{b.KeyAdmin()}}
	}},
}

type hopefulAdmin struct{ store.KeyAdmin }

func (a hopefulAdmin) Outdated(ctx context.Context, pepper string, now time.Time) (int, error) {
	n, err := a.KeyAdmin.Outdated(ctx, pepper, now)
	list, listErr := a.List(ctx, mine, "", 1000)
	for _, k := range list {
		if k.Digest.Pepper != pepper && !k.Disabled.IsZero() && !k.Ended(now) {
			n--
		}
	}
	return n, errors.Join(err, listErr)
}

// reachingAdmin updates the keys of all, or says err of those of others.
type reachingAdmin struct {
	globalAdmin
	err error
}

func (a *reachingAdmin) Get(ctx context.Context, account, id string) (store.Key, error) {
	return a.KeyAdmin.Get(ctx, account, id)
}

func (a *reachingAdmin) Update(ctx context.Context, account, id string, u store.KeyUpdate, now time.Time) (store.Key, error) {
	owner := a.owner(id)
	if a.err != nil && owner != "" && owner != account {
		return store.Key{}, a.err
	}
	return a.KeyAdmin.Update(ctx, owner, id, u, now)
}

type shyKeys struct{ store.Keys }

func (k shyKeys) Find(ctx context.Context, d keyfmt.Digest) (store.Key, store.Owner, error) {
	key, o, err := k.Keys.Find(ctx, d)
	if err == nil && !key.Disabled.IsZero() {
		return store.Key{}, store.Owner{}, store.ErrNotFound
	}
	return key, o, err
}

type roomyAdmin struct{ store.KeyAdmin }

func (a roomyAdmin) Create(ctx context.Context, k store.Key, quota int, now time.Time) error {
	list, err := a.List(ctx, k.Account, "", 1000)
	for _, k := range list {
		if quota > 0 && !k.Disabled.IsZero() && !k.Ended(now) {
			quota++
		}
	}
	return errors.Join(err, a.KeyAdmin.Create(ctx, k, quota, now))
}

type wakingAdmin struct{ store.KeyAdmin }

func (a wakingAdmin) Rotate(ctx context.Context, account, id string, next store.Key, deadline, now time.Time) error {
	if k, err := a.Get(ctx, account, id); err == nil && !k.Disabled.IsZero() {
		if _, err := a.Update(ctx, account, id, store.KeyUpdate{Was: k.Grant, Disabled: new(false)}, now); err != nil {
			return err
		}
	}
	return a.KeyAdmin.Rotate(ctx, account, id, next, deadline, now)
}

// mute publishes nothing while an update is under way.
func mute(b Backend) Backend {
	var muted atomic.Bool
	return parts{
		Backend: filtered{b, func(w store.Watcher) store.Watcher { return mutedWatcher{w, &muted} }},
		admin:   mutedAdmin{b.KeyAdmin(), &muted},
	}
}

type mutedWatcher struct {
	store.Watcher
	muted *atomic.Bool
}

func (w mutedWatcher) Forget(id string) {
	if !w.muted.Load() {
		w.Watcher.Forget(id)
	}
}

type mutedAdmin struct {
	store.KeyAdmin
	muted *atomic.Bool
}

func (a mutedAdmin) Update(ctx context.Context, account, id string, u store.KeyUpdate, now time.Time) (store.Key, error) {
	a.muted.Store(true)
	defer a.muted.Store(false)
	return a.KeyAdmin.Update(ctx, account, id, u, now)
}

// blindAdmin updates over whatever grant is there.
type blindAdmin struct{ store.KeyAdmin }

func (a blindAdmin) Update(ctx context.Context, account, id string, u store.KeyUpdate, now time.Time) (store.Key, error) {
	for {
		k, err := a.Get(ctx, account, id)
		if err != nil {
			return store.Key{}, err
		}
		u.Was = k.Grant
		if k, err = a.KeyAdmin.Update(ctx, account, id, u, now); !errors.Is(err, store.ErrConflict) {
			return k, err
		}
	}
}

type shortsightedAdmin struct{ blindAdmin }

func (a shortsightedAdmin) Update(ctx context.Context, account, id string, u store.KeyUpdate, now time.Time) (store.Key, error) {
	if u.Grant == nil {
		return a.blindAdmin.Update(ctx, account, id, u, now)
	}
	return a.KeyAdmin.Update(ctx, account, id, u, now)
}

// importedKeys never forgets how a key was imported.
type importedKeys struct {
	store.Keys
	imports map[string]string
}

func (k *importedKeys) Find(ctx context.Context, d keyfmt.Digest) (store.Key, store.Owner, error) {
	key, o, err := k.Keys.Find(ctx, d)
	if key.Import != "" {
		k.imports[key.ID] = key.Import
	}
	key.Import = k.imports[key.ID]
	return key, o, err
}

type patientAdmin struct {
	store.KeyAdmin
	expiries map[string]time.Time
}

func (a *patientAdmin) Update(ctx context.Context, account, id string, u store.KeyUpdate, now time.Time) (store.Key, error) {
	k, err := a.KeyAdmin.Update(ctx, account, id, u, now)
	if errors.Is(err, store.ErrConflict) && u.Expires != nil {
		a.expiries[id] = *u.Expires
		return a.Get(ctx, account, id)
	}
	return k, err
}

func (a *patientAdmin) Get(ctx context.Context, account, id string) (store.Key, error) {
	k, err := a.KeyAdmin.Get(ctx, account, id)
	if t, ok := a.expiries[id]; ok {
		k.Expires = t
	}
	return k, err
}

type clearingAdmin struct{ store.KeyAdmin }

func (a clearingAdmin) Update(ctx context.Context, account, id string, u store.KeyUpdate, now time.Time) (store.Key, error) {
	if u.Addresses == nil {
		u.Addresses = new([]netip.Prefix(nil))
	}
	return a.KeyAdmin.Update(ctx, account, id, u, now)
}

type tardyAdmin struct{ store.KeyAdmin }

func (a tardyAdmin) Update(ctx context.Context, account, id string, u store.KeyUpdate, now time.Time) (store.Key, error) {
	was, err := a.Get(ctx, account, id)
	if err != nil {
		return store.Key{}, err
	}
	_, err = a.KeyAdmin.Update(ctx, account, id, u, now)
	return was, err
}

// revivingAdmin takes an update for a reason to live.
type revivingAdmin struct {
	store.KeyAdmin
	revived map[string]bool
}

func (a *revivingAdmin) Update(ctx context.Context, account, id string, u store.KeyUpdate, now time.Time) (store.Key, error) {
	k, err := a.KeyAdmin.Update(ctx, account, id, u, now)
	if errors.Is(err, store.ErrInactive) {
		a.revived[id] = true
		return a.Get(ctx, account, id)
	}
	return k, err
}

func (a *revivingAdmin) Get(ctx context.Context, account, id string) (store.Key, error) {
	k, err := a.KeyAdmin.Get(ctx, account, id)
	if a.revived[id] {
		k.Revoked, k.Reason = time.Time{}, ""
	}
	return k, err
}

// rewritingAdmin reads a key, gives a revocation the time to come between, and
// writes the key as live as it was.
type rewritingAdmin struct {
	store.KeyAdmin
	mu      sync.Mutex
	live    map[string]bool
	reads   sync.Once
	read    chan struct{} // closed when the first update has read: the first revocation waits for it
	once    sync.Once
	revoked chan struct{} // closed by the first revocation
}

func (a *rewritingAdmin) Revoke(ctx context.Context, account, id, reason string, now time.Time) error {
	select {
	case <-a.read:
	case <-time.After(time.Second):
	}
	defer a.once.Do(func() { close(a.revoked) })
	return a.KeyAdmin.Revoke(ctx, account, id, reason, now)
}

func (a *rewritingAdmin) Update(ctx context.Context, account, id string, u store.KeyUpdate, now time.Time) (store.Key, error) {
	k, err := a.KeyAdmin.Get(ctx, account, id)
	if err != nil {
		return store.Key{}, err
	}
	a.reads.Do(func() { close(a.read) })
	select {
	case <-a.revoked:
	case <-time.After(time.Second):
	}
	next, err := a.KeyAdmin.Update(ctx, account, id, u, now)
	if errors.Is(err, store.ErrInactive) && !k.Ended(now) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.live[id] = true
		return k, nil
	}
	return next, err
}

func (a *rewritingAdmin) Get(ctx context.Context, account, id string) (store.Key, error) {
	k, err := a.KeyAdmin.Get(ctx, account, id)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.live[id] {
		k.Revoked, k.Reason = time.Time{}, ""
	}
	return k, err
}

// wholeAdmin writes all fields, those that nobody has named as it read them
// first.
type wholeAdmin struct {
	store.KeyAdmin
	mu    sync.Mutex
	first map[string]store.Key
}

func (a *wholeAdmin) Update(ctx context.Context, account, id string, u store.KeyUpdate, now time.Time) (store.Key, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	k, ok := a.first[id]
	if !ok {
		var err error
		if k, err = a.Get(ctx, account, id); err != nil {
			return store.Key{}, err
		}
		a.first[id] = k
	}
	if u.Name == nil {
		u.Name = &k.Name
	}
	if u.Addresses == nil {
		u.Addresses = &k.Addresses
	}
	if u.Expires == nil {
		u.Expires = &k.Expires
	}
	return a.KeyAdmin.Update(ctx, account, id, u, now)
}

type indulgentKeys struct{ store.Keys }

func (k indulgentKeys) Find(ctx context.Context, d keyfmt.Digest) (store.Key, store.Owner, error) {
	key, o, err := k.Keys.Find(ctx, d)
	key.Disabled = time.Time{}
	return key, o, err
}

type repeatedAdmin struct{ store.KeyAdmin }

func (a repeatedAdmin) Update(ctx context.Context, account, id string, u store.KeyUpdate, now time.Time) (store.Key, error) {
	if u.Disabled != nil && *u.Disabled {
		if _, err := a.KeyAdmin.Update(ctx, account, id, store.KeyUpdate{Was: u.Was, Disabled: new(false)}, now); err != nil {
			return store.Key{}, err
		}
	}
	return a.KeyAdmin.Update(ctx, account, id, u, now)
}

// credulousAdmin believes what next says of itself.
type credulousAdmin struct{ store.KeyAdmin }

func (a credulousAdmin) Rotate(ctx context.Context, account, id string, next store.Key, deadline, now time.Time) error {
	if err := a.KeyAdmin.Rotate(ctx, account, id, next, deadline, now); err != nil {
		return err
	}
	_, err := a.Update(ctx, account, next.ID, store.KeyUpdate{Was: next.Grant, Addresses: &next.Addresses, Expires: &next.Expires}, now)
	return err
}

type givingAdmin struct {
	store.KeyAdmin
	owners map[string]string
}

func (a *givingAdmin) Rotate(ctx context.Context, account, id string, next store.Key, deadline, now time.Time) error {
	a.owners[next.ID] = next.Owner
	return a.KeyAdmin.Rotate(ctx, account, id, next, deadline, now)
}

func (a *givingAdmin) Get(ctx context.Context, account, id string) (store.Key, error) {
	k, err := a.KeyAdmin.Get(ctx, account, id)
	if owner, ok := a.owners[id]; ok {
		k.Owner = owner
	}
	return k, err
}

// wideningAdmin rotates with whatever grant next has.
type wideningAdmin struct{ store.KeyAdmin }

func (a wideningAdmin) Rotate(ctx context.Context, account, id string, next store.Key, deadline, now time.Time) error {
	old, err := a.Get(ctx, account, id)
	if err != nil {
		return err
	}
	grant := next.Grant
	next.Grant = old.Grant
	if err := a.KeyAdmin.Rotate(ctx, account, id, next, deadline, now); err != nil {
		return err
	}
	_, err = a.Update(ctx, account, next.ID, store.KeyUpdate{Was: old.Grant, Grant: &grant}, now)
	return err
}

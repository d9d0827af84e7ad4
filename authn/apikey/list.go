package apikey

import (
	"context"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// Get returns the record of a key that the caller may see: one of their own, or
// any of the account if they are the operator or have Config.Manage. Any other
// id is store.ErrNotFound, as if there were no such key.
func (m *Manager) Get(ctx context.Context, by *authn.Principal, id string) (store.Key, error) {
	if err := m.admits(by); err != nil {
		return store.Key{}, err
	}
	key, err := m.visible(ctx, by, id)
	return shown(key), err
}

// scan is how many keys are read at a time to find the visible ones.
const scan = 200

// List returns keys that the caller may see, revoked and expired ones included,
// newest id first. It begins after the id after, or at the start if that is "".
// It returns limit keys, or fewer if no more are left. An after that cannot be
// an id is authn.ErrInvalid.
//
// For a caller who manages the keys of some environments only, it reads on
// until the page is full. If such a caller sees few of many keys, one page may
// read all keys of the account.
func (m *Manager) List(ctx context.Context, by *authn.Principal, after string, limit int) ([]store.Key, error) {
	if err := m.admits(by); err != nil {
		return nil, err
	}
	if m.managesNone(by) {
		return m.ListOwn(ctx, by, after, limit)
	}
	all, seen := m.managesAll(by), m.seen(by)
	var page []store.Key
	for len(page) < limit {
		ask := limit - len(page)
		if !all {
			ask = max(ask, scan)
		}
		keys, err := m.records.admin.List(ctx, by.Account, after, ask)
		if err != nil {
			return nil, refused(err)
		}
		if len(keys) == 0 {
			break
		}
		after = keys[len(keys)-1].ID
		page = pick(page, keys, seen, limit)
	}
	return page, nil
}

// ListOwn is [Manager.List] of by's own keys, whatever other keys by may see.
func (m *Manager) ListOwn(ctx context.Context, by *authn.Principal, after string, limit int) ([]store.Key, error) {
	if err := m.admits(by); err != nil {
		return nil, err
	}
	keys, err := m.records.admin.Owned(ctx, by.Account, by.User, after, limit)
	return pick(nil, keys, func(key store.Key) bool { return owns(by, key) }, limit), refused(err)
}

// Expiring returns up to limit keys that the caller may see, that have not
// ended at now, and that will have expired at until. The soonest comes first.
func (m *Manager) Expiring(ctx context.Context, by *authn.Principal, until time.Time, limit int, now time.Time) ([]store.Key, error) {
	if err := m.admits(by); err != nil {
		return nil, err
	}
	return m.expiring(ctx, by, until, limit, now, m.managesAll(by), m.seen(by))
}

// ExpiringOwn is [Manager.Expiring] of by's own keys, whatever other keys by may see.
func (m *Manager) ExpiringOwn(ctx context.Context, by *authn.Principal, until time.Time, limit int, now time.Time) ([]store.Key, error) {
	if err := m.admits(by); err != nil {
		return nil, err
	}
	return m.expiring(ctx, by, until, limit, now, false, func(key store.Key) bool { return owns(by, key) })
}

// expiring is Expiring of the keys that are wanted, which may be all of the account.
func (m *Manager) expiring(ctx context.Context, by *authn.Principal, until time.Time, limit int, now time.Time, all bool, wanted func(store.Key) bool) ([]store.Key, error) {
	ask := limit
	if !all {
		ask = max(limit, scan)
	}
	for limit > 0 {
		keys, err := m.records.admin.Expiring(ctx, by.Account, now, until, ask)
		if err != nil {
			return nil, err
		}
		page := pick(nil, keys, wanted, limit)
		if len(page) == limit || len(keys) < ask {
			return page, nil
		}
		ask *= 2 // the store has no way to read on
	}
	return nil, nil
}

// seen returns whether by may see a key.
func (m *Manager) seen(by *authn.Principal) func(store.Key) bool {
	managed := make(map[string]bool) // by environment
	return func(key store.Key) bool {
		all, known := managed[key.Environment]
		if !known {
			all = m.manages(by, key.Environment, false) == nil
			managed[key.Environment] = all
		}
		return all || owns(by, key)
	}
}

// pick adds to page, which has room up to limit, the keys that are wanted.
func pick(page, keys []store.Key, wanted func(store.Key) bool, limit int) []store.Key {
	for _, key := range keys {
		if len(page) < limit && wanted(key) {
			page = append(page, shown(key))
		}
	}
	return page
}

// shown returns the record without what the key is verified by. It keeps the id
// of the pepper, which tells operators which keys have not moved to the newest
// one yet.
func shown(key store.Key) store.Key {
	key.Digest, key.Import = keyfmt.Digest{Pepper: key.Digest.Pepper}, ""
	return key
}

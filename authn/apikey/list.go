package apikey

import (
	"context"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// Get returns the record of a key: of one's own, or of any in the account for
// the operator and those with Config.Manage. Others are store.ErrNotFound, as
// if there were none.
func (m *Manager) Get(ctx context.Context, by *authn.Principal, id string) (store.Key, error) {
	if err := m.admits(by); err != nil {
		return store.Key{}, err
	}
	key, err := m.visible(ctx, by, id)
	return shown(key), err
}

// scan is how many keys are read at a time to find the visible ones among them.
const scan = 200

// List returns limit keys that by may see, or all that are left of them,
// revoked and expired ones included, newest id first, beginning after the id
// after ("": from the start). For a caller who manages the keys of some
// environments and not of others it reads on until the page is full: if they see few of
// many keys, one page may read all keys of the account.
// An after that is no id is authn.ErrInvalid.
func (m *Manager) List(ctx context.Context, by *authn.Principal, after string, limit int) ([]store.Key, error) {
	if err := m.admits(by); err != nil {
		return nil, err
	}
	if m.managesNone(by) {
		keys, err := m.records.admin.Owned(ctx, by.Account, by.User, after, limit)
		return m.pick(nil, keys, by, limit), refused(err)
	}
	all := m.managesAll(by)
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
		page = m.pick(page, keys, by, limit)
	}
	return page, nil
}

// Expiring returns up to limit keys that by may see, that have not ended at
// now and will have expired by the instant until, the soonest first.
func (m *Manager) Expiring(ctx context.Context, by *authn.Principal, until time.Time, limit int, now time.Time) ([]store.Key, error) {
	if err := m.admits(by); err != nil {
		return nil, err
	}
	all := m.managesAll(by)
	ask := limit
	if !all {
		ask = max(limit, scan)
	}
	for limit > 0 {
		keys, err := m.records.admin.Expiring(ctx, by.Account, now, until, ask)
		if err != nil {
			return nil, err
		}
		page := m.pick(nil, keys, by, limit)
		if len(page) == limit || len(keys) < ask {
			return page, nil
		}
		ask *= 2 // there is no way to read on
	}
	return nil, nil
}

// pick adds to page, which has room up to limit, the keys that by may see.
func (m *Manager) pick(page, keys []store.Key, by *authn.Principal, limit int) []store.Key {
	managed := make(map[string]bool) // by environment
	for _, key := range keys {
		all, known := managed[key.Environment]
		if !known {
			all = m.manages(by, key.Environment, false) == nil
			managed[key.Environment] = all
		}
		if len(page) < limit && (all || owns(by, key)) {
			page = append(page, shown(key))
		}
	}
	return page
}

// shown is the record without what it is verified by. The id of the pepper
// stays: it tells which keys wait for their first use.
func shown(key store.Key) store.Key {
	key.Digest, key.Import = keyfmt.Digest{Pepper: key.Digest.Pepper}, ""
	return key
}

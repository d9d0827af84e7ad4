package apikey

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// A Change says what is to change about a key. A nil field stays as it is.
type Change struct {
	// Was is the grant that Grant was made from. If the stored grant is another
	// one by now, Update returns store.ErrConflict. Set it if Grant takes over
	// parts of what was read.
	Was *authz.Grant

	Name      *string
	Grant     *authz.Grant    // its environments stay the key's
	Addresses *[]netip.Prefix // an empty list: anywhere
	Expires   *time.Time      // the zero time: never
	Disabled  *bool
}

// Update changes a key and returns its record. Users change their own keys, and
// callers with Config.Manage those of the account.
//
// A change that names a grant, addresses or an expiry, or that enables a key,
// hands out everything that the key opens afterwards, even if it narrows the
// key. Nobody hands out more than they may do themselves, and it takes a recent
// login (Config.Recent). Renaming and disabling need neither. A caller who may
// change a key may also enable it again, no matter who disabled it. So revoke a
// key that must stay ended. Errors:
//
//   - store.ErrNotFound: there is no such key, or the caller may not see it.
//   - authn.ErrForbidden: the key is another person's.
//   - *authz.DeniedError: the key would exceed the caller, or the login is too
//     old.
//   - authn.ErrInvalid: the change is wrong. It names every mistake.
//   - store.ErrInactive: the key has ended.
//   - store.ErrConflict: the key was changed at the same time. Read it again.
func (m *Manager) Update(ctx context.Context, by *authn.Principal, id string, c Change, now time.Time) (store.Key, error) {
	by, err := m.fresh(ctx, by, now)
	if err != nil {
		return store.Key{}, err
	}
	old, err := m.changeable(ctx, by, id)
	if err != nil {
		return store.Key{}, err
	}
	if c.Was != nil && !c.Was.Equal(old.Grant) {
		return store.Key{}, store.ErrConflict
	}
	c.copy(old.Environment)
	if err := m.checkChange(c, old, now); err != nil {
		return store.Key{}, err
	}
	if c.handsOut() {
		next := c.applied(old)
		if err := cmp.Or(m.handsOut(by, next), m.recent(by, next, now)); err != nil {
			return store.Key{}, err
		}
	}
	// The store compares the stored grant with old.Grant in its transaction. So
	// what the caller was allowed to hand out is what is written.
	key, err := m.records.admin.Update(ctx, by.Account, id, store.KeyUpdate{
		Was: old.Grant, Name: c.Name, Grant: c.Grant, Addresses: c.Addresses, Expires: c.Expires, Disabled: c.Disabled,
	}, now)
	if err != nil {
		return store.Key{}, err
	}
	m.memory.Forget(id) // after the commit, or a read in between would cache the old answer again
	return shown(key), nil
}

// copy gives the change copies of what it points to, which the caller of Update
// may modify while Update runs.
func (c *Change) copy(environment string) {
	if c.Grant != nil {
		g := *c.Grant
		g.Environments = authz.Of(environment)
		c.Grant = &g
	}
	if c.Addresses != nil {
		a := slices.Clone(*c.Addresses)
		c.Addresses = &a
	}
}

// checkChange returns every mistake of a change in one error.
func (m *Manager) checkChange(c Change, old store.Key, now time.Time) error {
	var errs []error
	if c.Name != nil {
		errs = append(errs, checkName(*c.Name))
	}
	if c.Grant != nil {
		errs = append(errs, m.checkGrant(*c.Grant))
	}
	if c.Addresses != nil {
		errs = append(errs, checkAddresses(*c.Addresses))
	}
	if c.Expires != nil {
		errs = append(errs, m.checkExpiry(old.Environment, *c.Expires, old.Created, now))
	}
	return invalid(errs...)
}

// handsOut reports whether the key could open more after the change. Every
// change that names a limit could, even if the limit looks narrower here: the
// stored limit may have become narrower still.
func (c Change) handsOut() bool {
	return c.Grant != nil || c.Expires != nil || c.Addresses != nil || c.Disabled != nil && !*c.Disabled
}

// applied returns a copy of key with the change.
func (c Change) applied(key store.Key) store.Key {
	if c.Grant != nil {
		key.Grant = *c.Grant
	}
	if c.Addresses != nil {
		key.Addresses = *c.Addresses
	}
	if c.Expires != nil {
		key.Expires = *c.Expires
	}
	return key
}

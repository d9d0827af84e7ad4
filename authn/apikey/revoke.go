package apikey

import (
	"context"
	"errors"
	"fmt"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/store"
)

// Revoke ends a key for ever: in this process at once, elsewhere within
// MaxRevocationDelay. People revoke their own keys, and those with
// Config.Manage any of the account. Revoking a key again changes nothing, and
// the first reason stays. Errors:
//
//   - store.ErrNotFound: there is no such key, or the caller may not see it.
//   - authn.ErrInvalid: the reason cannot be stored.
func (m *Manager) Revoke(ctx context.Context, by *authn.Principal, id, reason string, now time.Time) error {
	if err := m.changes(by, now); err != nil {
		return err
	}
	if _, err := m.visible(ctx, by, id); err != nil {
		return err
	}
	if err := m.records.admin.Revoke(ctx, by.Account, id, reason, now); err != nil {
		if errors.Is(err, store.ErrNotFound) {
			return store.ErrNotFound
		}
		return refused(err)
	}
	m.memory.Forget(id) // after the commit, or a read in between would cache the old answer again
	return nil
}

// RevokeAll revokes the keys that f selects, and returns how many were not
// revoked before. The operator revokes in the whole account, a caller with
// Config.Manage in the environments where they hold it, and everybody among
// their own keys. It is one transaction, or one for each environment if the
// caller manages some and not all.
func (m *Manager) RevokeAll(ctx context.Context, by *authn.Principal, f store.Filter, reason string, now time.Time) (int, error) {
	if err := m.changes(by, now); err != nil {
		return 0, err
	}
	filters := m.within(by, f)
	if len(filters) == 0 {
		return 0, fmt.Errorf("%w: the keys are another person's", authn.ErrForbidden)
	}
	defer m.memory.Forget(by.Account) // also after an error: the commit may have happened
	var all int
	for _, f := range filters {
		n, err := m.records.admin.RevokeAll(ctx, by.Account, f, reason, now)
		all += n
		if err != nil {
			return all, refused(err)
		}
	}
	return all, nil
}

// within returns filters that together select what f selects among the keys
// that the caller may revoke.
func (m *Manager) within(by *authn.Principal, f store.Filter) (filters []store.Filter) {
	if m.managesAll(by) {
		return []store.Filter{f}
	}
	for _, format := range m.formats {
		if in := f; (f.Environment == "" || f.Environment == format.environment) && m.manages(by, format.environment, false) == nil {
			in.Environment = format.environment
			filters = append(filters, in)
		}
	}
	if f.Owner == "" || f.Owner == by.User {
		f.Owner = by.User
		filters = append(filters, f)
	}
	return filters
}

package apikey

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// admits reports why by may have nothing to do with the management of keys:
// only people and the operator manage them, keys never.
func (m *Manager) admits(by *authn.Principal) error {
	switch {
	case by == nil || by.Account == "":
		return authn.ErrForbidden
	case by.Kind != authn.KindOperator && (!by.Person() || by.User == ""):
		return authn.ErrForbidden
	}
	return nil
}

// changes is admits for a call that writes. It also checks that now can be stored.
func (m *Manager) changes(by *authn.Principal, now time.Time) error {
	if now.IsZero() {
		return fmt.Errorf("%w: the time is zero", authn.ErrInvalid)
	}
	return m.admits(by)
}

// fresh is changes for a call that hands out rights. It returns the caller's present
// principal: a key outlives the rights that it was made by, so cached rights must not
// decide. A call that only takes away rights needs changes alone.
func (m *Manager) fresh(ctx context.Context, by *authn.Principal, now time.Time) (*authn.Principal, error) {
	if err := m.changes(by, now); err != nil {
		return nil, err
	}
	if !by.Person() || m.config.Fresh == nil {
		return by, nil
	}
	p, err := m.config.Fresh(ctx, by, now)
	switch {
	case err != nil:
		return nil, err
	case p == nil || p.Kind != by.Kind || p.ID != by.ID || p.Account != by.Account || p.User != by.User || p.Environment != by.Environment:
		return nil, fmt.Errorf("%w: Config.Fresh returned somebody else", authn.ErrUnavailable)
	}
	return p, nil
}

// manages returns nil if by manages the account's own keys of an environment, and may
// see and revoke all keys there; else it returns the reason. The environment that by
// acts in does not matter. Reading and revoking are possible whatever the status of the
// account is, because they take nothing from it that it needs.
func (m *Manager) manages(by *authn.Principal, environment string, makes bool) error {
	if by.Kind == authn.KindOperator {
		return nil
	}
	for _, kinds := range m.whole {
		d := by.Rights.Decide(authz.Request{
			Permission: m.config.Manage, Endpoint: "api_keys.manage", Environment: environment, Resources: kinds,
			Writes: makes, Suspended: !makes,
		})
		if !d.Allowed {
			return &authz.DeniedError{Decision: d, Permission: m.config.Manage}
		}
	}
	return nil
}

// managesNone reports whether by manages the keys of no environment, and so sees
// their own alone.
func (m *Manager) managesNone(by *authn.Principal) bool {
	for _, f := range m.formats {
		if m.manages(by, f.environment, false) == nil {
			return false
		}
	}
	return true
}

// managesAll reports whether by manages the keys of every environment.
func (m *Manager) managesAll(by *authn.Principal) bool {
	for _, f := range m.formats {
		if m.manages(by, f.environment, false) != nil {
			return false
		}
	}
	return true
}

// whole names every kind of the model as a whole, in as many requests as that
// takes, which is one at least.
func whole(m *authz.Model) [][4]authz.Resource {
	kinds := slices.Sorted(maps.Keys(m.Everything().Scope))
	requests := make([][4]authz.Resource, max(1, (len(kinds)+3)/4))
	for i, kind := range kinds {
		requests[i/4][i%4] = authz.Resource{Kind: kind, ID: "*"}
	}
	return requests
}

// visible returns a key that by may see. The error is the same for a key that by
// may not see, for one of another account and for one that does not exist.
func (m *Manager) visible(ctx context.Context, by *authn.Principal, id string) (store.Key, error) {
	key, err := m.records.admin.Get(ctx, by.Account, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return store.Key{}, store.ErrNotFound // whatever a backend adds to it
	case err != nil:
		return store.Key{}, err
	case !m.sees(by, key):
		return store.Key{}, store.ErrNotFound
	}
	return key, nil
}

// changeable returns a key that by may see and change: by's own, or one of the
// account itself if by manages those.
func (m *Manager) changeable(ctx context.Context, by *authn.Principal, id string) (store.Key, error) {
	key, err := m.visible(ctx, by, id)
	switch {
	case err != nil:
	case by.Kind == authn.KindOperator || owns(by, key):
	case key.Owner != "":
		err = fmt.Errorf("%w: the key is another person's; it can be revoked", authn.ErrForbidden)
	default:
		err = m.manages(by, key.Environment, true)
	}
	if err != nil {
		return store.Key{}, err
	}
	return key, nil
}

// sees reports whether by may see and revoke the key: their own, or any of an
// environment where they manage keys.
func (m *Manager) sees(by *authn.Principal, key store.Key) bool {
	return owns(by, key) || m.manages(by, key.Environment, false) == nil
}

func owns(by *authn.Principal, key store.Key) bool { return key.Owner != "" && key.Owner == by.User }

// name is how the records call who made something.
func name(by *authn.Principal) string { return cmp.Or(by.User, by.ID) }

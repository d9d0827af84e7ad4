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

// admits returns the reason why the caller may not manage keys at all. People
// and the operator manage keys. Keys never do: a stolen key could otherwise
// make others, and outlive its revocation.
func (m *Manager) admits(by *authn.Principal) error {
	switch {
	case by == nil || by.Account == "":
		return authn.ErrForbidden
	case by.Kind != authn.KindOperator && (!by.Person() || by.User == ""):
		return authn.ErrForbidden
	}
	return nil
}

// changes is admits for a call that writes. It also refuses a zero time, which
// cannot be stored.
func (m *Manager) changes(by *authn.Principal, now time.Time) error {
	if now.IsZero() {
		return fmt.Errorf("%w: the time is zero", authn.ErrInvalid)
	}
	return m.admits(by)
}

// fresh is changes for a call that hands out rights. It returns the caller's
// present principal. A key outlives the rights that it was made with, so cached
// rights must not decide. A call that only takes away rights needs no fresh
// ones.
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
	// A Fresh that returns somebody else would hand out the rights of that
	// person.
	case p == nil || p.Kind != by.Kind || p.ID != by.ID || p.Account != by.Account || p.User != by.User || p.Environment != by.Environment:
		return nil, fmt.Errorf("%w: Config.Fresh returned somebody else", authn.ErrUnavailable)
	}
	return p, nil
}

// manages returns nil if the caller manages the account's own keys of an
// environment, and may see and revoke all keys there; otherwise the reason. The
// environment that the caller acts in does not matter: a member who may manage
// only test keys must not reach live ones by changing a header.
//
// makes is false for seeing and revoking. Those work in a suspended account
// too, because they take nothing from it that it needs.
func (m *Manager) manages(by *authn.Principal, environment string, makes bool) error {
	if by.Kind == authn.KindOperator {
		return nil
	}
	for _, kinds := range m.allKinds {
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

// managesNone reports whether the caller manages keys in no environment, and so
// sees only their own.
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

// allKinds returns requests for every kind of resource of the model, without a
// limit. One request holds four kinds, so there may be several; there is at
// least one.
func allKinds(m *authz.Model) [][4]authz.Resource {
	kinds := slices.Sorted(maps.Keys(m.Everything().Scope))
	requests := make([][4]authz.Resource, max(1, (len(kinds)+3)/4))
	for i, kind := range kinds {
		requests[i/4][i%4] = authz.Resource{Kind: kind, ID: "*"}
	}
	return requests
}

// visible returns a key that the caller may see. The error is the same for a
// key that they may not see, for a key of another account, and for a key that
// does not exist.
func (m *Manager) visible(ctx context.Context, by *authn.Principal, id string) (store.Key, error) {
	key, err := m.records.admin.Get(ctx, by.Account, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return store.Key{}, store.ErrNotFound // without the text that a backend may have added
	case err != nil:
		return store.Key{}, err
	case !m.sees(by, key):
		return store.Key{}, store.ErrNotFound
	}
	return key, nil
}

// changeable returns a key that the caller may see and change: one of their
// own, or one of the account if they manage those. A key of another person can
// be revoked but not changed, because changing it hands out rights in that
// person's name.
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

// sees reports whether the caller may see and revoke the key.
func (m *Manager) sees(by *authn.Principal, key store.Key) bool {
	return owns(by, key) || m.manages(by, key.Environment, false) == nil
}

// owns reports whether the key belongs to the person who calls. The operator
// has no User, and a key of the account has no owner; the two must not match.
func owns(by *authn.Principal, key store.Key) bool { return key.Owner != "" && key.Owner == by.User }

// name returns how records name the caller.
func name(by *authn.Principal) string { return cmp.Or(by.User, by.ID) }

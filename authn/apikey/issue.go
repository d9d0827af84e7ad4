package apikey

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// Issue makes a key in the account of by. It returns the record, and the key
// itself, which cannot be had again. If spec.Call has been made before, it
// returns the record as it is now, and the zero Token.
//
// People make keys for themselves, and those with Config.Manage also for the
// account. Nobody gives a key more than they may do themselves. Errors:
//
//   - authn.ErrForbidden: the caller may not make keys, or not for that owner.
//   - *authz.DeniedError: the key would exceed the caller (code
//     scope_exceeds_caller), the caller does not manage the account's keys, or
//     their login is older than Config.Recent.
//   - authn.ErrInvalid: the spec is wrong. It names every mistake.
//   - ErrReused: spec.Call has made another key.
//   - *QuotaError: the account has too many keys.
//   - those of store.KeyAdmin.Create.
func (m *Manager) Issue(ctx context.Context, by *authn.Principal, spec Spec, now time.Time) (store.Key, keyfmt.Token, error) {
	by, err := m.fresh(ctx, by, now)
	if err != nil {
		return store.Key{}, keyfmt.Token{}, err
	}
	if key, made, err := m.replayed(ctx, by, spec.Call, ""); made || err != nil {
		return key, keyfmt.Token{}, err
	}
	key, err := m.plan(ctx, by, spec, now)
	if err != nil {
		return store.Key{}, keyfmt.Token{}, err
	}
	token := m.mint(&key, by, spec.Call, now)
	key.Family = key.ID
	if err := m.records.admin.Create(ctx, key, m.config.Quota, now); err != nil {
		if errors.Is(err, store.ErrQuota) {
			// The check and the write are one transaction of the store. So the
			// quota and the membership hold here, whatever has changed since
			// they were read.
			err = &QuotaError{m.config.Quota}
		}
		if errors.Is(err, store.ErrNotFound) && key.Owner != "" {
			err = fmt.Errorf("%w: %s is no member of the account any more", authn.ErrForbidden, key.Owner)
		}
		key, err := m.repeated(ctx, by, spec.Call, "", err)
		return key, keyfmt.Token{}, err
	}
	m.memory.Forget(key.ID)
	return shown(key), token, nil
}

// errRoles says that a key of a person cannot be made: what the person may do
// bounds the key, and nothing says what that is.
var errRoles = errors.New("apikey: Config.Roles is nil, so the keys of people would open nothing: set it, or make a key of the account itself (Spec.Service, or no Spec.Owner)")

// plan returns the record of what spec asks for, if the caller may have it.
func (m *Manager) plan(ctx context.Context, by *authn.Principal, spec Spec, now time.Time) (store.Key, error) {
	spec.Grant.Environments = authz.Of(spec.Environment)
	if err := m.check(spec, now); err != nil {
		return store.Key{}, err
	}
	owner, err := m.owner(ctx, by, spec)
	if err != nil {
		return store.Key{}, err
	}
	key := store.Key{
		Account: by.Account, Owner: owner, Name: spec.Name, Environment: spec.Environment, Grant: spec.Grant,
		Addresses: slices.Clone(spec.Addresses), Expires: spec.Expires, Plan: spec.Plan,
	}
	if owner != "" && m.config.Roles == nil {
		return store.Key{}, errRoles
	}
	if err := m.handsOut(by, key); err != nil {
		return store.Key{}, err
	}
	if spec.Plan != "" && by.Kind != authn.KindOperator {
		return store.Key{}, &authz.DeniedError{Decision: exceeds("limits", spec.Plan, "")}
	}
	return key, m.recent(by, key, now)
}

// owner returns the user who will own the key, or "" for the account. It
// follows from the caller. Only the operator names another user.
func (m *Manager) owner(ctx context.Context, by *authn.Principal, spec Spec) (string, error) {
	switch {
	case by.Kind == authn.KindOperator && spec.Owner == "":
		return "", nil
	case by.Kind == authn.KindOperator:
		return spec.Owner, m.member(ctx, by.Account, spec.Owner)
	case spec.Service:
		return "", m.manages(by, spec.Environment, true)
	case spec.Owner != "" && spec.Owner != by.User:
		return "", fmt.Errorf("%w: nobody makes keys for another person", authn.ErrForbidden)
	}
	return by.User, nil
}

// member returns nil if user may own a key of the account, and otherwise the
// reason.
func (m *Manager) member(ctx context.Context, account, user string) error {
	_, err := m.records.members.Get(ctx, account, user)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w: the owner is no member of the account", authn.ErrInvalid)
	}
	return err
}

// mint gives the record its identity, and returns the token of the key. The
// record gets the digest and a hint. Nothing keeps the token.
func (m *Manager) mint(key *store.Key, by *authn.Principal, c Call, now time.Time) keyfmt.Token {
	token := m.config.Formats[key.Environment].Generate()
	m.sign(key, by, now)
	key.Hint = token.Hint()
	key.Digest = m.config.Peppers.Digest(token)
	if key.Idempotency = c.stored(by); key.Idempotency != "" {
		key.Request = c.Request
	}
	return token
}

// sign writes into the record who made it, and when.
func (m *Manager) sign(key *store.Key, by *authn.Principal, now time.Time) {
	key.ID = keyfmt.NewID("key_", now)
	key.CreatedBy = name(by)
	key.Created = now.UTC()
}

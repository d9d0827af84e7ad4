package apikey

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

const (
	// maxGrace is the longest that a rotated key may live on.
	maxGrace = 7 * 24 * time.Hour
	// maxChain is how often a key may be rotated within maxGrace and once more
	// with a grace.
	maxChain = 32
)

// Rotate makes a successor with the same name, owner, rights, environment,
// expiry and addresses. The old key lives on for grace from the first use of
// the new one, but 7 days at most from now and never beyond its own expiry; 0
// ends it now. That the old key is rotated counts as its own first use, for the
// key that it replaced itself.
//
// A caller may rotate a key if they may update it, may hand out what it opens, and have
// logged in recently (Config.Recent). A key cannot be rotated if it is revoked, expired
// or disabled (store.ErrInactive), or has been rotated already (*RotatedError, which
// names the successor). Unless grace is 0, all of its predecessors must have ended
// (*PredecessorError, or store.ErrConflict if they are too many to look through). So
// rotations, which the quota does not count, leave two keys in the place of one.
func (m *Manager) Rotate(ctx context.Context, by *authn.Principal, id string, grace time.Duration, now time.Time) (store.Key, keyfmt.Token, error) {
	return m.RotateOnce(ctx, by, id, grace, Call{}, now)
}

// RotateOnce is Rotate for a call that may come again: the second time it
// returns the record of the successor and the zero Token.
func (m *Manager) RotateOnce(ctx context.Context, by *authn.Principal, id string, grace time.Duration, c Call, now time.Time) (store.Key, keyfmt.Token, error) {
	by, err := m.fresh(ctx, by, now)
	if err != nil {
		return store.Key{}, keyfmt.Token{}, err
	}
	if grace < 0 || grace > maxGrace {
		return store.Key{}, keyfmt.Token{}, fmt.Errorf("%w: a grace of %v; it may be 0 to %v", authn.ErrInvalid, grace, maxGrace)
	}
	if grace > 0 {
		grace = max(grace.Truncate(time.Microsecond), time.Microsecond) // what stores keep
	}
	if key, made, err := m.replayed(ctx, by, c, id); made || err != nil {
		return key, keyfmt.Token{}, err
	}
	key, token, err := m.rotate(ctx, by, id, grace, c, now)
	if err != nil {
		key, err = m.repeated(ctx, by, c, id, err)
	}
	return key, token, err
}

func (m *Manager) rotate(ctx context.Context, by *authn.Principal, id string, grace time.Duration, c Call, now time.Time) (store.Key, keyfmt.Token, error) {
	old, err := m.rotatable(ctx, by, id, grace, now)
	if err != nil {
		return store.Key{}, keyfmt.Token{}, err
	}
	if old.Grace > 0 {
		if err := m.records.keys.BeginGrace(ctx, old.ID, now); err != nil {
			return store.Key{}, keyfmt.Token{}, err
		}
		m.memory.Forget(old.Replaces)
	}
	next := store.Key{
		Account: old.Account, Owner: old.Owner, Name: old.Name, Environment: old.Environment, Grant: old.Grant,
		Addresses: old.Addresses, Expires: old.Expires, Plan: old.Plan, Family: cmp.Or(old.Family, old.ID), Replaces: old.ID,
	}
	deadline := now
	if grace > 0 {
		deadline, next.Grace = now.Add(maxGrace), grace
	}
	token := m.mint(&next, by, c, now)
	if err := m.records.admin.Rotate(ctx, by.Account, id, next, deadline, now); err != nil {
		return store.Key{}, keyfmt.Token{}, m.succeeded(ctx, old, err)
	}
	m.memory.Forget(id)
	m.memory.Forget(next.ID)
	// The store has copied what the old key was at that instant, not what it was
	// when it was read here.
	if stored, err := m.records.admin.Get(ctx, by.Account, next.ID); err == nil {
		next = stored
	}
	return shown(next), token, nil
}

// rotatable returns the key, if by may rotate it with that grace now.
func (m *Manager) rotatable(ctx context.Context, by *authn.Principal, id string, grace time.Duration, now time.Time) (store.Key, error) {
	old, err := m.changeable(ctx, by, id)
	if err != nil {
		return store.Key{}, err
	}
	if !old.Live(now) {
		return store.Key{}, m.succeeded(ctx, old, store.ErrInactive)
	}
	if _, ok := m.config.Formats[old.Environment]; !ok {
		return store.Key{}, fmt.Errorf("%w: environment %q is not among Config.Formats any more", authn.ErrInvalid, old.Environment)
	}
	if err := invalid(m.checkExpiry(old.Environment, old.Expires, now, now)); err != nil {
		return store.Key{}, err
	}
	if err := cmp.Or(m.handsOut(by, old), m.recent(by, old, now)); err != nil {
		return store.Key{}, err
	}
	if grace > 0 {
		if err := m.alone(ctx, old, now); err != nil {
			return store.Key{}, err
		}
	}
	return old, nil
}

// alone reports a predecessor of the key that has not ended. Those that were
// rotated longer ago than the longest grace have: nobody need look.
func (m *Manager) alone(ctx context.Context, key store.Key, now time.Time) error {
	for range maxChain {
		if key.Replaces == "" || key.Created.Add(maxGrace).Before(now) {
			return nil
		}
		before, err := m.records.admin.Get(ctx, key.Account, key.Replaces)
		if errors.Is(err, store.ErrNotFound) { // pruned, and those before it too
			return nil
		}
		if err != nil {
			return err
		}
		if !before.Ended(now) {
			return &PredecessorError{before.ID}
		}
		key = before
	}
	return fmt.Errorf("%w: rotated more than %d times in %v: rotate with a grace of 0", store.ErrConflict, maxChain, maxGrace)
}

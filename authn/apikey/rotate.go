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
	// maxGrace is the longest grace period, and the time after which a rotated
	// key ends in any case.
	maxGrace = 7 * 24 * time.Hour
	// maxChain is how many predecessors of a key are looked at.
	maxChain = 32
)

// Rotate makes a successor with the same name, owner, rights, environment,
// expiry and addresses. The old key lives for grace from the first use of the
// new one. It ends 7 days from now at the latest, and never later than its own
// expiry. A grace of 0 ends it now.
//
// Rotating a key counts as its own first use: the grace period of the key that
// it replaced itself begins, if it has not yet.
//
// The caller must be allowed to update the key, and to hand out what it opens,
// and must have logged in recently (Config.Recent). Errors beside those of
// Update:
//
//   - store.ErrInactive: the key is revoked, expired or disabled.
//   - *RotatedError: it has been rotated already. The error names the
//     successor.
//   - *PredecessorError: grace is not 0, and a key that it replaced has not
//     ended.
//   - ErrRotatedOften: grace is not 0, and there are too many predecessors to
//     look through.
//
// Rotations are not counted by the quota. The rule about predecessors bounds
// them: there are never more than two keys in the place of one.
func (m *Manager) Rotate(ctx context.Context, by *authn.Principal, id string, grace time.Duration, now time.Time) (store.Key, keyfmt.Token, error) {
	return m.RotateOnce(ctx, by, id, grace, Call{}, now)
}

// RotateOnce is Rotate for a call that may be repeated. The second time it
// returns the record of the successor, and the zero Token.
func (m *Manager) RotateOnce(ctx context.Context, by *authn.Principal, id string, grace time.Duration, c Call, now time.Time) (store.Key, keyfmt.Token, error) {
	by, err := m.fresh(ctx, by, now)
	if err != nil {
		return store.Key{}, keyfmt.Token{}, err
	}
	if grace < 0 || grace > maxGrace {
		return store.Key{}, keyfmt.Token{}, fmt.Errorf("%w: a grace of %v; it may be 0 to %v", authn.ErrInvalid, grace, maxGrace)
	}
	if grace > 0 {
		grace = max(grace.Truncate(time.Microsecond), time.Microsecond) // the precision of stores
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

// rotate does what Rotate says, but for the repetition of a call.
//
// The order of the writes makes a crash harmless. The grace period of an older
// key begins first, and would begin anyhow. The successor and the deadline of
// the old key are then written in one transaction.
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
	// The store has copied what the old key was at the moment of the write, not
	// what it was when it was read here. The caller gets what is stored.
	if stored, err := m.records.admin.Get(ctx, by.Account, next.ID); err == nil {
		next = stored
	}
	return shown(next), token, nil
}

// rotatable returns the key, if the caller may rotate it now with that grace.
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

// alone returns an error if a predecessor of the key has not ended. It need not
// look at those that were rotated longer ago than maxGrace: they have ended by
// their deadline.
func (m *Manager) alone(ctx context.Context, key store.Key, now time.Time) error {
	for range maxChain {
		if key.Replaces == "" || key.Created.Add(maxGrace).Before(now) {
			return nil
		}
		before, err := m.records.admin.Get(ctx, key.Account, key.Replaces)
		if errors.Is(err, store.ErrNotFound) { // pruned, and those before it too
			return nil // deleted long after its end, like those before it
		}
		if err != nil {
			return err
		}
		if !before.Ended(now) {
			return &PredecessorError{before.ID}
		}
		key = before
	}
	return fmt.Errorf("%w: more than %d times in %v", ErrRotatedOften, maxChain, maxGrace)
}

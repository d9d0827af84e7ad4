package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"medtwin.ai/tollgate/store"
)

type admin struct{ s *Store }

func (v admin) Create(ctx context.Context, k store.Key, quota int, now time.Time) error {
	return v.s.change(func() ([]string, error) {
		if !v.s.mayOwn(&k) {
			return nil, store.ErrNotFound
		}
		if err := v.s.vacant(&k); err != nil {
			return nil, err
		}
		if quota > 0 && v.s.accounts[k.Account].held(now) >= quota {
			return nil, store.ErrQuota
		}
		v.s.add(&k)
		return []string{k.ID}, nil
	})
}

func (v admin) Get(ctx context.Context, account, id string) (store.Key, error) {
	v.s.mu.RLock()
	defer v.s.mu.RUnlock()
	k := v.s.key(account, id)
	if k == nil {
		return store.Key{}, store.ErrNotFound
	}
	return copied(k), nil
}

func (v admin) ByIdempotency(ctx context.Context, account, idempotency string) (store.Key, error) {
	v.s.mu.RLock()
	defer v.s.mu.RUnlock()
	k := v.s.created[call{account, idempotency}]
	if k == nil {
		return store.Key{}, store.ErrNotFound
	}
	return copied(k), nil
}

func (v admin) List(ctx context.Context, account, after string, limit int) ([]store.Key, error) {
	v.s.mu.RLock()
	defer v.s.mu.RUnlock()
	a := v.s.accounts[account]
	if a == nil {
		return nil, nil
	}
	end := len(a.keys)
	if after != "" {
		end, _ = slices.BinarySearchFunc(a.keys, after, byID)
	}
	page := a.keys[max(0, end-limit):end]
	list := make([]store.Key, 0, len(page))
	for _, k := range slices.Backward(page) {
		list = append(list, copied(k))
	}
	return list, nil
}

func (v admin) Owned(ctx context.Context, account, owner, after string, limit int) ([]store.Key, error) {
	v.s.mu.RLock()
	defer v.s.mu.RUnlock()
	a := v.s.accounts[account]
	if a == nil || owner == "" {
		return nil, nil
	}
	end := len(a.keys)
	if after != "" {
		end, _ = slices.BinarySearchFunc(a.keys, after, byID)
	}
	var list []store.Key
	for _, k := range slices.Backward(a.keys[:end]) {
		if len(list) >= limit {
			break
		}
		if k.Owner == owner {
			list = append(list, copied(k))
		}
	}
	return list, nil
}

func (v admin) Update(ctx context.Context, account, id string, u store.KeyUpdate, now time.Time) (updated store.Key, err error) {
	err = v.s.change(func() ([]string, error) {
		k := v.s.key(account, id)
		switch {
		case k == nil:
			return nil, store.ErrNotFound
		case k.Ended(now):
			return nil, store.ErrInactive
		case !k.Grant.Equal(u.Was):
			return nil, store.ErrConflict
		}
		next := *k
		set(&next.Name, u.Name)
		set(&next.Grant, u.Grant)
		set(&next.Addresses, u.Addresses)
		set(&next.Expires, u.Expires)
		if s := v.s.successors[id]; s != nil && s.Account == account && outlives(&next, k) {
			return nil, store.ErrConflict
		}
		switch {
		case u.Disabled == nil:
		case !*u.Disabled:
			next.Disabled = time.Time{}
		case k.Disabled.IsZero():
			next.Disabled = now
		}
		*k = copied(&next)
		updated = copied(k)
		return []string{id}, nil
	})
	return updated, err
}

// set sets to, unless from is nil.
func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func (v admin) Revoke(ctx context.Context, account, id, reason string, now time.Time) error {
	return v.s.change(func() ([]string, error) {
		k := v.s.key(account, id)
		if k == nil {
			return nil, store.ErrNotFound
		}
		if !k.Revoked.IsZero() {
			return nil, nil
		}
		k.Revoked, k.Reason = utc(now), reason
		return []string{id}, nil
	})
}

func (v admin) Rotate(ctx context.Context, account, id string, next store.Key, deadline, now time.Time) error {
	return v.s.change(func() ([]string, error) {
		old := v.s.key(account, id)
		if old == nil {
			return nil, store.ErrNotFound
		}
		if !old.Live(now) || !v.s.mayOwn(old) {
			return nil, store.ErrInactive
		}
		if !old.Grant.Equal(next.Grant) {
			return nil, store.ErrConflict
		}
		// These come from the stored key. What the caller has read may have changed.
		next.Account, next.Replaces, next.Family = account, id, cmp.Or(old.Family, id)
		next.Owner, next.Environment, next.Plan = old.Owner, old.Environment, old.Plan
		next.Addresses, next.Expires = old.Addresses, old.Expires
		if err := v.s.vacant(&next); err != nil {
			return nil, err
		}
		v.s.add(&next)
		if !deadline.IsZero() {
			lower(old, deadline)
		}
		return []string{id, next.ID}, nil
	})
}

// past reports whether end is a time before the given one.
func past(end, before time.Time) bool { return !end.IsZero() && end.Before(before) }

func (v admin) Prune(ctx context.Context, before time.Time, most int) (int, error) {
	var n int
	err := v.s.change(func() ([]string, error) {
		var ids []string
		for _, a := range v.s.accounts {
			a.keys = slices.DeleteFunc(a.keys, func(k *store.Key) bool {
				if len(ids) >= most || !past(k.Expires, before) && !past(k.Revoked, before) {
					return false
				}
				delete(v.s.keys, k.ID)
				delete(v.s.digests, k.Digest)
				delete(v.s.successors, k.Replaces)
				delete(v.s.created, call{k.Account, k.Idempotency})
				ids = append(ids, k.ID)
				return true
			})
		}
		n = len(ids)
		return ids, nil
	})
	return n, err
}

func (v admin) Expiring(ctx context.Context, account string, now, by time.Time, limit int) ([]store.Key, error) {
	v.s.mu.RLock()
	defer v.s.mu.RUnlock()
	a := v.s.accounts[account]
	if a == nil {
		return nil, nil
	}
	var list []store.Key
	for _, k := range a.keys {
		if !k.Ended(now) && k.Ended(by) {
			list = append(list, copied(k))
		}
	}
	slices.SortStableFunc(list, func(a, b store.Key) int { return a.Expires.Compare(b.Expires) })
	return list[:min(len(list), limit)], nil
}

func (v admin) Outdated(ctx context.Context, pepper string, now time.Time) (int, error) {
	v.s.mu.RLock()
	defer v.s.mu.RUnlock()
	n := 0
	for _, k := range v.s.keys {
		if k.Digest.Pepper != pepper && !k.Ended(now) {
			n++
		}
	}
	return n, nil
}

func (v admin) RevokeAll(ctx context.Context, account string, f store.Filter, reason string, now time.Time) (int, error) {
	var ids []string
	err := v.s.change(func() ([]string, error) {
		a := v.s.accounts[account]
		if a == nil {
			return nil, nil
		}
		for _, k := range a.keys {
			meant := (f.Owner == "" || k.Owner == f.Owner) &&
				(f.Environment == "" || k.Environment == f.Environment) &&
				(f.CreatedBy == "" || k.CreatedBy == f.CreatedBy) &&
				(f.CreatedBefore.IsZero() || k.Created.Before(f.CreatedBefore))
			if meant && k.Revoked.IsZero() {
				k.Revoked, k.Reason = utc(now), reason
				ids = append(ids, k.ID)
			}
		}
		return ids, nil
	})
	return len(ids), err
}

// outlives reports whether a expires later than b.
func outlives(a, b *store.Key) bool {
	return !b.Expires.IsZero() && (a.Expires.IsZero() || a.Expires.After(b.Expires))
}

// lower lowers the expiry of k to t. s.mu is held.
func lower(k *store.Key, t time.Time) {
	if k.Expires.IsZero() || t.Before(k.Expires) {
		k.Expires = utc(t)
	}
}

// key returns the key of that account, or nil. s.mu is held.
func (s *Store) key(account, id string) *store.Key {
	if k := s.keys[id]; k != nil && k.Account == account {
		return k
	}
	return nil
}

// mayOwn reports whether the key belongs to the account itself or its owner is a member.
// s.mu is held.
func (s *Store) mayOwn(k *store.Key) bool {
	return k.Owner == "" || s.membership(k.Account, k.Owner) != nil
}

// vacant returns the reason why k cannot be added, or nil. s.mu is held.
func (s *Store) vacant(k *store.Key) error {
	switch {
	case s.accounts[k.Account] == nil:
		return store.ErrNotFound
	case s.keys[k.ID] != nil, s.digests[k.Digest] != nil:
		return store.ErrConflict
	case k.Replaces != "" && s.successors[k.Replaces] != nil:
		return store.ErrConflict
	case s.created[call{k.Account, k.Idempotency}] != nil:
		return store.ErrConflict
	case len(s.keys) >= s.maxKeys:
		return fmt.Errorf("%w: it holds %d keys", ErrFull, len(s.keys))
	}
	return nil
}

// add adds a copy of k, for which vacant returns nil. s.mu is held.
func (s *Store) add(k *store.Key) {
	c := copied(k)
	s.keys[c.ID], s.digests[c.Digest] = &c, &c
	if c.Replaces != "" {
		s.successors[c.Replaces] = &c
	}
	if c.Idempotency != "" {
		s.created[call{c.Account, c.Idempotency}] = &c
	}
	a := s.accounts[c.Account]
	i, _ := slices.BinarySearchFunc(a.keys, c.ID, byID)
	a.keys = slices.Insert(a.keys, i, &c)
}

// held counts the keys that count against a quota.
func (a *account) held(now time.Time) int {
	n := 0
	for _, k := range a.keys {
		if !k.Ended(now) {
			n++
		}
	}
	return n
}

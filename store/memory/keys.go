package memory

import (
	"context"
	"time"

	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

type keys struct{ s *Store }

func (v keys) Find(ctx context.Context, d keyfmt.Digest) (store.Key, store.Owner, error) {
	v.s.mu.RLock()
	defer v.s.mu.RUnlock()
	k := v.s.digests[d]
	if k == nil {
		return store.Key{}, store.Owner{}, store.ErrNotFound
	}
	o := store.Owner{Account: v.s.accounts[k.Account].Account}
	if u := v.s.users[k.Owner]; u != nil && k.Owner != "" {
		o.User = u.Status
		if m := v.s.membership(k.Account, k.Owner); m != nil {
			o.Membership = copiedMember(m)
		}
	}
	return copied(k), o, nil
}

func (v keys) Touch(ctx context.Context, uses []store.Use) error {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	for _, u := range uses {
		k := v.s.keys[u.ID]
		if k != nil && k.Revoked.IsZero() && u.At.After(k.Used) {
			k.Used = utc(u.At)
		}
	}
	return nil
}

func (v keys) BeginGrace(ctx context.Context, id string, now time.Time) error {
	return v.s.change(func() ([]string, error) {
		k := v.s.keys[id]
		if k == nil {
			return nil, store.ErrNotFound
		}
		if k.Grace <= 0 || !k.Revoked.IsZero() {
			return nil, nil
		}
		end := now.Add(k.Grace)
		k.Grace = 0
		old := v.s.key(k.Account, k.Replaces)
		if old == nil || !old.Revoked.IsZero() {
			return []string{id}, nil
		}
		lower(old, end)
		return []string{id, old.ID}, nil
	})
}

func (v keys) Rehash(ctx context.Context, id string, old, next keyfmt.Digest) error {
	return v.s.change(func() ([]string, error) {
		k := v.s.keys[id]
		if k == nil {
			return nil, store.ErrNotFound
		}
		if o := v.s.digests[next]; k.Digest != old || o != nil && o != k {
			return nil, store.ErrConflict
		}
		delete(v.s.digests, old)
		k.Digest, k.Import = next, ""
		v.s.digests[next] = k
		return []string{id}, nil
	})
}

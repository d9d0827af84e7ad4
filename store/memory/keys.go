package memory

import (
	"context"

	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

type keys struct{ s *Store }

func (v keys) Find(ctx context.Context, d keyfmt.Digest) (store.Key, store.Account, error) {
	v.s.mu.RLock()
	defer v.s.mu.RUnlock()
	k := v.s.digests[d]
	if k == nil {
		return store.Key{}, store.Account{}, store.ErrNotFound
	}
	return copied(k), v.s.accounts[k.Account].Account, nil
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

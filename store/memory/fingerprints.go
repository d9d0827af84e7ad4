package memory

import (
	"context"
	"slices"

	"medtwin.ai/tollgate/store"
)

type fingerprints struct{ s *Store }

func (v fingerprints) List(ctx context.Context) ([]store.Fingerprint, error) {
	v.s.mu.RLock()
	defer v.s.mu.RUnlock()
	return slices.Clone(v.s.prints), nil
}

func (v fingerprints) Swap(ctx context.Context, old, next []store.Fingerprint) error {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	if !slices.Equal(v.s.prints, old) {
		return store.ErrConflict
	}
	v.s.prints = slices.Clone(next)
	return nil
}

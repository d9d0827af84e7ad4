package guard

import (
	"cmp"
	"context"

	"medtwin.ai/tollgate/store"
)

// Fingerprints guards f.
func Fingerprints(f store.Fingerprints) store.Fingerprints { return fingerprints{f} }

type fingerprints struct{ store.Fingerprints }

func (g fingerprints) Swap(ctx context.Context, old, next []store.Fingerprint) error {
	if err := cmp.Or(valid(identified(next)), swaps(identified(old))); err != nil {
		return err
	}
	return g.Fingerprints.Swap(ctx, old, next)
}

func identified(list []store.Fingerprint) bool {
	for _, f := range list {
		if !named(f.ID) {
			return false
		}
	}
	return true
}

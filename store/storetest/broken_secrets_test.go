package storetest

import (
	"context"
	"sync"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

var breakagesOfSecrets = []breakage{
	{10, "fingerprints are written unseen", "fingerprints are replaced by compare-and-swap", func(b Backend) Backend {
		return parts{Backend: b, prints: blindPrints{b.Fingerprints()}}
	}},
	{10, "fingerprints are compared by id", "fingerprints are replaced by compare-and-swap", func(b Backend) Backend {
		return parts{Backend: b, prints: idPrints{b.Fingerprints()}}
	}},
	{10, "fingerprints are read, then written", "one of many sets of fingerprints wins", func(b Backend) Backend {
		return parts{Backend: b, prints: &racyPrints{Fingerprints: b.Fingerprints()}}
	}},
}

// swapped makes whatever is stored next.
func swapped(ctx context.Context, f store.Fingerprints, next []store.Fingerprint) error {
	present, err := f.List(ctx)
	if err != nil {
		return err
	}
	return f.Swap(ctx, present, next)
}

type blindPrints struct{ store.Fingerprints }

func (p blindPrints) Swap(ctx context.Context, _, next []store.Fingerprint) error {
	return swapped(ctx, p.Fingerprints, next)
}

type idPrints struct{ store.Fingerprints }

func (p idPrints) Swap(ctx context.Context, old, next []store.Fingerprint) error {
	present, err := p.List(ctx)
	if err != nil || len(present) != len(old) {
		return store.ErrConflict
	}
	for i := range old {
		if old[i].ID != present[i].ID {
			return store.ErrConflict
		}
	}
	return swapped(ctx, p.Fingerprints, next)
}

// racyPrints has two calls read before either writes.
type racyPrints struct {
	store.Fingerprints
	mu    sync.Mutex
	calls int
}

func (p *racyPrints) Swap(ctx context.Context, old, next []store.Fingerprint) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.calls++; p.calls <= 2 {
		return swapped(ctx, p.Fingerprints, next)
	}
	return p.Fingerprints.Swap(ctx, old, next)
}

var breakagesOfStatus = []breakage{
	{19, "an account is created as it comes", "what is created without a status is active", func(b Backend) Backend {
		return parts{Backend: b, accounts: literalAccounts{b.Accounts()}}
	}},
	{19, "any status is stored", "no other status can be stored", func(b Backend) Backend {
		return parts{Backend: b, accounts: literalAccounts{b.Accounts()}}
	}},
}

// literalAccounts denies for what is no status, silently.
type literalAccounts struct{ store.Accounts }

func (a literalAccounts) Create(ctx context.Context, account store.Account) error {
	if account.Status == 0 {
		account.Status = authz.Suspended
	}
	return a.Accounts.Create(ctx, account)
}

func (a literalAccounts) SetStatus(ctx context.Context, id string, s authz.Status) error {
	if s == 0 || s > authz.Suspended {
		s = authz.Suspended
	}
	return a.Accounts.SetStatus(ctx, id, s)
}

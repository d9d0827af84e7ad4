package guard

import (
	"cmp"
	"context"
	"time"

	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// Keys guards k.
func Keys(k store.Keys) store.Keys { return keys{k} }

type keys struct{ store.Keys }

func (g keys) Find(ctx context.Context, d keyfmt.Digest) (store.Key, store.Owner, error) {
	if err := found(d.Pepper); err != nil {
		return store.Key{}, store.Owner{}, err
	}
	return g.Keys.Find(ctx, d)
}

func (g keys) Touch(ctx context.Context, uses []store.Use) error {
	return g.Keys.Touch(ctx, known(uses))
}

func (g keys) BeginGrace(ctx context.Context, id string, now time.Time) error {
	if err := found(id); err != nil {
		return err
	}
	return g.Keys.BeginGrace(ctx, id, now)
}

func (g keys) Rehash(ctx context.Context, id string, old, next keyfmt.Digest) error {
	if err := cmp.Or(found(id), valid(named(next.Pepper)), swaps(named(old.Pepper))); err != nil {
		return err
	}
	return g.Keys.Rehash(ctx, id, old, next)
}

// swaps returns ErrConflict unless ok, which says whether a record can have the values
// that a compare-and-swap expects.
func swaps(ok bool) error {
	if !ok {
		return store.ErrConflict
	}
	return nil
}

// KeyAdmin guards a.
func KeyAdmin(a store.KeyAdmin) store.KeyAdmin { return admin{a} }

type admin struct{ store.KeyAdmin }

func (g admin) Create(ctx context.Context, k store.Key, quota int, now time.Time) error {
	if err := cmp.Or(found(k.Account), valid(key(k))); err != nil {
		return err
	}
	return g.KeyAdmin.Create(ctx, k, quota, now)
}

// key reports whether k can be written, apart from its account.
func key(k store.Key) bool {
	return named(k.ID, k.Owner, k.CreatedBy, k.Environment, k.Digest.Pepper, k.Family, k.Replaces, k.Idempotency) &&
		texts(k.Name, k.Hint, k.Import, k.Plan, k.Reason) && grant(k.Grant)
}

func (g admin) Get(ctx context.Context, account, id string) (store.Key, error) {
	if err := found(account, id); err != nil {
		return store.Key{}, err
	}
	return g.KeyAdmin.Get(ctx, account, id)
}

func (g admin) ByIdempotency(ctx context.Context, account, idempotency string) (store.Key, error) {
	if err := found(account, idempotency); err != nil {
		return store.Key{}, err
	}
	return g.KeyAdmin.ByIdempotency(ctx, account, idempotency)
}

func (g admin) List(ctx context.Context, account, after string, limit int) ([]store.Key, error) {
	if limit <= 0 || !named(account, after) {
		return nil, valid(named(after))
	}
	return g.KeyAdmin.List(ctx, account, after, limit)
}

func (g admin) Owned(ctx context.Context, account, owner, after string, limit int) ([]store.Key, error) {
	if limit <= 0 || !named(account, owner, after) {
		return nil, valid(named(after))
	}
	return g.KeyAdmin.Owned(ctx, account, owner, after, limit)
}

func (g admin) Expiring(ctx context.Context, account string, now, by time.Time, limit int) ([]store.Key, error) {
	if limit <= 0 || !named(account) {
		return nil, nil
	}
	return g.KeyAdmin.Expiring(ctx, account, now, by, limit)
}

func (g admin) Outdated(ctx context.Context, pepper string, now time.Time) (int, error) {
	if !named(pepper) {
		return 0, store.ErrInvalid
	}
	return g.KeyAdmin.Outdated(ctx, pepper, now)
}

func (g admin) Update(ctx context.Context, account, id string, u store.KeyUpdate, now time.Time) (store.Key, error) {
	ok := (u.Name == nil || texts(*u.Name)) && (u.Grant == nil || grant(*u.Grant))
	if err := cmp.Or(found(account, id), valid(ok), timed(now), swaps(grant(u.Was))); err != nil {
		return store.Key{}, err
	}
	return g.KeyAdmin.Update(ctx, account, id, u, now)
}

func (g admin) Revoke(ctx context.Context, account, id, reason string, now time.Time) error {
	if err := cmp.Or(found(account, id), valid(texts(reason)), timed(now)); err != nil {
		return err
	}
	return g.KeyAdmin.Revoke(ctx, account, id, reason, now)
}

func (g admin) RevokeAll(ctx context.Context, account string, f store.Filter, reason string, now time.Time) (int, error) {
	if err := cmp.Or(valid(texts(reason)), timed(now)); err != nil || !named(account, f.Owner, f.CreatedBy, f.Environment) {
		return 0, err
	}
	return g.KeyAdmin.RevokeAll(ctx, account, f, reason, now)
}

func (g admin) Rotate(ctx context.Context, account, id string, next store.Key, deadline, now time.Time) error {
	next.Account, next.Replaces = account, id // next gets these from the old key
	next.Owner, next.Environment, next.Plan, next.Family = "", "", "", ""
	if err := cmp.Or(found(account, id), valid(key(next))); err != nil {
		return err
	}
	return g.KeyAdmin.Rotate(ctx, account, id, next, deadline, now)
}

func (g admin) Prune(ctx context.Context, before time.Time, most int) (int, error) {
	if most <= 0 {
		return 0, nil
	}
	return g.KeyAdmin.Prune(ctx, before, most)
}

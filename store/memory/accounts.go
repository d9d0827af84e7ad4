package memory

import (
	"context"
	"fmt"
	"slices"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

type accounts struct{ s *Store }

func (v accounts) Create(ctx context.Context, a store.Account) error {
	return v.s.change(func() ([]string, error) {
		i, taken := slices.BinarySearch(v.s.order, a.ID)
		if taken {
			return nil, store.ErrConflict
		}
		if len(v.s.order) >= v.s.maxAccounts {
			return nil, fmt.Errorf("%w: it holds %d accounts", ErrFull, len(v.s.order))
		}
		a.Created = utc(a.Created)
		v.s.accounts[a.ID] = &account{Account: a}
		v.s.order = slices.Insert(v.s.order, i, a.ID)
		return []string{a.ID}, nil
	})
}

func (v accounts) Get(ctx context.Context, id string) (store.Account, error) {
	v.s.mu.RLock()
	defer v.s.mu.RUnlock()
	a := v.s.accounts[id]
	if a == nil {
		return store.Account{}, store.ErrNotFound
	}
	return a.Account, nil
}

func (v accounts) List(ctx context.Context, after string, limit int) ([]store.Account, error) {
	v.s.mu.RLock()
	defer v.s.mu.RUnlock()
	i, found := slices.BinarySearch(v.s.order, after)
	if found {
		i++
	}
	ids := v.s.order[i:]
	ids = ids[:min(len(ids), limit)]
	list := make([]store.Account, 0, len(ids))
	for _, id := range ids {
		list = append(list, v.s.accounts[id].Account)
	}
	return list, nil
}

func (v accounts) SetStatus(ctx context.Context, id string, status authz.Status) error {
	return v.set(id, func(a *account) { a.Status = status })
}

func (v accounts) SetPlan(ctx context.Context, id, plan, limits string) error {
	return v.set(id, func(a *account) { a.Plan, a.Limits = plan, limits })
}

func (v accounts) set(id string, f func(*account)) error {
	return v.s.change(func() ([]string, error) {
		a := v.s.accounts[id]
		if a == nil {
			return nil, store.ErrNotFound
		}
		f(a)
		return []string{id}, nil
	})
}

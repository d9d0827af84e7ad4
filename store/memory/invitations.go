package memory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"medtwin.ai/tollgate/store"
)

// An offer is an address that an account has invited. There is one invitation for it.
type offer struct{ account, email string }

type invitations struct{ s *Store }

func (v invitations) Put(ctx context.Context, i store.Invitation) error {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	a := v.s.accounts[i.Account]
	if a == nil {
		return store.ErrNotFound
	}
	before, same := v.s.offers[offer{i.Account, i.Email}], v.s.invitations[i.ID]
	if same != nil && same != before {
		return store.ErrConflict
	}
	if before != nil {
		v.s.withdraw(before)
	}
	if len(v.s.invitations) >= v.s.maxUsers {
		return fmt.Errorf("%w: it holds %d invitations", ErrFull, len(v.s.invitations))
	}
	i.Scope, i.Created, i.Expires = maps.Clone(i.Scope), utc(i.Created), utc(i.Expires)
	v.s.invitations[i.ID], v.s.offers[offer{i.Account, i.Email}] = &i, &i
	at, _ := slices.BinarySearchFunc(a.invitations, i.ID, byInvitation)
	a.invitations = slices.Insert(a.invitations, at, &i)
	return nil
}

func (v invitations) Get(ctx context.Context, account, id string) (store.Invitation, error) {
	v.s.mu.RLock()
	defer v.s.mu.RUnlock()
	i := v.s.invitations[id]
	if i == nil || i.Account != account {
		return store.Invitation{}, store.ErrNotFound
	}
	return copiedInvitation(i), nil
}

func (v invitations) OfAccount(ctx context.Context, account, after string, limit int) ([]store.Invitation, error) {
	v.s.mu.RLock()
	defer v.s.mu.RUnlock()
	a := v.s.accounts[account]
	if a == nil {
		return nil, nil
	}
	at, found := slices.BinarySearchFunc(a.invitations, after, byInvitation)
	if found {
		at++
	}
	page := a.invitations[at:]
	page = page[:min(len(page), limit)]
	list := make([]store.Invitation, 0, len(page))
	for _, i := range page {
		list = append(list, copiedInvitation(i))
	}
	return list, nil
}

func (v invitations) Remove(ctx context.Context, account, id string) error {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	i := v.s.invitations[id]
	if i == nil || i.Account != account {
		return store.ErrNotFound
	}
	v.s.withdraw(i)
	return nil
}

func (v invitations) Accept(ctx context.Context, account, id, user string, now time.Time) (m store.Membership, err error) {
	err = v.s.change(func() ([]string, error) {
		i, u := v.s.invitations[id], v.s.users[user]
		if i == nil || i.Account != account || i.Expired(now) || u == nil {
			return nil, store.ErrNotFound
		}
		if v.s.membership(account, user) != nil {
			return nil, store.ErrConflict
		}
		if err := v.s.join(u, v.s.accounts[account], i.Membership(user, now)); err != nil {
			return nil, err
		}
		v.s.withdraw(i)
		m = copiedMember(v.s.membership(account, user))
		return []string{user}, nil
	})
	return m, err
}

func (v invitations) Prune(ctx context.Context, before time.Time, most int) (int, error) {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	var old []*store.Invitation
	for _, i := range v.s.invitations {
		if !i.Expires.IsZero() && i.Expires.Before(before) {
			old = append(old, i)
		}
	}
	slices.SortFunc(old, func(a, b *store.Invitation) int { return a.Expires.Compare(b.Expires) })
	old = old[:min(len(old), most)]
	for _, i := range old {
		v.s.withdraw(i)
	}
	return len(old), nil
}

// withdraw deletes an invitation. s.mu is held.
func (s *Store) withdraw(i *store.Invitation) {
	delete(s.invitations, i.ID)
	delete(s.offers, offer{i.Account, i.Email})
	a := s.accounts[i.Account]
	a.invitations = slices.DeleteFunc(a.invitations, func(o *store.Invitation) bool { return o == i })
}

func byInvitation(i *store.Invitation, id string) int { return cmp.Compare(i.ID, id) }

// copiedInvitation returns a copy of i that shares nothing mutable with it.
func copiedInvitation(i *store.Invitation) store.Invitation {
	c := *i
	c.Scope = maps.Clone(i.Scope)
	return c
}

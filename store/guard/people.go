package guard

import (
	"cmp"
	"context"
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// Accounts guards a.
func Accounts(a store.Accounts) store.Accounts { return accounts{a} }

type accounts struct{ store.Accounts }

func (g accounts) Create(ctx context.Context, a store.Account) error {
	a.Status = cmp.Or(a.Status, authz.Active)
	if err := cmp.Or(valid(named(a.ID) && texts(a.Name, a.Plan, a.Limits)), status(a.Status)); err != nil {
		return err
	}
	return g.Accounts.Create(ctx, a)
}

func (g accounts) Get(ctx context.Context, id string) (store.Account, error) {
	if err := found(id); err != nil {
		return store.Account{}, err
	}
	return g.Accounts.Get(ctx, id)
}

func (g accounts) List(ctx context.Context, after string, limit int) ([]store.Account, error) {
	if limit <= 0 || !named(after) {
		return nil, valid(named(after))
	}
	return g.Accounts.List(ctx, after, limit)
}

func (g accounts) SetStatus(ctx context.Context, id string, s authz.Status) error {
	if err := cmp.Or(status(s), found(id)); err != nil {
		return err
	}
	return g.Accounts.SetStatus(ctx, id, s)
}

func (g accounts) SetPlan(ctx context.Context, id, plan, limits string) error {
	if err := cmp.Or(found(id), valid(texts(plan, limits))); err != nil {
		return err
	}
	return g.Accounts.SetPlan(ctx, id, plan, limits)
}

// Users guards u.
func Users(u store.Users) store.Users { return users{u} }

type users struct{ store.Users }

func (g users) Create(ctx context.Context, u store.User) error {
	u.Status = cmp.Or(u.Status, authz.Active)
	if err := cmp.Or(valid(named(u.ID, u.Email) && texts(u.Name, u.Password)), status(u.Status)); err != nil {
		return err
	}
	return g.Users.Create(ctx, u)
}

func (g users) Get(ctx context.Context, id string) (store.User, error) {
	if err := found(id); err != nil {
		return store.User{}, err
	}
	return g.Users.Get(ctx, id)
}

func (g users) ByEmail(ctx context.Context, email string) (store.User, error) {
	if err := found(email); err != nil {
		return store.User{}, err
	}
	return g.Users.ByEmail(ctx, email)
}

func (g users) SetPassword(ctx context.Context, was store.User, next string) (epoch int64, err error) {
	if err := cmp.Or(found(was.ID), valid(texts(next)), swaps(texts(was.Password))); err != nil {
		return 0, err
	}
	return g.Users.SetPassword(ctx, was, next)
}

func (g users) BeginReset(ctx context.Context, id string) (store.User, error) {
	if err := found(id); err != nil {
		return store.User{}, err
	}
	return g.Users.BeginReset(ctx, id)
}

func (g users) Rehash(ctx context.Context, id, old, next string) error {
	if err := cmp.Or(found(id), valid(texts(next)), swaps(texts(old))); err != nil {
		return err
	}
	return g.Users.Rehash(ctx, id, old, next)
}

func (g users) SetStatus(ctx context.Context, id string, s authz.Status) error {
	if err := cmp.Or(status(s), found(id)); err != nil {
		return err
	}
	return g.Users.SetStatus(ctx, id, s)
}

func (g users) EndSessions(ctx context.Context, id string) (epoch int64, err error) {
	if err := found(id); err != nil {
		return 0, err
	}
	return g.Users.EndSessions(ctx, id)
}

// Memberships guards m.
func Memberships(m store.Memberships) store.Memberships { return memberships{m} }

type memberships struct{ store.Memberships }

func (g memberships) Put(ctx context.Context, m store.Membership) error {
	if err := cmp.Or(found(m.Account, m.User), valid(texts(m.Role) && scope(m.Scope))); err != nil {
		return err
	}
	return g.Memberships.Put(ctx, m)
}

func (g memberships) Remove(ctx context.Context, account, user string) error {
	if err := found(account, user); err != nil {
		return err
	}
	return g.Memberships.Remove(ctx, account, user)
}

func (g memberships) Get(ctx context.Context, account, user string) (store.Membership, error) {
	if err := found(account, user); err != nil {
		return store.Membership{}, err
	}
	return g.Memberships.Get(ctx, account, user)
}

func (g memberships) OfUser(ctx context.Context, user string) ([]store.Membership, error) {
	if !named(user) {
		return nil, nil
	}
	return g.Memberships.OfUser(ctx, user)
}

func (g memberships) OfAccount(ctx context.Context, account, after string, limit int) ([]store.Membership, error) {
	if limit <= 0 || !named(account, after) {
		return nil, valid(named(after))
	}
	return g.Memberships.OfAccount(ctx, account, after, limit)
}

func (g memberships) Swap(ctx context.Context, was store.Membership, next *store.Membership, keep string) error {
	ok := texts(keep) && (next == nil || texts(next.Role) && scope(next.Scope))
	if err := cmp.Or(found(was.Account, was.User), valid(ok), swaps(texts(was.Role) && scope(was.Scope))); err != nil {
		return err
	}
	return g.Memberships.Swap(ctx, was, next, keep)
}

// Invitations guards i.
func Invitations(i store.Invitations) store.Invitations { return invitations{i} }

type invitations struct{ store.Invitations }

func (g invitations) Put(ctx context.Context, i store.Invitation) error {
	ok := named(i.ID, i.Email, i.By) && texts(i.Name, i.Role) && scope(i.Scope)
	if err := cmp.Or(found(i.Account), valid(ok)); err != nil {
		return err
	}
	return g.Invitations.Put(ctx, i)
}

func (g invitations) Get(ctx context.Context, account, id string) (store.Invitation, error) {
	if err := found(account, id); err != nil {
		return store.Invitation{}, err
	}
	return g.Invitations.Get(ctx, account, id)
}

func (g invitations) OfAccount(ctx context.Context, account, after string, limit int) ([]store.Invitation, error) {
	if limit <= 0 || !named(account, after) {
		return nil, valid(named(after))
	}
	return g.Invitations.OfAccount(ctx, account, after, limit)
}

func (g invitations) Remove(ctx context.Context, account, id string) error {
	if err := found(account, id); err != nil {
		return err
	}
	return g.Invitations.Remove(ctx, account, id)
}

func (g invitations) Accept(ctx context.Context, account, id, user string, now time.Time) (store.Membership, error) {
	if err := cmp.Or(found(account, id, user), timed(now)); err != nil {
		return store.Membership{}, err
	}
	return g.Invitations.Accept(ctx, account, id, user, now)
}

func (g invitations) Prune(ctx context.Context, before time.Time, most int) (int, error) {
	if most <= 0 {
		return 0, nil
	}
	return g.Invitations.Prune(ctx, before, most)
}

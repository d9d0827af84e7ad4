package memory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// user is a user with their memberships by ascending account.
type user struct {
	store.User
	members []*store.Membership
}

type users struct{ s *Store }

func (v users) Create(ctx context.Context, u store.User) error {
	return v.s.change(func() ([]string, error) {
		if v.s.users[u.ID] != nil || v.s.emails[u.Email] != nil {
			return nil, store.ErrConflict
		}
		if len(v.s.users) >= v.s.maxUsers {
			return nil, fmt.Errorf("%w: it holds %d users", ErrFull, len(v.s.users))
		}
		u.Created = utc(u.Created)
		added := &user{User: u}
		v.s.users[u.ID] = added
		if u.Email != "" {
			v.s.emails[u.Email] = added
		}
		return []string{u.ID}, nil
	})
}

func (v users) Get(ctx context.Context, id string) (store.User, error) {
	v.s.mu.RLock()
	defer v.s.mu.RUnlock()
	return present(v.s.users[id])
}

func (v users) ByEmail(ctx context.Context, email string) (store.User, error) {
	v.s.mu.RLock()
	defer v.s.mu.RUnlock()
	return present(v.s.emails[email])
}

func present(u *user) (store.User, error) {
	if u == nil {
		return store.User{}, store.ErrNotFound
	}
	return u.User, nil
}

func (v users) SetPassword(ctx context.Context, was store.User, next string) (epoch int64, err error) {
	err = v.set(was.ID, func(u *user) error {
		if u.Password != was.Password || u.Epoch != was.Epoch {
			return store.ErrConflict
		}
		u.Password = next
		u.Epoch++
		epoch = u.Epoch
		return nil
	})
	return epoch, err
}

func (v users) BeginReset(ctx context.Context, id string) (now store.User, err error) {
	err = v.set(id, func(u *user) error {
		u.Resets++
		now = u.User
		return nil
	})
	return now, err
}

func (v users) Rehash(ctx context.Context, id, old, next string) error {
	return v.set(id, func(u *user) error {
		if u.Password != old {
			return store.ErrConflict
		}
		u.Password = next
		return nil
	})
}

func (v users) SetStatus(ctx context.Context, id string, s authz.Status) error {
	return v.set(id, func(u *user) error {
		u.Status = s
		if s != authz.Active {
			u.Epoch++
		}
		return nil
	})
}

func (v users) EndSessions(ctx context.Context, id string) (epoch int64, err error) {
	err = v.set(id, func(u *user) error {
		u.Epoch++
		epoch = u.Epoch
		return nil
	})
	return epoch, err
}

// set changes a user by f, which changes nothing if it returns an error.
func (v users) set(id string, f func(*user) error) error {
	return v.s.change(func() ([]string, error) {
		u := v.s.users[id]
		if u == nil {
			return nil, store.ErrNotFound
		}
		if err := f(u); err != nil {
			return nil, err
		}
		return []string{id}, nil
	})
}

type memberships struct{ s *Store }

func (v memberships) Put(ctx context.Context, m store.Membership) error {
	return v.s.change(func() ([]string, error) {
		u, a := v.s.users[m.User], v.s.accounts[m.Account]
		if u == nil || a == nil {
			return nil, store.ErrNotFound
		}
		if i, found := slices.BinarySearchFunc(u.members, m.Account, byAccount); found {
			u.members[i].Role, u.members[i].Scope = m.Role, maps.Clone(m.Scope)
			return []string{m.User}, nil
		}
		return []string{m.User}, v.s.join(u, a, m)
	})
}

// join adds a membership that does not exist yet. s.mu is held.
func (s *Store) join(u *user, a *account, m store.Membership) error {
	if s.members >= s.maxUsers {
		return fmt.Errorf("%w: it holds %d memberships", ErrFull, s.members)
	}
	s.members++
	m.Scope, m.Created = maps.Clone(m.Scope), utc(m.Created)
	i, _ := slices.BinarySearchFunc(u.members, m.Account, byAccount)
	u.members = slices.Insert(u.members, i, &m)
	i, _ = slices.BinarySearchFunc(a.members, m.User, byUser)
	a.members = slices.Insert(a.members, i, &m)
	return nil
}

// leave removes a membership. s.mu is held.
func (s *Store) leave(m *store.Membership) {
	s.members--
	u, a := s.users[m.User], s.accounts[m.Account]
	same := func(o *store.Membership) bool { return o == m }
	u.members, a.members = slices.DeleteFunc(u.members, same), slices.DeleteFunc(a.members, same)
}

func (v memberships) Remove(ctx context.Context, account, user string) error {
	return v.s.change(func() ([]string, error) {
		m := v.s.membership(account, user)
		if m == nil {
			return nil, store.ErrNotFound
		}
		v.s.leave(m)
		return []string{user}, nil
	})
}

func (v memberships) Swap(ctx context.Context, was store.Membership, next *store.Membership, keep string) error {
	return v.s.change(func() ([]string, error) {
		m := v.s.membership(was.Account, was.User)
		switch {
		case m == nil:
			return nil, store.ErrNotFound
		case !m.Equal(was):
			return nil, store.ErrConflict
		case keep != "" && was.Role == keep && (next == nil || next.Role != keep) && !v.s.others(m):
			return nil, store.ErrLast
		}
		if next == nil {
			v.s.leave(m)
		} else {
			m.Role, m.Scope = next.Role, maps.Clone(next.Scope)
		}
		return []string{was.User}, nil
	})
}

// others reports whether another active user has the role of m in its account. s.mu is
// held.
func (s *Store) others(m *store.Membership) bool {
	return slices.ContainsFunc(s.accounts[m.Account].members, func(o *store.Membership) bool {
		return o != m && o.Role == m.Role && s.users[o.User].Status == authz.Active
	})
}

func (v memberships) Get(ctx context.Context, account, user string) (store.Membership, error) {
	v.s.mu.RLock()
	defer v.s.mu.RUnlock()
	m := v.s.membership(account, user)
	if m == nil {
		return store.Membership{}, store.ErrNotFound
	}
	return copiedMember(m), nil
}

func (v memberships) OfUser(ctx context.Context, user string) ([]store.Membership, error) {
	v.s.mu.RLock()
	defer v.s.mu.RUnlock()
	u := v.s.users[user]
	if u == nil {
		return nil, nil
	}
	return copiedMembers(u.members), nil
}

func (v memberships) OfAccount(ctx context.Context, account, after string, limit int) ([]store.Membership, error) {
	v.s.mu.RLock()
	defer v.s.mu.RUnlock()
	a := v.s.accounts[account]
	if a == nil {
		return nil, nil
	}
	i, found := slices.BinarySearchFunc(a.members, after, byUser)
	if found {
		i++
	}
	page := a.members[i:]
	return copiedMembers(page[:min(len(page), limit)]), nil
}

// membership returns the membership of a user in an account, or nil. s.mu is held.
func (s *Store) membership(account, user string) *store.Membership {
	u := s.users[user]
	if u == nil {
		return nil
	}
	i, found := slices.BinarySearchFunc(u.members, account, byAccount)
	if !found {
		return nil
	}
	return u.members[i]
}

func byAccount(m *store.Membership, account string) int { return cmp.Compare(m.Account, account) }
func byUser(m *store.Membership, user string) int       { return cmp.Compare(m.User, user) }

// copiedMember returns a copy of m that shares nothing mutable with it.
func copiedMember(m *store.Membership) store.Membership {
	c := *m
	c.Scope = maps.Clone(m.Scope)
	return c
}

func copiedMembers(list []*store.Membership) []store.Membership {
	copies := make([]store.Membership, 0, len(list))
	for _, m := range list {
		copies = append(copies, copiedMember(m))
	}
	return copies
}

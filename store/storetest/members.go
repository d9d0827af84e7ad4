package storetest

import (
	"fmt"
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

func memberChecks() []check {
	return []check{
		{1, "every field of a membership comes back", everyFieldOfMembership},
		{1, "OfAccount pages by ascending user", memberPages},
		{2, "a list of members is of one account or user", foreignMembers},
		{4, "Put changes role and scope and nothing else", changeRole},
		{21, "Swap changes what the caller has read", swapMember},
		{21, "Swap changes nothing that was changed meanwhile", swapStale},
		{21, "a role that is kept stays with an active member", keepRole},
		{21, "of members who remove each other one stays", removeEachOther},
	}
}

func newMembership(account string, n int) store.Membership {
	return store.Membership{User: newUser(n).ID, Account: account, Role: "editor", Created: t0}
}

func (s *suite) put(members ...store.Membership) {
	s.Helper()
	for _, m := range members {
		s.must("Memberships.Put", s.Memberships().Put(s.Context(), m))
	}
}

func (s *suite) member(account, user string) store.Membership {
	s.Helper()
	m, err := s.Memberships().Get(s.Context(), account, user)
	s.must("Memberships.Get", err)
	return m
}

func (s *suite) membersOf(account string) []store.Membership {
	s.Helper()
	list, err := s.Memberships().OfAccount(s.Context(), account, "", 1000)
	s.must("OfAccount", err)
	return list
}

func (s *suite) accountsOf(user string) []store.Membership {
	s.Helper()
	list, err := s.Memberships().OfUser(s.Context(), user)
	s.must("OfUser", err)
	return list
}

func everyFieldOfMembership(s *suite) {
	s.accounts(mine)
	s.users(1)
	want := newMembership(mine, 1)
	want.Role = "owner '\""
	want.Scope = map[string]authz.Set{"projects": authz.Of("proj_1", "名 '\""), "artifact_types": authz.All(), "regions": {}}
	s.put(want)
	s.same("Memberships.Get", s.member(mine, want.User), want)
	s.same("OfAccount", s.membersOf(mine), []store.Membership{want})
	s.same("OfUser", s.accountsOf(want.User), []store.Membership{want})

	s.must("Remove", s.Memberships().Remove(s.Context(), mine, want.User))
	_, err := s.Memberships().Get(s.Context(), mine, want.User)
	s.is("Get of what was removed", err, store.ErrNotFound)
	s.same("OfAccount of what was removed", s.membersOf(mine), []store.Membership(nil))
	s.same("OfUser of what was removed", s.accountsOf(want.User), []store.Membership(nil))
	s.is("Remove again", s.Memberships().Remove(s.Context(), mine, want.User), store.ErrNotFound)
	s.put(want)
}

func changeRole(s *suite) {
	s.accounts(mine)
	s.users(1)
	m := newMembership(mine, 1)
	s.put(m)
	narrow := map[string]authz.Set{"projects": authz.Of("proj_1")}
	for _, step := range []store.Membership{
		{Role: "viewer"}, {Role: "viewer", Scope: narrow}, {Role: "editor", Scope: narrow},
		{Role: "editor", Scope: map[string]authz.Set{"projects": {}}}, {Role: "owner"},
	} {
		again := m
		again.Role, again.Scope, again.Created = step.Role, step.Scope, t0.AddDate(1, 0, 0)
		s.put(again)
		m.Role, m.Scope = step.Role, step.Scope
		s.same("Get", s.member(mine, m.User), m)
		s.same("OfAccount", s.membersOf(mine), []store.Membership{m})
		s.same("OfUser", s.accountsOf(m.User), []store.Membership{m})
	}
}

func foreignMembers(s *suite) {
	s.accounts(theirs, mine)
	s.users(1, 2, 3)
	s.put(newMembership(theirs, 1), newMembership(mine, 2), newMembership(mine, 1), newMembership(theirs, 3))
	s.same("OfAccount", s.membersOf(mine), []store.Membership{newMembership(mine, 1), newMembership(mine, 2)})
	s.same("OfUser", s.accountsOf(newUser(1).ID), []store.Membership{newMembership(mine, 1), newMembership(theirs, 1)})
	_, err := s.Memberships().Get(s.Context(), mine, newUser(3).ID)
	s.is("Get of another account's member", err, store.ErrNotFound)
	s.is("Remove of another account's member", s.Memberships().Remove(s.Context(), mine, newUser(3).ID), store.ErrNotFound)
	s.same("the other account", s.membersOf(theirs), []store.Membership{newMembership(theirs, 1), newMembership(theirs, 3)})
	s.same("nobody's accounts", s.accountsOf("user_none"), []store.Membership(nil))
	s.same("no account's members", s.membersOf("acct_none"), []store.Membership(nil))
}

func memberPages(s *suite) {
	s.accounts(mine)
	var want []store.Membership
	for i := range 7 {
		s.users(i * 3 % 7) // in no order
		s.put(newMembership(mine, i*3%7))
		want = append(want, newMembership(mine, i))
	}
	for _, size := range []int{1, 3, 7, 8} {
		var got []store.Membership
		after := ""
		for range 8 {
			page, err := s.Memberships().OfAccount(s.Context(), mine, after, size)
			s.must("OfAccount", err)
			if len(page) > size {
				s.errorf("a page of %d, limit %d", len(page), size)
			}
			if len(page) == 0 {
				break
			}
			got, after = append(got, page...), page[len(page)-1].User
		}
		s.same(fmt.Sprintf("pages of %d", size), got, want)
	}
	for _, size := range []int{0, -1} {
		page, err := s.Memberships().OfAccount(s.Context(), mine, "", size)
		if err != nil || len(page) != 0 {
			s.errorf("OfAccount with limit %d: %d members, error %v; want none", size, len(page), err)
		}
	}
}

func swapMember(s *suite) {
	s.accounts(mine, theirs)
	s.users(1, 2)
	m := newMembership(mine, 1)
	others := []store.Membership{newMembership(mine, 2), newMembership(theirs, 1)}
	s.put(append(others, m)...)
	narrow := map[string]authz.Set{"projects": authz.Of("proj_1"), "regions": {}}
	for _, next := range []store.Membership{
		{Role: "viewer"}, {Role: "viewer", Scope: narrow}, {Role: "owner", Scope: narrow}, {Role: "owner"},
		{Role: "", User: you, Account: theirs, Created: t0.AddDate(1, 0, 0)}, // only the role of this one is read
		{Role: "editor"},
	} {
		s.must("Swap", s.Memberships().Swap(s.Context(), m, &next, ""))
		m.Role, m.Scope = next.Role, next.Scope
		s.same("after Swap", s.member(mine, me), m)
		s.same("OfUser after Swap", s.accountsOf(me), []store.Membership{m, others[1]})
	}
	s.must("Swap", s.Memberships().Swap(s.Context(), m, nil, ""))
	s.same("OfAccount without who was removed", s.membersOf(mine), others[:1])
	s.same("OfUser of who was removed", s.accountsOf(me), others[1:])
	s.is("Swap of who was removed", s.Memberships().Swap(s.Context(), m, &m, ""), store.ErrNotFound)
	s.put(m)
	s.same("who is a member again", s.member(mine, me), m)
}

func swapStale(s *suite) {
	s.accounts(mine, theirs)
	s.users(1)
	m := newMembership(mine, 1)
	m.Scope = map[string]authz.Set{"projects": authz.Of("proj_1")}
	s.put(m)
	role, scope, created := m, m, m
	role.Role, scope.Scope, created.Created = "viewer", map[string]authz.Set{"projects": authz.Of("proj_2")}, t0.Add(-time.Microsecond)
	unscoped := m
	unscoped.Scope = nil
	next := &store.Membership{Role: "owner"}
	for _, c := range []struct {
		what string
		was  store.Membership
	}{{"another role", role}, {"another scope", scope}, {"no scope", unscoped}, {"another time", created}} {
		s.is("Swap of a membership with "+c.what, s.Memberships().Swap(s.Context(), c.was, next, ""), store.ErrConflict)
		s.is("removal of a membership with "+c.what, s.Memberships().Swap(s.Context(), c.was, nil, "editor"), store.ErrConflict)
	}
	foreign := m
	foreign.Account = theirs
	s.is("Swap of a membership of another account", s.Memberships().Swap(s.Context(), foreign, next, ""), store.ErrNotFound)
	s.same("after all failed", s.member(mine, me), m)

	const n = 12
	won, roleOf := 0, func(i int) string { return fmt.Sprint("role ", i) }
	for i, err := range each(n, func(i int) error {
		return s.Memberships().Swap(s.Context(), m, &store.Membership{Role: roleOf(i)}, "")
	}) {
		if err != nil {
			s.is("a swap that lost", err, store.ErrConflict)
			continue
		}
		won++
		want := m
		want.Role, want.Scope = roleOf(i), nil
		s.same("after the swap that won", s.member(mine, me), want)
	}
	if won != 1 {
		s.errorf("%d of %d swaps of one membership won, want 1", won, n)
	}
}

// keepRole is one story: each step begins with what the step before has left.
func keepRole(s *suite) {
	s.accounts(mine, theirs)
	s.users(1, 2, 3, 4)
	owner := func(account string, n int) store.Membership {
		m := newMembership(account, n)
		m.Role = "owner"
		return m
	}
	s.put(owner(mine, 1), owner(mine, 2), newMembership(mine, 3), owner(theirs, 4), owner(theirs, 1))
	status := func(n int, to authz.Status) {
		s.Helper()
		s.must("SetStatus", s.Users().SetStatus(s.Context(), newUser(n).ID, to))
	}
	swap := func(what string, was store.Membership, next *store.Membership, keep string, want error) {
		s.Helper()
		err := s.Memberships().Swap(s.Context(), was, next, keep)
		if want == nil && err != nil {
			s.fatalf("%s: %v", what, err)
		}
		s.is(what, err, want)
		if want != nil {
			s.same("after a refusal", s.member(was.Account, was.User), was)
		}
	}
	editor, narrow := &store.Membership{Role: "editor"}, &store.Membership{Role: "owner", Scope: map[string]authz.Set{"projects": authz.Of("p")}}

	status(2, authz.Suspended)
	swap("the removal of an owner beside a suspended one", owner(mine, 1), nil, "owner", store.ErrLast)
	status(2, authz.ReadOnly)
	swap("the removal of an owner beside a read-only one", owner(mine, 1), nil, "owner", store.ErrLast)
	status(2, authz.Active)
	swap("the removal of an owner beside another", owner(mine, 2), nil, "owner", nil)
	swap("the removal of the last owner", owner(mine, 1), nil, "owner", store.ErrLast)
	swap("another role for the last owner", owner(mine, 1), editor, "owner", store.ErrLast)
	swap("another scope for the last owner", owner(mine, 1), narrow, "owner", nil)
	scoped := owner(mine, 1)
	scoped.Scope = narrow.Scope
	swap("no scope for the last owner", scoped, &store.Membership{Role: "owner"}, "owner", nil)
	swap("another role for one who is no owner", newMembership(mine, 3), &store.Membership{Role: "viewer"}, "owner", nil)
	viewer := newMembership(mine, 3)
	viewer.Role = "viewer"
	swap("the removal of one who is no owner", viewer, nil, "owner", nil)
	swap("the removal of an owner of the other account", owner(theirs, 4), nil, "owner", nil)
	swap("the removal of the last owner, whom nothing keeps", owner(mine, 1), nil, "", nil)
	s.same("the members at the end", s.membersOf(mine), []store.Membership(nil))
	s.same("the other members at the end", s.membersOf(theirs), []store.Membership{owner(theirs, 1)})
}

func removeEachOther(s *suite) {
	const owners, rounds = 4, 8
	s.accounts(mine)
	s.users(1, 2, 3, 4)
	for round := range rounds {
		var was [owners]store.Membership
		for i := range was {
			was[i] = newMembership(mine, i+1)
			was[i].Role, was[i].Created = "owner", t0.Add(time.Duration(round)*time.Second)
			_ = s.Memberships().Remove(s.Context(), mine, was[i].User) // those that the last round has left
		}
		s.put(was[:]...)
		for i, err := range each(owners, func(i int) error {
			if i%2 == 0 {
				return s.Memberships().Swap(s.Context(), was[i], nil, "owner")
			}
			return s.Memberships().Swap(s.Context(), was[i], &store.Membership{Role: "editor"}, "owner")
		}) {
			if err != nil {
				s.is(fmt.Sprintf("the end of owner %d", i), err, store.ErrLast)
			}
		}
		left := 0
		for _, m := range s.membersOf(mine) {
			if m.Role == "owner" {
				left++
			}
		}
		if left != 1 {
			s.fatalf("of %d owners who end their roles at once %d stay, want 1", owners, left)
		}
	}
}

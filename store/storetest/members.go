package storetest

import (
	"fmt"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

func memberChecks() []check {
	return []check{
		{1, "every field of a membership comes back", everyFieldOfMembership},
		{1, "OfAccount pages by ascending user", memberPages},
		{2, "a list of members is of one account or user", foreignMembers},
		{4, "Put changes role and scope and nothing else", changeRole},
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

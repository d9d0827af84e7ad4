package storetest

import (
	"fmt"
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

func invitationChecks() []check {
	return []check{
		{1, "every field of an invitation comes back", everyFieldOfInvitation},
		{1, "missing invitations are ErrNotFound", missingInvitation},
		{1, "OfAccount pages invitations by ascending id", invitationPages},
		{2, "another account's invitation is as absent as a missing one", foreignInvitation},
		{3, "Invitations.Prune deletes what expired long ago and nothing else", pruneInvitations},
		{20, "an account has one invitation for an address", oneInvitation},
		{20, "an invitation is accepted as it says, once", accept},
		{20, "an acceptance that fails changes nothing", acceptInVain},
		{20, "of many acceptances at once one succeeds", acceptTogether},
	}
}

// newInvitation describes the nth invitation of an account; a higher n is a later
// id.
func newInvitation(account string, n int) store.Invitation {
	return store.Invitation{
		ID: fmt.Sprintf("inv_%s_%04d", account, n), Account: account, Email: fmt.Sprintf("guest%d@example.org", n),
		Name: "Grace", Role: "editor", By: "user_0001", Created: t0, Expires: t0.Add(72 * time.Hour),
	}
}

func (s *suite) invite(list ...store.Invitation) {
	s.Helper()
	for _, i := range list {
		s.must("Invitations.Put", s.Invitations().Put(s.Context(), i))
	}
}

func (s *suite) invitation(account, id string) store.Invitation {
	s.Helper()
	i, err := s.Invitations().Get(s.Context(), account, id)
	s.must("Invitations.Get", err)
	return i
}

func (s *suite) invitationsOf(account string) []store.Invitation {
	s.Helper()
	list, err := s.Invitations().OfAccount(s.Context(), account, "", 1000)
	s.must("Invitations.OfAccount", err)
	return list
}

func everyFieldOfInvitation(s *suite) {
	s.accounts(mine)
	full := newInvitation(mine, 2)
	full.Email, full.Name, full.Role, full.By = "名@example.org", "名前 'x' \" \\", "owner '\"", "operator"
	full.Scope = map[string]authz.Set{"projects": authz.Of("proj_1", "名 '\""), "artifact_types": authz.All(), "regions": {}}
	bare := store.Invitation{ID: "inv_bare", Account: mine, Email: "bare@example.org"}
	s.invite(full, bare)
	s.same("Get", s.invitation(mine, full.ID), full)
	s.same("Get", s.invitation(mine, bare.ID), bare)
	s.same("OfAccount", s.invitationsOf(mine), []store.Invitation{full, bare})

	_, err := s.Users().ByEmail(s.Context(), full.Email)
	s.is("a user with the address that was invited", err, store.ErrNotFound)
	s.same("members of an account that has invited", s.membersOf(mine), []store.Membership(nil))
}

func missingInvitation(s *suite) {
	s.accounts(mine)
	s.users(1)
	ctx, invitations, id := s.Context(), s.Invitations(), newInvitation(mine, 1).ID
	for _, c := range []struct {
		what string
		err  error
	}{
		{"Put without an account", invitations.Put(ctx, newInvitation("acct_none", 1))},
		{"Get", second(invitations.Get(ctx, mine, id))},
		{"Remove", invitations.Remove(ctx, mine, id)},
		{"Accept", second(invitations.Accept(ctx, mine, id, me, t0))},
	} {
		s.is(c.what, c.err, store.ErrNotFound)
	}
	i := newInvitation(mine, 1)
	s.invite(i)
	s.must("Remove", invitations.Remove(ctx, mine, i.ID))
	s.is("Get of what was removed", second(invitations.Get(ctx, mine, i.ID)), store.ErrNotFound)
	s.is("Remove again", invitations.Remove(ctx, mine, i.ID), store.ErrNotFound)
	s.is("Accept of what was removed", second(invitations.Accept(ctx, mine, i.ID, me, t0)), store.ErrNotFound)
	s.same("what is left", s.invitationsOf(mine), []store.Invitation(nil))
	s.invite(i) // its id and address are free again
}

// second returns the second of two results.
func second[T any](_ T, err error) error { return err }

func invitationPages(s *suite) {
	s.accounts(mine, theirs)
	var want []store.Invitation
	for i := range 7 {
		s.invite(newInvitation(mine, i*3%7), newInvitation(theirs, i)) // in no order
		want = append(want, newInvitation(mine, i))
	}
	for _, size := range []int{1, 3, 7, 8} {
		var got []store.Invitation
		after := ""
		for range 8 {
			page, err := s.Invitations().OfAccount(s.Context(), mine, after, size)
			s.must("OfAccount", err)
			if len(page) > size {
				s.errorf("a page of %d, limit %d", len(page), size)
			}
			if len(page) == 0 {
				break
			}
			got, after = append(got, page...), page[len(page)-1].ID
		}
		s.same(fmt.Sprintf("pages of %d", size), got, want)
	}
	for _, size := range []int{0, -1} {
		page, err := s.Invitations().OfAccount(s.Context(), mine, "", size)
		if err != nil || len(page) != 0 {
			s.errorf("OfAccount with limit %d: %d invitations, error %v; want none", size, len(page), err)
		}
	}
}

func foreignInvitation(s *suite) {
	s.accounts(mine, theirs)
	s.users(1)
	i := newInvitation(theirs, 1)
	s.invite(i)
	ctx, invitations := s.Context(), s.Invitations()
	s.is("Get", second(invitations.Get(ctx, mine, i.ID)), store.ErrNotFound)
	s.is("Remove", invitations.Remove(ctx, mine, i.ID), store.ErrNotFound)
	s.is("Accept", second(invitations.Accept(ctx, mine, i.ID, me, t0)), store.ErrNotFound)
	taken := newInvitation(mine, 2)
	taken.ID = i.ID
	s.is("Put with an id that is taken", invitations.Put(ctx, taken), store.ErrConflict)
	s.same("the other account's invitation", s.invitation(theirs, i.ID), i)
	s.same("OfAccount", s.invitationsOf(mine), []store.Invitation(nil))
	s.same("OfAccount of no account", s.invitationsOf("acct_none"), []store.Invitation(nil))
	s.same("the members of the other account", s.membersOf(theirs), []store.Membership(nil))
}

func pruneInvitations(s *suite) {
	s.accounts(mine, theirs)
	long, just, never, other := newInvitation(mine, 1), newInvitation(mine, 2), newInvitation(mine, 3), newInvitation(theirs, 4)
	long.Expires, just.Expires, never.Expires, other.Expires = t0.Add(-time.Microsecond), t0, time.Time{}, t0.Add(-time.Hour)
	s.invite(long, just, never, other)
	for _, want := range []int{2, 0} {
		n, err := s.Invitations().Prune(s.Context(), t0, 1000)
		s.must("Invitations.Prune", err)
		if n != want {
			s.errorf("Invitations.Prune deleted %d invitations, want %d", n, want)
		}
	}
	s.same("what is left", s.invitationsOf(mine), []store.Invitation{just, never})
	s.same("what is left of others", s.invitationsOf(theirs), []store.Invitation(nil))
	s.invite(long) // its id and address are free again
}

func oneInvitation(s *suite) {
	s.accounts(mine, theirs)
	s.users(1)
	first, again, other := newInvitation(mine, 1), newInvitation(mine, 2), newInvitation(theirs, 3)
	again.Email, other.Email = first.Email, first.Email
	again.Name, again.Role, again.By, again.Scope = "Mary", "viewer", "operator", map[string]authz.Set{"projects": authz.Of("proj_1")}
	again.Created, again.Expires = t0.Add(time.Hour), t0.Add(time.Minute)
	bystander := newInvitation(mine, 4)
	s.invite(first, other, bystander, again)
	s.same("the invitations after a second one for an address", s.invitationsOf(mine), []store.Invitation{again, bystander})
	s.is("Get of the first", second(s.Invitations().Get(s.Context(), mine, first.ID)), store.ErrNotFound)
	s.is("Accept of the first", second(s.Invitations().Accept(s.Context(), mine, first.ID, me, t0)), store.ErrNotFound)
	s.same("the other account's for the address", s.invitationsOf(theirs), []store.Invitation{other})
	again.Role = "editor"
	s.invite(again)
	s.same("one that was put again under its id", s.invitation(mine, again.ID), again)

	taken := newInvitation(mine, 4) // the id of another one
	taken.Email = first.Email
	s.is("Put with an id that is taken", s.Invitations().Put(s.Context(), taken), store.ErrConflict)
	s.same("after it failed", s.invitationsOf(mine), []store.Invitation{again, bystander})

	const n = 12
	for i, err := range each(n, func(i int) error {
		next := newInvitation(mine, 10+i)
		next.Email = first.Email
		return s.Invitations().Put(s.Context(), next)
	}) {
		s.must(fmt.Sprintf("Put %d at once", i), err)
	}
	if got := len(s.invitationsOf(mine)); got != 2 {
		s.errorf("after %d invitations for one address at once there are %d, want it and another", n, got)
	}
}

func accept(s *suite) {
	s.accounts(mine, theirs)
	s.users(1, 2)
	i := newInvitation(mine, 1)
	i.Scope = map[string]authz.Set{"projects": authz.Of("proj_1"), "regions": {}}
	never := newInvitation(theirs, 1)
	never.Expires = time.Time{}
	s.invite(i, newInvitation(mine, 2), never)
	last := i.Expires.Add(-time.Microsecond)
	want := store.Membership{User: me, Account: mine, Role: i.Role, Scope: i.Scope, Created: last}
	got, err := s.Invitations().Accept(s.Context(), mine, i.ID, me, last)
	s.must("Accept", err)
	s.same("Accept", got, want)
	s.same("the membership", s.membersOf(mine), []store.Membership{want})
	s.same("the invitations that are left", s.invitationsOf(mine), []store.Invitation{newInvitation(mine, 2)})
	s.is("Accept again", second(s.Invitations().Accept(s.Context(), mine, i.ID, me, last)), store.ErrNotFound)
	s.is("Accept again by another", second(s.Invitations().Accept(s.Context(), mine, i.ID, you, last)), store.ErrNotFound)
	s.same("after both failed", s.membersOf(mine), []store.Membership{want})

	want = store.Membership{User: me, Account: theirs, Role: never.Role, Created: t0.AddDate(9, 0, 0)}
	got, err = s.Invitations().Accept(s.Context(), theirs, never.ID, me, want.Created)
	s.must("Accept of one without an end", err)
	s.same("Accept of one without an end", got, want)
	s.same("the user", s.user(1), newUser(1))
}

func acceptInVain(s *suite) {
	s.accounts(mine)
	s.users(1, 2)
	member := newMembership(mine, 2)
	member.Role = "viewer"
	s.put(member)
	i := newInvitation(mine, 1)
	s.invite(i)
	for _, c := range []struct {
		what, user string
		now        time.Time
		want       error
	}{
		{"at its end", me, i.Expires, store.ErrNotFound},
		{"after its end", me, i.Expires.AddDate(1, 0, 0), store.ErrNotFound},
		{"without a user", "user_none", t0, store.ErrNotFound},
		{"by a member", you, t0, store.ErrConflict},
	} {
		m, err := s.Invitations().Accept(s.Context(), mine, i.ID, c.user, c.now)
		s.is("Accept "+c.what, err, c.want)
		s.same("the membership that Accept returns "+c.what, m, store.Membership{})
		s.same("the invitation after Accept "+c.what, s.invitationsOf(mine), []store.Invitation{i})
		s.same("the members after Accept "+c.what, s.membersOf(mine), []store.Membership{member})
	}
	if _, err := s.Invitations().Accept(s.Context(), mine, i.ID, me, time.Time{}); err == nil {
		s.errorf("Accept at no time makes a member")
	}
	s.must("Accept", second(s.Invitations().Accept(s.Context(), mine, i.ID, me, t0)))
}

func acceptTogether(s *suite) {
	const n = 8
	s.accounts(mine)
	i := newInvitation(mine, 1)
	s.invite(i)
	for user := range n {
		s.users(user)
	}
	won := 0
	for _, err := range each(2*n, func(k int) error {
		return second(s.Invitations().Accept(s.Context(), mine, i.ID, newUser(k%n).ID, t0))
	}) {
		if err == nil {
			won++
		} else {
			s.is("an acceptance that lost", err, store.ErrNotFound)
		}
	}
	if members := len(s.membersOf(mine)); won != 1 || members != 1 {
		s.errorf("of %d acceptances of one invitation %d succeed and make %d members, want 1 of each", 2*n, won, members)
	}
}

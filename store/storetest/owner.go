package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// case A8, for what the store does of it
func ownerChecks() []check {
	return []check{
		{14, "Find tells what the key's owner is", findOwner},
		{14, "Find tells the present state of the owner", findOwnerNow},
		{14, "Find answers of one instant", findAtOnce},
	}
}

func findOwner(s *suite) {
	s.accounts(mine, theirs)
	s.users(1, 2, 3)
	suspended := newUser(4)
	suspended.Status = authz.Suspended
	s.must("Users.Create", s.Users().Create(s.Context(), suspended))
	here, there, third := newMembership(mine, 1), newMembership(theirs, 1), newMembership(theirs, 2)
	here.Role, here.Scope = "viewer", map[string]authz.Set{"projects": authz.Of("proj_1"), "regions": {}}
	there.Role = "owner"
	s.put(here, there, third, newMembership(mine, 4))

	for i, c := range []struct {
		what, account, owner string
		user                 authz.Status
		membership           store.Membership
	}{
		{what: "a key of the account's own", account: mine},
		{what: "a key of a user who is in no account any more", account: mine, owner: "user_none", user: authz.Active},
		{"a member's key", mine, me, authz.Active, here},
		{"a member's key elsewhere", theirs, me, authz.Active, there},
		{what: "a key of another account's member", account: mine, owner: you, user: authz.Active},
		{what: "the key of a member of nothing", account: mine, owner: newUser(3).ID, user: authz.Active},
		{"a suspended member's key", mine, suspended.ID, authz.Suspended, newMembership(mine, 4)},
	} {
		k := newKey(c.account, i)
		k.Owner, k.CreatedBy = c.owner, me // who made it is another matter
		s.keys(k)
		got, o := s.find(k.Digest)
		s.same(c.what, got, k)
		s.same("the owner of "+c.what, o, store.Owner{Account: newAccount(c.account), User: c.user, Membership: c.membership})
	}

	// A user without an id, if a store admits one, does not own what nobody owns.
	nameless := newUser(5)
	nameless.ID = ""
	if s.Users().Create(s.Context(), nameless) == nil {
		_, o := s.find(newKey(mine, 0).Digest)
		s.same("the owner of a key of the account's own", o, store.Owner{Account: newAccount(mine)})
	}
}

func findOwnerNow(s *suite) {
	s.accounts(mine)
	s.users(1)
	k := newKey(mine, 1)
	k.Owner = me
	s.keys(k)
	want := store.Owner{Account: newAccount(mine)}
	see := func(what string) {
		s.Helper()
		for range 2 {
			_, o := s.find(k.Digest)
			s.same("after "+what, o, want)
		}
	}
	set := func(status authz.Status) {
		s.Helper()
		s.must("Users.SetStatus", s.Users().SetStatus(s.Context(), me, status))
		want.User = status
		see("the status " + status.String())
	}
	put := func(m store.Membership) {
		s.Helper()
		s.put(m)
		want.Membership = m
		see("another membership")
	}
	want.User = authz.Active
	see("a key whose owner is no member")
	m := newMembership(mine, 1)
	put(m)
	m.Role = "viewer"
	put(m)
	m.Scope = map[string]authz.Set{"projects": authz.Of("proj_1", "proj_2")}
	put(m)
	m.Scope = map[string]authz.Set{"projects": authz.Of("proj_2")} // removed from a project
	put(m)
	set(authz.Suspended)
	set(authz.ReadOnly)
	set(authz.Active)
	s.must("Remove", s.Memberships().Remove(s.Context(), mine, me))
	want.Membership = store.Membership{}
	see("Remove")
	m.Role, m.Scope = "editor", nil
	put(m)
}

// A plan is always given before the role and the scope of the same number, so
// at no instant they are further than one apart.
func findAtOnce(s *suite) {
	s.accounts(mine)
	s.users(1)
	k := newKey(mine, 1)
	k.Owner = me
	s.keys(k)
	give := func(n int) {
		s.must("SetPlan", s.Accounts().SetPlan(s.Context(), mine, fmt.Sprint(n), ""))
		m := newMembership(mine, 1)
		m.Role = fmt.Sprint(n)
		m.Scope = map[string]authz.Set{"projects": authz.Of(m.Role)}
		s.put(m)
	}
	give(0)
	var done atomic.Bool
	var torn atomic.Pointer[string]
	var reads atomic.Int64
	var wg sync.WaitGroup
	stop := func() {
		done.Store(true)
		wg.Wait()
	}
	defer stop()
	for range 2 {
		wg.Go(func() {
			for !done.Load() {
				_, o, err := s.Keys().Find(s.Context(), k.Digest)
				role, plan := 0, 0
				if err == nil {
					_, err = fmt.Sscan(o.Account.Plan+" "+o.Membership.Role, &plan, &role)
				}
				if err != nil || role > plan || role < plan-1 || !o.Membership.Scope["projects"].Has(o.Membership.Role) {
					torn.Store(new(fmt.Sprintf("plan %d with role %d of scope %v, error %v", plan, role, o.Membership.Scope, err)))
				}
				reads.Add(1)
			}
		})
	}
	for n, late := 1, time.Now().Add(s.timeout); torn.Load() == nil && (n <= 50 || reads.Load() < 50) && time.Now().Before(late); n++ {
		give(n)
	}
	stop()
	if text := torn.Load(); text != nil {
		s.errorf("Find: %s", *text)
	}
}

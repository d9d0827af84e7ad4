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
		k.Owner, k.CreatedBy = c.owner, me // who made it does not count
		s.keys(k)
		got, o := s.find(k.Digest)
		s.same(c.what, got, k)
		s.same("the owner of "+c.what, o, store.Owner{Account: newAccount(c.account), User: c.user, Membership: c.membership})
	}

	// If a store allows a user without an id, that user owns no key.
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

// The plan is always set before the role and the scope of the same number. So at any
// instant they differ by at most one.
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

func joinedChecks() []check {
	return []check{
		{18, "a key is added for a member alone", addForMembers},
		{18, "no key escapes the removal of its owner", noKeyEscapes},
	}
}

func addForMembers(s *suite) {
	s.accounts(mine, theirs)
	s.users(1, 2)
	s.put(newMembership(theirs, 1), newMembership(mine, 2))
	k := newKey(mine, 1)
	for _, owner := range []string{me, "user_none"} { // who is a member elsewhere, and nowhere
		k.Owner = owner
		for _, quota := range []int{0, 5} {
			s.is("Create for "+owner, s.KeyAdmin().Create(s.Context(), k, quota, t0), store.ErrNotFound)
		}
	}
	s.same("the keys after Create was refused", s.list(mine), []store.Key(nil))

	k.Owner = me
	s.put(newMembership(mine, 1))
	s.must("Create for a member", s.KeyAdmin().Create(s.Context(), k, 0, t0))
	s.must("Remove", s.Memberships().Remove(s.Context(), mine, me))
	next := newKey(mine, 2)
	rotate := func() error { return s.KeyAdmin().Rotate(s.Context(), mine, k.ID, next, t0.Add(time.Hour), t0) }
	s.is("Rotate when the owner has been removed", rotate(), store.ErrInactive)
	s.same("the keys after Rotate was refused", s.list(mine), []store.Key{k})
	s.put(newMembership(mine, 1))
	s.must("Rotate when the owner is back", rotate())
}

// An application removes a member and then revokes the member's keys. A key that is being
// added at that time must be among them or be refused. Otherwise it would be valid again
// when the member comes back.
func noKeyEscapes(s *suite) {
	s.accounts(mine)
	s.users(1)
	member := newMembership(mine, 1)
	s.put(member)
	for round := range 10 {
		own := func(n int) store.Key {
			k := newKey(mine, round*100+n)
			k.Owner = me
			return k
		}
		old := own(0)
		s.must("Create for a member", s.KeyAdmin().Create(s.Context(), old, 0, t0))
		errs := each(8, func(i int) error {
			switch {
			case i == 0:
				if err := s.Memberships().Remove(s.Context(), mine, me); err != nil {
					return err
				}
				_, err := s.KeyAdmin().RevokeAll(s.Context(), mine, store.Filter{Owner: me}, "removed", t0)
				return err
			case i == 1:
				return s.KeyAdmin().Rotate(s.Context(), mine, old.ID, own(1), t0.Add(time.Hour), t0)
			}
			for j := range 5 {
				if err := s.KeyAdmin().Create(s.Context(), own(10*i+j), i%2*1000, t0); err != nil {
					return err
				}
			}
			return nil
		})
		s.must("Remove and RevokeAll", errs[0])
		for i, err := range errs[1:] {
			if err != nil {
				s.is(fmt.Sprintf("what lost against Remove, %d", i+1), err, []error{store.ErrInactive, store.ErrNotFound}[min(i, 1)])
			}
		}
		s.put(member)
		for _, k := range s.list(mine) {
			if k.Live(t0) {
				s.fatalf("the key %s opens again when its owner, who was removed while it was made, is back", k.ID)
			}
		}
	}
}

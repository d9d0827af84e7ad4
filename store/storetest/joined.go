package storetest

import (
	"fmt"
	"time"

	"medtwin.ai/tollgate/store"
)

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

// An application removes a member and then ends the keys that there are. What is
// being added meanwhile is among them, or is refused: else it would open again
// when the member is back.
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

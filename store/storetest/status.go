package storetest

import (
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

func statusChecks() []check {
	return []check{
		{19, "what is created without a status is active", activeAtFirst},
		{19, "no other status can be stored", noOtherStatus},
	}
}

func activeAtFirst(s *suite) {
	a, u := newAccount(mine), newUser(1)
	a.Status, u.Status = 0, 0
	s.must("Accounts.Create", s.Accounts().Create(s.Context(), a))
	s.must("Users.Create", s.Users().Create(s.Context(), u))
	got, err := s.Accounts().Get(s.Context(), mine)
	s.must("Accounts.Get", err)
	s.same("the account", got, newAccount(mine))
	s.same("the user", s.user(1), newUser(1))
}

func noOtherStatus(s *suite) {
	s.accounts(mine)
	s.users(1)
	for _, status := range []authz.Status{0, authz.Suspended + 1, 255} {
		s.is("Accounts.SetStatus", s.Accounts().SetStatus(s.Context(), mine, status), store.ErrInvalid)
		s.is("Users.SetStatus", s.Users().SetStatus(s.Context(), me, status), store.ErrInvalid)
		if status == 0 {
			continue
		}
		a, u := newAccount(theirs), newUser(2)
		a.Status, u.Status = status, status
		s.is("Accounts.Create", s.Accounts().Create(s.Context(), a), store.ErrInvalid)
		s.is("Users.Create", s.Users().Create(s.Context(), u), store.ErrInvalid)
	}
	got, err := s.Accounts().Get(s.Context(), mine)
	s.must("Accounts.Get", err)
	s.same("the account", got, newAccount(mine))
	s.same("the user", s.user(1), newUser(1))
}

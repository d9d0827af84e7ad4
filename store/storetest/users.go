package storetest

import (
	"fmt"
	"slices"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

func userChecks() []check {
	return []check{
		{1, "every field of a user comes back", everyFieldOfUser},
		{1, "missing users and memberships are ErrNotFound", missingUser},
		{1, "ids and emails of users are unique", takenUser},
		{1, "an email is found as it is written", email},
		{4, "changes to a user do not undo each other", userFields},
		{10, "a password is replaced by compare-and-swap", swapPassword},
		{10, "one of many new passwords wins", passwordsTogether}, // case S23
		{11, "an epoch grows with what ends sessions and nothing else", epoch},
		{11, "every reset counts, and nothing else", resets},     // case S28
		{11, "every end of the sessions counts", epochsTogether}, // case S11
	}
}

// newUser describes the nth user.
func newUser(n int) store.User {
	return store.User{
		ID: fmt.Sprintf("user_%04d", n), Email: fmt.Sprintf("u%d@example.org", n), Name: "Ada",
		Password: "$argon2id$first", Status: authz.Active, Created: t0,
	}
}

// users adds the users with these numbers.
func (s *suite) users(numbers ...int) {
	s.Helper()
	for _, n := range numbers {
		s.must("Users.Create", s.Users().Create(s.Context(), newUser(n)))
	}
}

func (s *suite) user(n int) store.User {
	s.Helper()
	u, err := s.Users().Get(s.Context(), newUser(n).ID)
	s.must("Users.Get", err)
	return u
}

func everyFieldOfUser(s *suite) {
	full := newUser(1)
	full.Status, full.Epoch, full.Resets, full.Name = authz.Suspended, 1<<40, 1<<41, "名前 'x' \" \\"
	for _, want := range []store.User{full, {ID: "user_bare", Status: authz.ReadOnly}, {ID: "user_bare_too", Status: authz.Suspended}} {
		s.must("Users.Create", s.Users().Create(s.Context(), want))
		got, err := s.Users().Get(s.Context(), want.ID)
		s.must("Users.Get", err)
		s.same("Users.Get", got, want)
	}
	got, err := s.Users().ByEmail(s.Context(), full.Email)
	s.must("ByEmail", err)
	s.same("ByEmail", got, full)
}

func missingUser(s *suite) {
	s.accounts(mine)
	s.users(1)
	ctx, users, members := s.Context(), s.Users(), s.Memberships()
	for _, tt := range []struct {
		what string
		f    func() error
	}{
		{"Get", func() error { _, err := users.Get(ctx, "user_none"); return err }},
		{"ByEmail", func() error { _, err := users.ByEmail(ctx, "none@example.org"); return err }},
		{"SetPassword", func() error { _, err := users.SetPassword(ctx, store.User{ID: "user_none"}, "x"); return err }},
		{"BeginReset", func() error { _, err := users.BeginReset(ctx, "user_none"); return err }},
		{"Rehash", func() error { return users.Rehash(ctx, "user_none", "", "x") }},
		{"SetStatus", func() error { return users.SetStatus(ctx, "user_none", authz.Active) }},
		{"EndSessions", func() error { _, err := users.EndSessions(ctx, "user_none"); return err }},
		{"Put without a user", func() error {
			return members.Put(ctx, store.Membership{User: "user_none", Account: mine, Role: "viewer"})
		}},
		{"Put without an account", func() error {
			return members.Put(ctx, store.Membership{User: newUser(1).ID, Account: "acct_none", Role: "viewer"})
		}},
		{"Memberships.Get", func() error { _, err := members.Get(ctx, mine, newUser(1).ID); return err }},
		{"Remove", func() error { return members.Remove(ctx, mine, newUser(1).ID) }},
		{"Swap", func() error { return members.Swap(ctx, newMembership(mine, 1), nil, "") }},
	} {
		s.is(tt.what, tt.f(), store.ErrNotFound)
	}
}

func takenUser(s *suite) {
	s.users(1)
	sameID, sameEmail := newUser(2), newUser(3)
	sameID.ID, sameEmail.Email = newUser(1).ID, newUser(1).Email
	for _, u := range []store.User{sameID, sameEmail} {
		u.Name = "Mallory"
		s.is("Create of a user that is taken", s.Users().Create(s.Context(), u), store.ErrConflict)
	}
	s.same("the first user", s.user(1), newUser(1))
	_, err := s.Users().Get(s.Context(), sameEmail.ID)
	s.is("a user that was refused", err, store.ErrNotFound)

	errs := each(8, func(i int) error {
		u := newUser(10 + i)
		u.Email = "same@example.org"
		return s.Users().Create(s.Context(), u)
	})
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			s.is("Create of a taken email", err, store.ErrConflict)
		}
	}
	if won != 1 {
		s.errorf("%d of 8 users got the same email", won)
	}
}

// A store that ignores case or accents would take one person for another.
func email(s *suite) {
	u := newUser(1)
	u.Email = "mike@example.org"
	s.must("Create", s.Users().Create(s.Context(), u))
	s.must("Create", s.Users().Create(s.Context(), store.User{ID: "user_nobody"}))
	for _, other := range []string{"", "Mike@example.org", "mıke@example.org", "mike@example.org ", "mike@example.org\x00", "m_ke@example.org", "%"} {
		_, err := s.Users().ByEmail(s.Context(), other)
		s.is(fmt.Sprintf("ByEmail(%q)", other), err, store.ErrNotFound)
	}
}

func swapPassword(s *suite) {
	s.users(1)
	want := newUser(1)
	stale, before := want, want
	stale.Password, before.Epoch = "$argon2id$stale", want.Epoch-1
	_, err := s.Users().SetPassword(s.Context(), stale, "$stolen")
	s.is("SetPassword over another hash", err, store.ErrConflict)
	_, err = s.Users().SetPassword(s.Context(), before, "$stolen") // case S28: the same hash may be back
	s.is("SetPassword in another epoch", err, store.ErrConflict)
	s.is("Rehash over another hash", s.Users().Rehash(s.Context(), want.ID, "", "$stolen"), store.ErrConflict)
	s.same("after all failed", s.user(1), want)

	s.must("Rehash", s.Users().Rehash(s.Context(), want.ID, want.Password, "$argon2id$second"))
	want.Password = "$argon2id$second"
	s.same("after Rehash", s.user(1), want)
	epoch, err := s.Users().SetPassword(s.Context(), want, "$argon2id$third")
	s.must("SetPassword", err)
	want.Password, want.Epoch = "$argon2id$third", epoch
	s.same("after SetPassword", s.user(1), want)
	s.is("Rehash of the hash before", s.Users().Rehash(s.Context(), want.ID, "$argon2id$second", "$late"), store.ErrConflict)
	s.same("after a late Rehash", s.user(1), want)
}

func passwordsTogether(s *suite) {
	s.users(1)
	was := newUser(1)
	next := func(i int) string { return fmt.Sprintf("$argon2id$%d", i) }
	errs := each(16, func(i int) error {
		if i%2 == 0 {
			return s.Users().Rehash(s.Context(), was.ID, was.Password, next(i))
		}
		_, err := s.Users().SetPassword(s.Context(), was, next(i))
		return err
	})
	won := 0
	for i, err := range errs {
		if err != nil {
			s.is("a change that lost", err, store.ErrConflict)
			continue
		}
		won++
		want := was
		want.Password, want.Epoch = next(i), int64(i%2)
		s.same("the user after the change that won", s.user(1), want)
	}
	if won != 1 {
		s.errorf("%d of 16 changes of one hash won, want 1", won)
	}
}

func epoch(s *suite) {
	s.accounts(mine)
	s.users(1, 2)
	id, want := newUser(1).ID, int64(0)
	set := func(status authz.Status) func() error {
		return func() error { return s.Users().SetStatus(s.Context(), id, status) }
	}
	var returned int64
	for _, step := range []struct {
		what   string
		do     func() error
		grows  int64
		answer bool
	}{
		{"Rehash", func() error { return s.Users().Rehash(s.Context(), id, "$argon2id$first", "$2") }, 0, false},
		{"SetPassword", func() (err error) { returned, err = s.Users().SetPassword(s.Context(), s.user(1), "$3"); return }, 1, true},
		{"EndSessions", func() (err error) { returned, err = s.Users().EndSessions(s.Context(), id); return }, 1, true},
		{"EndSessions again", func() (err error) { returned, err = s.Users().EndSessions(s.Context(), id); return }, 1, true},
		{"BeginReset", func() error { _, err := s.Users().BeginReset(s.Context(), id); return err }, 0, false},
		{"SetStatus(Suspended)", set(authz.Suspended), 1, false},
		{"SetStatus(ReadOnly)", set(authz.ReadOnly), 1, false},
		{"SetStatus(Active)", set(authz.Active), 0, false},
		{"SetStatus(Active) again", set(authz.Active), 0, false},
		{"a membership", func() error {
			return s.Memberships().Put(s.Context(), store.Membership{User: id, Account: mine, Role: "owner", Created: t0})
		}, 0, false},
	} {
		s.must(step.what, step.do())
		want += step.grows
		if got := s.user(1).Epoch; got != want {
			s.fatalf("after %s the epoch is %d, want %d", step.what, got, want)
		}
		if step.answer && returned != want {
			s.errorf("%s returns the epoch %d, want %d", step.what, returned, want)
		}
	}
	s.same("another user", s.user(2), newUser(2))
}

func resets(s *suite) {
	s.users(1, 2)
	want := newUser(1)
	for range 3 {
		got, err := s.Users().BeginReset(s.Context(), want.ID)
		s.must("BeginReset", err)
		want.Resets++
		s.same("BeginReset", got, want)
		s.same("after BeginReset", s.user(1), want)
	}
	var err error
	want.Epoch, err = s.Users().SetPassword(s.Context(), want, "$2")
	s.must("SetPassword", err)
	want.Password = "$2"
	s.same("after SetPassword", s.user(1), want)
	var numbers [8]int64
	for i, err := range each(len(numbers), func(i int) error {
		u, err := s.Users().BeginReset(s.Context(), want.ID)
		numbers[i] = u.Resets
		return err
	}) {
		s.must(fmt.Sprintf("BeginReset %d at once", i), err)
	}
	slices.Sort(numbers[:])
	for i, n := range numbers {
		if want := want.Resets + int64(i) + 1; n != want {
			s.errorf("of 8 resets at once the numbers are %v, want %d to %d", numbers, want, want+7)
			break
		}
	}
	s.same("another user", s.user(2), newUser(2))
}

func epochsTogether(s *suite) {
	s.users(1)
	id := newUser(1).ID
	const n = 16
	epochs := make([]int64, n)
	for _, err := range each(n, func(i int) (err error) {
		epochs[i], err = s.Users().EndSessions(s.Context(), id)
		return err
	}) {
		s.must("EndSessions", err)
	}
	slices.Sort(epochs)
	for i, e := range epochs {
		if e != int64(i+1) {
			s.fatalf("%d calls of EndSessions return the epochs %v", n, epochs)
		}
	}
	if got := s.user(1).Epoch; got != n {
		s.errorf("after %d calls the epoch is %d", n, got)
	}
}

func userFields(s *suite) {
	s.users(1)
	id := newUser(1).ID
	for n := range 20 {
		status, old := authz.Suspended, s.user(1)
		if n%2 == 0 {
			status = authz.ReadOnly
		}
		next := fmt.Sprintf("$argon2id$%d", n)
		for _, err := range each(3, func(i int) (err error) {
			switch i {
			case 0:
				return s.Users().SetStatus(s.Context(), id, status)
			case 1:
				return s.Users().Rehash(s.Context(), id, old.Password, next)
			default:
				_, err = s.Users().EndSessions(s.Context(), id)
				return err
			}
		}) {
			s.must("one of three writers", err)
		}
		want := old
		want.Status, want.Password, want.Epoch = status, next, old.Epoch+2
		s.same(fmt.Sprintf("the user after round %d", n), s.user(1), want)
	}
}

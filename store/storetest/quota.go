package storetest

import (
	"errors"
	"time"

	"medtwin.ai/tollgate/store"
)

func quotaChecks() []check {
	return []check{
		{6, "a quota counts what has not ended in the account", quota},
		{6, "a quota holds under concurrency", quotaTogether}, // case K22
	}
}

func quota(s *suite) {
	s.accounts(mine, theirs)
	create := func(k store.Key, quota int) error { return s.KeyAdmin().Create(s.Context(), k, quota, t0) }
	expired, revoked := newKey(mine, 1), newKey(mine, 2)
	expired.Expires = t0
	for _, k := range []store.Key{expired, revoked, newKey(theirs, 1), newKey(theirs, 2), newKey(theirs, 3)} {
		s.must("Create without a quota", create(k, 0))
	}
	s.must("Revoke", s.KeyAdmin().Revoke(s.Context(), mine, revoked.ID, "", t0))

	later := newKey(mine, 3)
	later.Expires = t0.Add(time.Microsecond)
	s.must("the first of two", create(later, 2))
	s.must("the second of two", create(newKey(mine, 4), 2))
	s.is("the third of two", create(newKey(mine, 5), 2), store.ErrQuota)
	s.must("without a quota", create(newKey(mine, 6), 0))
	s.is("a quota below what there is", create(newKey(mine, 7), 1), store.ErrQuota)
	if n := len(s.list(mine)); n != 5 {
		s.errorf("the account holds %d keys, want 5", n)
	}
	s.must("Revoke", s.KeyAdmin().Revoke(s.Context(), mine, newKey(mine, 4).ID, "", t0))
	s.must("a revocation makes room", create(newKey(mine, 8), 3))

	s.update(newKey(mine, 8), store.KeyUpdate{Disabled: new(true)})
	s.is("a disabled key leaves no room", create(newKey(mine, 9), 3), store.ErrQuota)
	s.must("without a quota", create(newKey(mine, 9), 0))
	s.update(newKey(mine, 8), store.KeyUpdate{Disabled: new(false)})
	s.is("nor has it come back for nothing", create(newKey(mine, 10), 4), store.ErrQuota)
}

func quotaTogether(s *suite) {
	s.accounts(mine, theirs)
	const allowed = 5
	errs := each(24, func(i int) error {
		account := mine
		if i%2 == 1 {
			account = theirs
		}
		return s.KeyAdmin().Create(s.Context(), newKey(account, i), allowed, t0)
	})
	for _, err := range errs {
		if err != nil && !errors.Is(err, store.ErrQuota) {
			s.errorf("Create: %v, want nil or ErrQuota", err)
		}
	}
	for _, account := range []string{mine, theirs} {
		if n := len(s.list(account)); n != allowed {
			s.errorf("%s holds %d keys under a quota of %d", account, n, allowed)
		}
	}
}

package storetest

import (
	"crypto/sha256"
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

// case K21, for what the store does of it
func idempotencyChecks() []check {
	return []check{
		{13, "an idempotency key makes one key", idempotent},
		{13, "an idempotency key makes one key under concurrency", idempotentTogether},
		{13, "an idempotency key makes one rotation", idempotentRotate},
		{2, "idempotency keys are apart in every account", idempotentForeign},
	}
}

// madeUnder describes the nth key, made by a call with that idempotency key.
func madeUnder(account string, n int, idempotency string) store.Key {
	k := newKey(account, n)
	k.Idempotency, k.Request = idempotency, sha256.Sum256([]byte(k.ID))
	return k
}

func made(s *suite, account, idempotency string) store.Key {
	s.Helper()
	k, err := s.KeyAdmin().ByIdempotency(s.Context(), account, idempotency)
	s.must("ByIdempotency", err)
	return k
}

func idempotent(s *suite) {
	s.accounts(mine)
	s.keys(newKey(mine, 1), newKey(mine, 2)) // without an idempotency key
	want := madeUnder(mine, 3, "call 1")
	want.Expires = t0.Add(time.Hour)
	s.keys(want, madeUnder(mine, 4, "Call 1"))
	s.is("Create under a used one", s.KeyAdmin().Create(s.Context(), madeUnder(mine, 5, "call 1"), 0, t0), store.ErrConflict)
	s.is("Create under a used one and a full quota", s.KeyAdmin().Create(s.Context(), madeUnder(mine, 5, "call 1"), 1, t0), store.ErrConflict)
	s.same("ByIdempotency", made(s, mine, "call 1"), want)
	for _, none := range []string{"", "call 2"} {
		_, err := s.KeyAdmin().ByIdempotency(s.Context(), mine, none)
		s.is("ByIdempotency of nothing", err, store.ErrNotFound)
	}

	// A replay may come when the key is revoked, or gone.
	s.must("Revoke", s.KeyAdmin().Revoke(s.Context(), mine, want.ID, "lost", t0))
	want.Revoked, want.Reason = t0, "lost"
	s.same("ByIdempotency of a revoked key", made(s, mine, "call 1"), want)
	s.is("Create under that of a revoked key", s.KeyAdmin().Create(s.Context(), madeUnder(mine, 5, "call 1"), 0, t0), store.ErrConflict)
	_, err := s.KeyAdmin().Prune(s.Context(), t0.Add(2*time.Hour), 1000)
	s.must("Prune", err)
	s.keys(madeUnder(mine, 5, "call 1"))
	s.same("ByIdempotency of its heir", made(s, mine, "call 1"), madeUnder(mine, 5, "call 1"))
}

func idempotentTogether(s *suite) {
	s.accounts(mine)
	won := 0
	for i, err := range each(16, func(i int) error {
		return s.KeyAdmin().Create(s.Context(), madeUnder(mine, i, "call 1"), 0, t0)
	}) {
		if err != nil {
			s.is("a replay", err, store.ErrConflict)
			continue
		}
		won++
		s.same("ByIdempotency", made(s, mine, "call 1"), madeUnder(mine, i, "call 1"))
	}
	if won != 1 || len(s.list(mine)) != 1 {
		s.errorf("%d of 16 calls under one idempotency key made a key; there are %d", won, len(s.list(mine)))
	}
}

func idempotentRotate(s *suite) {
	s.accounts(mine)
	a, b := newKey(mine, 1), newKey(mine, 2)
	s.keys(a, b)
	rotate := func(id string, next store.Key) error {
		return s.KeyAdmin().Rotate(s.Context(), mine, id, next, t0, t0)
	}
	next := madeUnder(mine, 3, "call 1")
	s.must("Rotate", s.KeyAdmin().Rotate(s.Context(), mine, a.ID, next, t0.Add(time.Hour), t0))
	next = heir(a, next)
	s.is("Rotate again", rotate(a.ID, madeUnder(mine, 4, "call 1")), store.ErrConflict)
	s.is("Rotate of another key", rotate(b.ID, madeUnder(mine, 5, "call 1")), store.ErrConflict)
	s.same("ByIdempotency", made(s, mine, "call 1"), next)
	a.Expires = t0.Add(time.Hour)
	s.same("all keys", s.list(mine), []store.Key{next, b, a})
}

func idempotentForeign(s *suite) {
	s.accounts(mine, theirs)
	s.keys(madeUnder(mine, 1, "call 1"))
	_, err := s.KeyAdmin().ByIdempotency(s.Context(), theirs, "call 1")
	s.is("ByIdempotency in another account", err, store.ErrNotFound)
	s.keys(madeUnder(theirs, 1, "call 1"))
	s.same("ByIdempotency", made(s, mine, "call 1"), madeUnder(mine, 1, "call 1"))
	s.same("ByIdempotency of the other", made(s, theirs, "call 1"), madeUnder(theirs, 1, "call 1"))
}

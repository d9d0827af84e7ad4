package storetest

import (
	"crypto/sha256"
	"time"

	"medtwin.ai/tollgate/store"
)

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

func (s *suite) made(account, idempotency string) store.Key {
	s.Helper()
	k, err := s.KeyAdmin().ByIdempotency(s.Context(), account, idempotency)
	s.must("ByIdempotency", err)
	return k
}

func idempotent(s *suite) {
	s.accounts(mine)
	s.keys(newKey(mine, 1), newKey(mine, 2)) // without one
	want := madeUnder(mine, 3, "call 1")
	want.Expires = t0.Add(time.Hour)
	s.keys(want, madeUnder(mine, 4, "Call 1"))
	s.is("Create under a used one", s.KeyAdmin().Create(s.Context(), madeUnder(mine, 5, "call 1"), 0, t0), store.ErrConflict)
	s.is("Create under a used one and a full quota", s.KeyAdmin().Create(s.Context(), madeUnder(mine, 5, "call 1"), 1, t0), store.ErrConflict)
	s.same("ByIdempotency", s.made(mine, "call 1"), want)
	for _, none := range []string{"", "call 2"} {
		_, err := s.KeyAdmin().ByIdempotency(s.Context(), mine, none)
		s.is("ByIdempotency of nothing", err, store.ErrNotFound)
	}

	// A replay may come when the key is revoked, or gone.
	s.must("Revoke", s.KeyAdmin().Revoke(s.Context(), mine, want.ID, "lost", t0))
	want.Revoked, want.Reason = t0, "lost"
	s.same("ByIdempotency of a revoked key", s.made(mine, "call 1"), want)
	s.is("Create under that of a revoked key", s.KeyAdmin().Create(s.Context(), madeUnder(mine, 5, "call 1"), 0, t0), store.ErrConflict)
	_, err := s.KeyAdmin().Prune(s.Context(), t0.Add(2*time.Hour), 1000)
	s.must("Prune", err)
	s.keys(madeUnder(mine, 5, "call 1"))
	s.same("ByIdempotency of its heir", s.made(mine, "call 1"), madeUnder(mine, 5, "call 1"))
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
		s.same("ByIdempotency", s.made(mine, "call 1"), madeUnder(mine, i, "call 1"))
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
	s.same("ByIdempotency", s.made(mine, "call 1"), next)
	a.Expires = t0.Add(time.Hour)
	s.same("all keys", s.list(mine), []store.Key{next, b, a})
}

func idempotentForeign(s *suite) {
	s.accounts(mine, theirs)
	s.keys(madeUnder(mine, 1, "call 1"))
	_, err := s.KeyAdmin().ByIdempotency(s.Context(), theirs, "call 1")
	s.is("ByIdempotency in another account", err, store.ErrNotFound)
	s.keys(madeUnder(theirs, 1, "call 1"))
	s.same("ByIdempotency", s.made(mine, "call 1"), madeUnder(mine, 1, "call 1"))
	s.same("ByIdempotency of the other", s.made(theirs, "call 1"), madeUnder(theirs, 1, "call 1"))
}

package storetest

import (
	"fmt"
	"time"

	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// case K6, for what the store does of it
func rehashChecks() []check {
	return []check{
		{10, "a digest is replaced by compare-and-swap", rehash},
		{10, "one of many digests wins", rehashTogether},
		{10, "a digest of one's own ends an import", rehashImport},
		{1, "Outdated counts what has not ended under other peppers", outdated},
	}
}

func under(pepper, id string) keyfmt.Digest {
	d := digest(pepper + id)
	d.Pepper = pepper
	return d
}

func rehash(s *suite) {
	s.accounts(mine, theirs)
	k, other := newKey(mine, 1), newKey(theirs, 1)
	s.keys(k, other)
	swap := func(id string, old, next keyfmt.Digest) error {
		return s.Keys().Rehash(s.Context(), id, old, next)
	}
	next := under("p2", k.ID)
	s.is("Rehash of a missing key", swap("key_none", k.Digest, next), store.ErrNotFound)
	s.is("Rehash of another sum", swap(k.ID, digest("wrong"), next), store.ErrConflict)
	s.is("Rehash of another pepper", swap(k.ID, keyfmt.Digest{Pepper: "p0", Sum: k.Digest.Sum}, next), store.ErrConflict)
	s.is("Rehash to a digest that is taken", swap(k.ID, k.Digest, other.Digest), store.ErrConflict)
	for _, want := range []store.Key{k, other} {
		got, _ := s.find(want.Digest)
		s.same("after what was refused", got, want)
	}

	old := k.Digest
	s.must("Rehash", swap(k.ID, old, next))
	k.Digest = next
	got, _ := s.find(next)
	s.same("Find by the new digest", got, k)
	s.same("Get", s.get(mine, k.ID), k)
	_, _, err := s.Keys().Find(s.Context(), old)
	s.is("Find by the old digest", err, store.ErrNotFound)
	s.is("Rehash again", swap(k.ID, old, under("p3", k.ID)), store.ErrConflict)

	heir := newKey(mine, 2)
	heir.Digest = old
	s.keys(heir) // the old digest is free
}

// An imported key is found by a digest that its verifier names, until it is
// used for the first time.
func rehashImport(s *suite) {
	s.accounts(mine)
	k := newKey(mine, 1)
	k.Digest, k.Import = under("import:bcrypt", k.ID), "$2b$10$x"
	s.keys(k)
	s.is("Rehash of another digest", s.Keys().Rehash(s.Context(), k.ID, digest("wrong"), digest("next")), store.ErrConflict)
	got, _ := s.find(k.Digest)
	s.same("an imported key", got, k)
	next := under("p2", k.ID)
	s.must("Rehash", s.Keys().Rehash(s.Context(), k.ID, k.Digest, next))
	k.Digest, k.Import = next, ""
	got, _ = s.find(next)
	s.same("Find after its first use", got, k)
	s.same("Get after its first use", s.get(mine, k.ID), k)
}

func rehashTogether(s *suite) {
	k := s.key(mine, 1)
	next := func(i int) keyfmt.Digest { return under(fmt.Sprint("p", i+2), k.ID) }
	won := 0
	for i, err := range each(16, func(i int) error { return s.Keys().Rehash(s.Context(), k.ID, k.Digest, next(i)) }) {
		if err != nil {
			s.is("a Rehash that lost", err, store.ErrConflict)
			continue
		}
		won++
		got, _ := s.find(next(i))
		if got.ID != k.ID {
			s.errorf("the digest that won finds %q", got.ID)
		}
	}
	if won != 1 {
		s.errorf("%d of 16 digests won, want 1", won)
	}
}

func outdated(s *suite) {
	s.accounts(mine, theirs)
	var n int
	add := func(account, pepper string, expires, revoked time.Time, disabled ...time.Time) {
		n++
		k := newKey(account, n)
		k.Digest, k.Expires, k.Revoked = under(pepper, k.ID), expires, revoked
		for _, at := range disabled {
			k.Disabled = at
		}
		s.keys(k)
	}
	add(mine, "p1", time.Time{}, time.Time{})
	add(theirs, "p1", t0.Add(time.Microsecond), time.Time{})
	add(mine, "", time.Time{}, time.Time{})
	add(mine, "p1", t0, time.Time{})
	add(mine, "p1", time.Time{}, t0)
	add(mine, "p2", time.Time{}, time.Time{})
	add(mine, "p1", time.Time{}, time.Time{}, t0) // it can come back, with the old pepper
	add(mine, "import:bcrypt", time.Time{}, time.Time{})
	for pepper, want := range map[string]int{"p2": 5, "p1": 3, "": 5, "p3": 6} {
		got, err := s.KeyAdmin().Outdated(s.Context(), pepper, t0)
		s.must("Outdated", err)
		if got != want {
			s.errorf("Outdated(%q) is %d, want %d", pepper, got, want)
		}
	}
}

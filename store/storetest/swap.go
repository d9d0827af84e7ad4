package storetest

import (
	"errors"
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

// Until an imported key is used for the first time, it is found by a digest whose pepper
// is the name of its verifier.
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
	add(mine, "p1", time.Time{}, time.Time{}, t0) // it can be enabled again, with the old pepper
	add(mine, "import:bcrypt", time.Time{}, time.Time{})
	for _, tt := range []struct {
		pepper string
		want   int
	}{{"p2", 5}, {"p1", 3}, {"", 5}, {"p3", 6}} {
		got, err := s.KeyAdmin().Outdated(s.Context(), tt.pepper, t0)
		s.must("Outdated", err)
		if got != tt.want {
			s.errorf("Outdated(%q) is %d, want %d", tt.pepper, got, tt.want)
		}
	}
}

func fingerprintChecks() []check {
	return []check{
		{10, "fingerprints are replaced by compare-and-swap", fingerprints},
		{10, "one of many sets of fingerprints wins", fingerprintsTogether},
	}
}

// newFingerprint describes a fingerprint.
func newFingerprint(id string, turn int) store.Fingerprint {
	return store.Fingerprint{ID: id, Sum: digest(id).Sum, Turn: turn}
}

func prints(s *suite, want []store.Fingerprint) {
	s.Helper()
	list, err := s.Fingerprints().List(s.Context())
	s.must("Fingerprints.List", err)
	s.same("Fingerprints.List", list, want)
}

func fingerprints(s *suite) {
	swap := func(old, next []store.Fingerprint) error { return s.Fingerprints().Swap(s.Context(), old, next) }
	first := []store.Fingerprint{newFingerprint("a-1", 0), newFingerprint("a1", 1), newFingerprint("root", 0)}
	second := []store.Fingerprint{newFingerprint("a1", 1), newFingerprint("b", 2), newFingerprint("root", 0)}
	prints(s, nil)
	s.is("Swap of what is not there", swap(first, second), store.ErrConflict)
	prints(s, nil)
	s.must("Swap of none", swap(nil, first))
	prints(s, first)
	other, turned := newFingerprint("a1", 1), newFingerprint("a1", 2)
	other.Sum = digest("other").Sum
	for _, old := range [][]store.Fingerprint{
		nil, second, first[:2], append(first[:2:2], other), {first[0], other, first[2]}, {first[0], turned, first[2]},
	} {
		s.is(fmt.Sprintf("Swap of %v", old), swap(old, second), store.ErrConflict)
	}
	prints(s, first)
	s.must("Swap", swap(first, second))
	prints(s, second)
	s.is("the same again", swap(first, second), store.ErrConflict)
	s.must("Swap to none", swap(second, nil))
	prints(s, nil)
}

func fingerprintsTogether(s *suite) {
	sets := make([][]store.Fingerprint, 8)
	for i := range sets {
		sets[i] = []store.Fingerprint{newFingerprint(fmt.Sprint("p", i), 1), newFingerprint(fmt.Sprint("q", i), 0)}
	}
	var won []store.Fingerprint
	for i, err := range each(len(sets), func(i int) error { return s.Fingerprints().Swap(s.Context(), nil, sets[i]) }) {
		switch {
		case err == nil && won == nil:
			won = sets[i]
		case err == nil:
			s.errorf("more than one of %d sets is the first", len(sets))
		case !errors.Is(err, store.ErrConflict):
			s.errorf("Swap: %v, want ErrConflict", err)
		}
	}
	prints(s, won)
}

package storetest

import (
	"errors"
	"fmt"

	"medtwin.ai/tollgate/store"
)

func fingerprintChecks() []check {
	return []check{
		{10, "fingerprints are replaced by compare-and-swap", fingerprints},
		{10, "one of many sets of fingerprints wins", fingerprintsTogether},
	}
}

// newFingerprint describes one; list them by id.
func newFingerprint(id string, turn int) store.Fingerprint {
	return store.Fingerprint{ID: id, Sum: digest(id).Sum, Turn: turn}
}

func (s *suite) prints(want []store.Fingerprint) {
	s.Helper()
	list, err := s.Fingerprints().List(s.Context())
	s.must("Fingerprints.List", err)
	s.same("Fingerprints.List", list, want)
}

func fingerprints(s *suite) {
	swap := func(old, next []store.Fingerprint) error { return s.Fingerprints().Swap(s.Context(), old, next) }
	first := []store.Fingerprint{newFingerprint("a-1", 0), newFingerprint("a1", 1), newFingerprint("root", 0)}
	second := []store.Fingerprint{newFingerprint("a1", 1), newFingerprint("b", 2), newFingerprint("root", 0)}
	s.prints(nil)
	s.is("Swap of what is not there", swap(first, second), store.ErrConflict)
	s.prints(nil)
	s.must("Swap of none", swap(nil, first))
	s.prints(first)
	other, turned := newFingerprint("a1", 1), newFingerprint("a1", 2)
	other.Sum = digest("other").Sum
	for _, old := range [][]store.Fingerprint{
		nil, second, first[:2], append(first[:2:2], other), {first[0], other, first[2]}, {first[0], turned, first[2]},
	} {
		s.is(fmt.Sprintf("Swap of %v", old), swap(old, second), store.ErrConflict)
	}
	s.prints(first)
	s.must("Swap", swap(first, second))
	s.prints(second)
	s.is("the same again", swap(first, second), store.ErrConflict)
	s.must("Swap to none", swap(second, nil))
	s.prints(nil)
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
	s.prints(won)
}

package storetest

import (
	"time"

	"medtwin.ai/tollgate/store"
)

func pruneChecks() []check {
	return []check{
		{3, "Prune deletes what expired long ago and nothing else", prune}, // case K20
	}
}

func prune(s *suite) {
	s.accounts(mine, theirs)
	long, just, later, never, revoked := newKey(mine, 1), newKey(mine, 2), newKey(mine, 3), newKey(mine, 4), newKey(mine, 5)
	other := newKey(theirs, 1)
	long.Expires, other.Expires = t0.Add(-time.Hour), t0.Add(-time.Microsecond)
	just.Expires, later.Expires = t0, t0.Add(time.Hour)
	s.keys(long, just, later, never, revoked, other)
	s.must("Revoke", s.KeyAdmin().Revoke(s.Context(), mine, revoked.ID, "lost", t0.Add(-time.Hour)))
	revoked.Revoked, revoked.Reason = t0.Add(-time.Hour), "lost"

	prune := func(before time.Time, want int) {
		s.Helper()
		n, err := s.KeyAdmin().Prune(s.Context(), before)
		s.must("Prune", err)
		if n != want {
			s.errorf("Prune before %v deleted %d keys, want %d", before, n, want)
		}
	}
	prune(time.Time{}, 0)
	prune(t0, 2)
	prune(t0, 0)
	s.same("what is left", s.list(mine), []store.Key{revoked, never, later, just})
	_, _, err := s.Keys().Find(s.Context(), long.Digest)
	s.is("Find of a pruned key", err, store.ErrNotFound)
	_, err = s.KeyAdmin().Get(s.Context(), theirs, other.ID)
	s.is("Get of a pruned key", err, store.ErrNotFound)
	s.keys(long) // its id and digest are free again

	prune(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), 3)
	s.same("what never expires", s.list(mine), []store.Key{revoked, never})
}

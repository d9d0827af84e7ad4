package storetest

import (
	"errors"
	"time"

	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

func rotateChecks() []check {
	return []check{
		{6, "Rotate adds the new key and lowers the old expiry", rotate},
		{6, "Rotate never raises an expiry", rotateExpiry},
		{6, "Rotate refuses inactive and rotated keys", rotateRefuses},
		{6, "Rotate does all or nothing", rotateAtomic},
		{6, "one of many rotations wins", rotateTogether},
	}
}

func rotate(s *suite) {
	old := s.key(mine, 1)
	next := full(mine)
	next.Revoked, next.Reason, next.Replaces, next.Family = time.Time{}, "", old.ID, old.Family
	deadline := t0.Add(time.Hour)
	s.must("Rotate", s.KeyAdmin().Rotate(s.Context(), mine, old.ID, next, deadline, t0))
	old.Expires = deadline
	s.same("the old key", s.get(mine, old.ID), old)
	k, a := s.find(next.Digest)
	s.same("the new key", k, next)
	s.same("its account", a, newAccount(mine))

	// Its successor can be rotated in turn.
	third := newKey(mine, 8)
	third.Replaces, third.Family = next.ID, old.Family
	s.must("Rotate of the successor", s.KeyAdmin().Rotate(s.Context(), mine, next.ID, third, deadline, t0))
	s.same("the third key", s.get(mine, third.ID), third)
}

func rotateExpiry(s *suite) {
	s.accounts(mine)
	hour, day := t0.Add(time.Hour), t0.Add(24*time.Hour)
	for i, c := range []struct{ expires, deadline, want time.Time }{
		{hour, day, hour},
		{day, hour, hour},
		{hour, hour, hour},
		{time.Time{}, hour, hour},
		{time.Time{}, t0, t0}, // no grace at all
		{hour, time.Time{}, hour},
	} {
		old, next := newKey(mine, 10+i), newKey(mine, 20+i)
		old.Expires, next.Replaces = c.expires, old.ID
		s.keys(old)
		s.must("Rotate", s.KeyAdmin().Rotate(s.Context(), mine, old.ID, next, c.deadline, t0))
		old.Expires = c.want
		s.same("the old key", s.get(mine, old.ID), old)
	}
}

func rotateRefuses(s *suite) {
	s.accounts(mine)
	expired, revoked, old := newKey(mine, 1), newKey(mine, 2), newKey(mine, 3)
	expired.Expires = t0 // a key has expired at its expiry
	s.keys(expired, revoked, old)
	s.must("Revoke", s.KeyAdmin().Revoke(s.Context(), mine, revoked.ID, "lost", t0))
	next := newKey(mine, 4)
	later := t0.Add(time.Hour)
	rotate := func(id string, next store.Key) error {
		next.Replaces = id
		return s.KeyAdmin().Rotate(s.Context(), mine, id, next, later, t0)
	}
	s.is("Rotate of an expired key", rotate(expired.ID, next), store.ErrInactive)
	s.is("Rotate of a revoked key", rotate(revoked.ID, next), store.ErrInactive)
	s.must("Rotate", rotate(old.ID, next))
	s.is("Rotate of a rotated key", rotate(old.ID, newKey(mine, 5)), store.ErrConflict)
	if n := len(s.list(mine)); n != 4 {
		s.errorf("the account holds %d keys, want 4", n)
	}
}

func rotateAtomic(s *suite) {
	s.accounts(mine)
	old, other := newKey(mine, 1), newKey(mine, 2)
	s.keys(old, other)
	sameID, sameDigest := newKey(mine, 3), newKey(mine, 4)
	sameID.ID, sameDigest.Digest = other.ID, other.Digest
	for _, next := range []store.Key{sameID, sameDigest} {
		next.Replaces = old.ID
		err := s.KeyAdmin().Rotate(s.Context(), mine, old.ID, next, t0, t0)
		s.is("Rotate to a key that exists", err, store.ErrConflict)
	}
	s.same("after rotations that failed", s.list(mine), []store.Key{other, old})
}

func rotateTogether(s *suite) {
	old := s.key(mine, 1)
	next := func(i int) store.Key {
		k := newKey(mine, 10+i)
		k.Replaces = old.ID
		return k
	}
	errs := each(16, func(i int) error {
		return s.KeyAdmin().Rotate(s.Context(), mine, old.ID, next(i), t0.Add(time.Hour), t0)
	})
	won := 0
	for i, err := range errs {
		_, _, found := s.Keys().Find(s.Context(), next(i).Digest)
		if err == nil {
			won++
			s.must("Find of the winner", found)
			continue
		}
		s.is("a rotation that lost", err, store.ErrConflict)
		if !errors.Is(found, store.ErrNotFound) {
			s.errorf("the new key of a rotation that lost: %v, want ErrNotFound", found)
		}
	}
	if won != 1 {
		s.errorf("%d of 16 rotations of one key won, want 1", won)
	}
	if n := len(s.list(mine)); n != 2 {
		s.errorf("the account holds %d keys, want 2", n)
	}
	if _, _, err := s.Keys().Find(s.Context(), keyfmt.Digest{}); !errors.Is(err, store.ErrNotFound) {
		s.errorf("an empty digest: %v, want ErrNotFound", err)
	}
}

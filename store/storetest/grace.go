package storetest

import (
	"time"

	"medtwin.ai/tollgate/store"
)

// case K16, for what the store does of it
func graceChecks() []check {
	return []check{
		{12, "the first use of a successor starts the grace", beginGrace},
		{12, "a grace begins once", graceOnce},
		{12, "a grace never raises an expiry", graceExpiry},
		{12, "a revoked key begins no grace and gets none", graceRevoked},
		{12, "no update lets a rotated key live longer", graceUpdate},
		{12, "one of many first uses begins the grace", graceTogether},
		{2, "a grace reaches no key of another account", graceForeign},
	}
}

// successor rotates key n of mine to key n+1 with a grace of one hour.
func (s *suite) successor(old store.Key, deadline time.Time) store.Key {
	s.Helper()
	next := heir(old, newKey(mine, 900))
	next.ID, next.Digest, next.Grace = old.ID+"_next", digest(old.ID+"_next"), time.Hour
	s.must("Rotate", s.KeyAdmin().Rotate(s.Context(), mine, old.ID, next, deadline, t0))
	return next
}

func (s *suite) begin(id string, now time.Time) {
	s.Helper()
	s.must("BeginGrace", s.Keys().BeginGrace(s.Context(), id, now))
}

func beginGrace(s *suite) {
	old := s.key(mine, 1)
	week, later := t0.Add(7*24*time.Hour), t0.Add(24*time.Hour)
	next := s.successor(old, week)
	old.Expires = week
	s.same("the old key before the first use", s.get(mine, old.ID), old)
	s.same("the new key before its first use", s.get(mine, next.ID), next)
	s.must("Touch", s.Keys().Touch(s.Context(), []store.Use{{ID: next.ID, At: later}}))
	next.Used = later

	s.begin(next.ID, later)
	old.Expires, next.Grace = later.Add(time.Hour), 0
	s.same("the old key after the first use", s.get(mine, old.ID), old)
	s.same("the new key after its first use", s.get(mine, next.ID), next)
	s.begin(old.ID, later) // it replaces nothing
	s.same("the old key after its own use", s.get(mine, old.ID), old)
	s.is("BeginGrace of a missing key", s.Keys().BeginGrace(s.Context(), "key_none", t0), store.ErrNotFound)
}

func graceOnce(s *suite) {
	old := s.key(mine, 1)
	next := s.successor(old, t0.Add(7*24*time.Hour))
	s.begin(next.ID, t0)
	old.Expires = t0.Add(time.Hour)
	for _, at := range []time.Duration{time.Minute, 0, -time.Minute, -24 * time.Hour} {
		s.begin(next.ID, t0.Add(at))
		s.same("after a first use at "+at.String(), s.get(mine, old.ID), old)
	}
}

func graceExpiry(s *suite) {
	s.accounts(mine)
	minute, hour, day := t0.Add(time.Minute), t0.Add(time.Hour), t0.Add(24*time.Hour)
	for i, c := range []struct{ expires, deadline, want time.Time }{
		{time.Time{}, time.Time{}, hour},
		{time.Time{}, day, hour},
		{day, time.Time{}, hour},
		{minute, day, minute},
		{day, minute, minute},
		{hour, hour, hour},
	} {
		old := newKey(mine, 10+i)
		old.Expires = c.expires
		s.keys(old)
		next := s.successor(old, c.deadline)
		s.begin(next.ID, t0)
		old.Expires = c.want
		s.same("the old key", s.get(mine, old.ID), old)
	}

	// The old key may be gone by then.
	old := newKey(mine, 1)
	s.keys(old)
	next := s.successor(old, minute)
	_, err := s.KeyAdmin().Prune(s.Context(), hour, 1000)
	s.must("Prune", err)
	s.begin(next.ID, day)
	next.Grace = 0
	s.same("the successor of a pruned key", s.get(mine, next.ID), next)
}

func graceRevoked(s *suite) {
	s.accounts(mine)
	a, b := newKey(mine, 1), newKey(mine, 2)
	s.keys(a, b)
	afterA, afterB := s.successor(a, time.Time{}), s.successor(b, time.Time{})
	s.must("Revoke", s.KeyAdmin().Revoke(s.Context(), mine, afterA.ID, "leaked", t0))
	s.must("Revoke", s.KeyAdmin().Revoke(s.Context(), mine, b.ID, "leaked", t0))
	afterA.Revoked, afterA.Reason, b.Revoked, b.Reason = t0, "leaked", t0, "leaked"
	s.begin(afterA.ID, t0)
	s.begin(afterB.ID, t0)
	afterB.Grace = 0
	for _, want := range []store.Key{a, b, afterA, afterB} {
		s.same("the key", s.get(mine, want.ID), want)
	}
}

func graceTogether(s *suite) {
	old := s.key(mine, 1)
	next := s.successor(old, time.Time{})
	at := func(i int) time.Time { return t0.Add(time.Duration(16-i) * time.Second) }
	for _, err := range each(16, func(i int) error { return s.Keys().BeginGrace(s.Context(), next.ID, at(i)) }) {
		s.must("BeginGrace", err)
	}
	first := s.get(mine, old.ID)
	for i := range 16 {
		s.begin(next.ID, at(i))
	}
	s.same("the old key after 16 more", s.get(mine, old.ID), first)
	if d := first.Expires.Sub(t0); d <= time.Hour || d > time.Hour+16*time.Second {
		s.errorf("the old key lives for %v more, which no first use can have said", d)
	}
}

// The deadline of a rotation stands, and so does the end of the grace.
func graceUpdate(s *suite) {
	s.accounts(mine, theirs)
	old := newKey(mine, 1)
	s.keys(old)
	minute, hour, day := t0.Add(time.Minute), t0.Add(time.Hour), t0.Add(24*time.Hour)
	s.update(old, store.KeyUpdate{Expires: new(day)})
	s.update(old, store.KeyUpdate{Expires: new(time.Time{})})
	next := s.successor(old, day)
	try := func(id string, expires time.Time) error {
		u := store.KeyUpdate{Was: newGrant(), Name: new("renamed"), Expires: &expires}
		_, err := s.KeyAdmin().Update(s.Context(), mine, id, u, t0)
		return err
	}
	old.Expires = day
	for _, later := range []time.Time{day.Add(time.Microsecond), day.AddDate(1, 0, 0), {}} {
		s.is("Update of a rotated key to a later expiry", try(old.ID, later), store.ErrConflict)
		s.same("the old key", s.get(mine, old.ID), old)
	}
	s.begin(next.ID, t0)
	old.Expires = hour
	s.is("Update to a later expiry within the grace", try(old.ID, day), store.ErrConflict)
	s.same("the old key within the grace", s.get(mine, old.ID), old)
	s.must("Update to the same expiry", try(old.ID, hour))
	s.must("Update to an earlier one", try(old.ID, minute))
	s.must("Update of the successor", try(next.ID, day))

	// A key that another account claims to have rotated is not rotated.
	free, thief := newKey(mine, 2), newKey(theirs, 3)
	free.Expires, thief.Replaces = hour, free.ID
	s.keys(free)
	if s.KeyAdmin().Create(s.Context(), thief, 0, t0) == nil {
		s.must("Update of a key that another account names", try(free.ID, day))
	}
}

// A record can name any key as the one it replaces.
func graceForeign(s *suite) {
	old := s.key(mine, 1)
	s.accounts(theirs)
	thief := newKey(theirs, 2)
	thief.Replaces, thief.Grace = old.ID, time.Second
	if s.KeyAdmin().Create(s.Context(), thief, 0, t0) == nil {
		s.begin(thief.ID, t0)
	}
	s.same("the key of the other account", s.get(mine, old.ID), old)
}

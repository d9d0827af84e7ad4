package storetest

import (
	"cmp"
	"errors"
	"net/netip"
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// case K16, for what the store does of it
func rotateChecks() []check {
	return []check{
		{6, "Rotate adds the new key and lowers the old expiry", rotate},
		{6, "Rotate never raises an expiry", rotateExpiry},
		{6, "Rotate refuses inactive and rotated keys", rotateRefuses},
		{6, "Rotate does all or nothing", rotateAtomic},
		{6, "one of many rotations wins", rotateTogether},
		{16, "a successor has what the stored key has", handOn},
		{16, "Rotate refuses another grant than the stored one", rotateGrant},
	}
}

// heir returns next as the successor of old, with the fields that it gets from old.
func heir(old, next store.Key) store.Key {
	next.Account, next.Replaces, next.Family = old.Account, old.ID, cmp.Or(old.Family, old.ID)
	next.Owner, next.Environment, next.Grant, next.Plan = old.Owner, old.Environment, old.Grant, old.Plan
	next.Addresses, next.Expires = old.Addresses, old.Expires
	return next
}

func rotate(s *suite) {
	old := s.key(mine, 1)
	next := heir(old, full(mine))
	next.Revoked, next.Disabled, next.Reason = time.Time{}, time.Time{}, ""
	deadline := t0.Add(time.Hour)
	s.must("Rotate", s.KeyAdmin().Rotate(s.Context(), mine, old.ID, next, deadline, t0))
	old.Expires = deadline
	s.same("the old key", s.get(mine, old.ID), old)
	k, o := s.find(next.Digest)
	s.same("the new key", k, next)
	s.same("its account", o.Account, newAccount(mine))

	// Its successor can be rotated in turn.
	third := heir(next, newKey(mine, 8))
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
	expired, revoked, old, disabled := newKey(mine, 1), newKey(mine, 2), newKey(mine, 3), newKey(mine, 6)
	expired.Expires = t0 // a key has expired at its expiry
	disabled.Disabled = t0
	s.keys(expired, revoked, old, disabled)
	s.must("Revoke", s.KeyAdmin().Revoke(s.Context(), mine, revoked.ID, "lost", t0))
	next := newKey(mine, 4)
	later := t0.Add(time.Hour)
	rotate := func(id string, next store.Key) error {
		next.Replaces = id
		return s.KeyAdmin().Rotate(s.Context(), mine, id, next, later, t0)
	}
	s.is("Rotate of an expired key", rotate(expired.ID, next), store.ErrInactive)
	s.is("Rotate of a revoked key", rotate(revoked.ID, next), store.ErrInactive)
	s.is("Rotate of a disabled key", rotate(disabled.ID, next), store.ErrInactive)
	s.must("Rotate", rotate(old.ID, next))
	s.is("Rotate of a rotated key", rotate(old.ID, newKey(mine, 5)), store.ErrConflict)
	if n := len(s.list(mine)); n != 5 {
		s.errorf("the account holds %d keys, want 5", n)
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

// A caller who rotates a key may have read it long before. The successor takes its
// fields from the stored key.
func handOn(s *suite) {
	s.accounts(mine, theirs)
	s.users(1)
	s.put(newMembership(mine, 1))
	old := newKey(mine, 1)
	old.Owner, old.Plan, old.Environment, old.Family = me, "bulk", "test", "key_first"
	old.Addresses, old.Expires = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, t0.Add(time.Hour)
	old.Import = "bcrypt:x"
	s.keys(old)
	next := newKey(theirs, 2)
	next.ID, next.Name, next.Replaces = "key_next", "Next", "key_none"
	next.Owner, next.Plan, next.Environment, next.Family = you, "enterprise", "live", "key_other"
	next.Addresses, next.Expires = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}, time.Time{}
	s.must("Rotate", s.KeyAdmin().Rotate(s.Context(), mine, old.ID, next, time.Time{}, t0))
	s.same("a successor that says otherwise", s.get(mine, next.ID), heir(old, next))
	s.same("the old key", s.get(mine, old.ID), old)

	// Also of a key without any of these.
	bare := newKey(mine, 3)
	bare.Family, bare.Environment = "", ""
	s.keys(bare)
	next.ID, next.Digest = "key_last", digest("last")
	s.must("Rotate", s.KeyAdmin().Rotate(s.Context(), mine, bare.ID, next, time.Time{}, t0))
	s.same("a successor of a bare key", s.get(mine, next.ID), heir(bare, next))
}

func rotateGrant(s *suite) {
	old := s.key(mine, 1)
	wider, narrower := newGrant(), newGrant()
	wider.Permissions, narrower.Permissions = authz.All(), authz.Of("read")
	try := func(grant authz.Grant) error {
		next := newKey(mine, 2)
		next.Grant = grant
		return s.KeyAdmin().Rotate(s.Context(), mine, old.ID, next, t0.Add(time.Hour), t0)
	}
	for _, grant := range []authz.Grant{wider, narrower, {}} {
		s.is("Rotate with another grant", try(grant), store.ErrConflict)
	}
	s.same("after rotations that were refused", s.list(mine), []store.Key{old})

	// The grant that was read before an update is another one.
	old = s.update(old, store.KeyUpdate{Grant: &narrower})
	s.is("Rotate with the grant before", try(newGrant()), store.ErrConflict)
	s.must("Rotate with the present grant", try(narrower))
	s.same("the successor", s.get(mine, newKey(mine, 2).ID), heir(old, newKey(mine, 2)))
}

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

func begin(s *suite, id string, now time.Time) {
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

	begin(s, next.ID, later)
	old.Expires, next.Grace = later.Add(time.Hour), 0
	s.same("the old key after the first use", s.get(mine, old.ID), old)
	s.same("the new key after its first use", s.get(mine, next.ID), next)
	begin(s, old.ID, later) // it replaces nothing
	s.same("the old key after its own use", s.get(mine, old.ID), old)
	s.is("BeginGrace of a missing key", s.Keys().BeginGrace(s.Context(), "key_none", t0), store.ErrNotFound)
}

func graceOnce(s *suite) {
	old := s.key(mine, 1)
	next := s.successor(old, t0.Add(7*24*time.Hour))
	begin(s, next.ID, t0)
	old.Expires = t0.Add(time.Hour)
	for _, at := range []time.Duration{time.Minute, 0, -time.Minute, -24 * time.Hour} {
		begin(s, next.ID, t0.Add(at))
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
		begin(s, next.ID, t0)
		old.Expires = c.want
		s.same("the old key", s.get(mine, old.ID), old)
	}

	// The old key may have been deleted by then.
	old := newKey(mine, 1)
	s.keys(old)
	next := s.successor(old, minute)
	_, err := s.KeyAdmin().Prune(s.Context(), hour, 1000)
	s.must("Prune", err)
	begin(s, next.ID, day)
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
	begin(s, afterA.ID, t0)
	begin(s, afterB.ID, t0)
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
		begin(s, next.ID, at(i))
	}
	s.same("the old key after 16 more", s.get(mine, old.ID), first)
	if d := first.Expires.Sub(t0); d <= time.Hour || d > time.Hour+16*time.Second {
		s.errorf("the old key lives for %v more, which no first use can have said", d)
	}
}

// The deadline of a rotation and the end of the grace both limit the old key.
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
	begin(s, next.ID, t0)
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
		begin(s, thief.ID, t0)
	}
	s.same("the key of the other account", s.get(mine, old.ID), old)
}

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

// heir is next as the successor of old: what is not its own comes from there.
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

	// Of one with nothing at all, too.
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

	// What was read before an update is another grant.
	old = s.update(old, store.KeyUpdate{Grant: &narrower})
	s.is("Rotate with the grant before", try(newGrant()), store.ErrConflict)
	s.must("Rotate with the present grant", try(narrower))
	s.same("the successor", s.get(mine, newKey(mine, 2).ID), heir(old, newKey(mine, 2)))
}

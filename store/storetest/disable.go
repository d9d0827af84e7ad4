package storetest

import (
	"time"

	"medtwin.ai/tollgate/store"
)

func disableChecks() []check {
	return []check{
		{15, "a disabled key is not live until it is enabled", disable},
		{15, "enabling brings back nothing that has ended", enableEnded},
		{15, "a change without a time does not succeed in vain", disableTimeless},
	}
}

func disable(s *suite) {
	k := s.key(mine, 1)
	hour := t0.Add(time.Hour)
	set := func(disabled bool, now, want time.Time) {
		s.Helper()
		u := store.KeyUpdate{Was: k.Grant, Disabled: &disabled}
		got, err := s.KeyAdmin().Update(s.Context(), mine, k.ID, u, now)
		s.must("Update", err)
		k.Disabled = want
		s.same("what Update returns", got, k)
		found, _ := s.find(k.Digest)
		for _, got := range []store.Key{s.get(mine, k.ID), found, s.list(mine)[0]} {
			s.same("the key", got, k)
			if got.Live(now) == disabled {
				s.errorf("after Update to disabled %v the key is live %v", disabled, got.Live(now))
			}
		}
	}
	set(false, t0, time.Time{})
	set(true, t0, t0)
	set(true, hour, t0) // since when is worth knowing
	s.update(k, store.KeyUpdate{Name: &k.Name})
	s.same("after another update", s.get(mine, k.ID), k)
	set(false, hour, time.Time{})
	set(true, hour, hour)
	set(false, hour, time.Time{})
}

func enableEnded(s *suite) {
	s.accounts(mine)
	revoked, expired, bulk := newKey(mine, 1), newKey(mine, 2), newKey(mine, 3)
	expired.Expires = t0.Add(time.Hour)
	s.keys(revoked, expired, bulk)
	for _, k := range []*store.Key{&revoked, &expired, &bulk} {
		*k = s.update(*k, store.KeyUpdate{Disabled: new(true)})
	}
	s.must("Revoke of a disabled key", s.KeyAdmin().Revoke(s.Context(), mine, revoked.ID, "leaked", t0))
	revoked.Revoked, revoked.Reason = t0, "leaked"
	later := t0.Add(2 * time.Hour)
	enable := func(k store.Key) error {
		_, err := s.KeyAdmin().Update(s.Context(), mine, k.ID, store.KeyUpdate{Was: k.Grant, Disabled: new(false)}, later)
		return err
	}
	s.is("enabling a revoked key", enable(revoked), store.ErrInactive)
	s.is("enabling an expired key", enable(expired), store.ErrInactive)
	n, err := s.KeyAdmin().RevokeAll(s.Context(), mine, store.Filter{}, "gone", later)
	s.must("RevokeAll", err)
	if n != 2 {
		s.errorf("RevokeAll ended %d keys, want 2, which were disabled", n)
	}
	for _, k := range []*store.Key{&expired, &bulk} {
		k.Revoked, k.Reason = later, "gone"
	}
	s.is("enabling what was revoked with all", enable(bulk), store.ErrInactive)
	s.same("all keys", s.list(mine), []store.Key{bulk, expired, revoked})
}

// The zero time means "not disabled", so it can only be an error.
func disableTimeless(s *suite) {
	k := s.key(mine, 1)
	_, err := s.KeyAdmin().Update(s.Context(), mine, k.ID, store.KeyUpdate{Was: k.Grant, Disabled: new(true)}, time.Time{})
	if got := s.get(mine, k.ID); err == nil && got.Live(t0) {
		s.errorf("Update to disabled at the zero time says it succeeded, and the key is live")
	}
}

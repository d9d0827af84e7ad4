package storetest

import (
	"fmt"
	"slices"
	"time"

	"medtwin.ai/tollgate/store"
)

func bulkChecks() []check {
	return []check{
		{4, "KeyAdmin.RevokeAll ends the keys that the filter means", revokeAll},
		{4, "KeyAdmin.RevokeAll leaves what is revoked", revokeAllAgain},
		{1, "Expiring lists what has not ended, the soonest first", expiringKeys},
	}
}

func revokeAll(s *suite) {
	s.accounts(theirs)
	other := newKey(theirs, 1)
	s.keys(other)
	creators, ages := []string{"user_0001", "user_0002"}, []time.Time{t0, t0.Add(-time.Hour), {}}
	environments := []string{"test", "live", "test", "live", "test", "test"}
	for i, c := range []struct {
		name string
		f    store.Filter
		want []int // of the keys 0 to 5, by creator and then by age; the even ones are owned
	}{
		{"nobody's", store.Filter{CreatedBy: "user_"}, nil},
		{"before all times", store.Filter{CreatedBy: "user_0002", CreatedBefore: t0.Add(-2 * time.Hour)}, []int{5}},
		{"of one creator", store.Filter{CreatedBy: "user_0001"}, []int{0, 1, 2}},
		{"of an age", store.Filter{CreatedBefore: t0}, []int{1, 2, 4, 5}},
		{"of a creator and an age", store.Filter{CreatedBy: "user_0002", CreatedBefore: t0}, []int{4, 5}},
		{"nobody's own", store.Filter{Owner: "user_0001"}, nil},
		{"of one owner", store.Filter{Owner: "user_0002"}, []int{0, 2, 4}},
		{"of one owner by a creator", store.Filter{Owner: "user_0002", CreatedBy: "user_0002"}, []int{4}},
		{"of one environment", store.Filter{Environment: "live"}, []int{1, 3}},
		{"of one environment and creator", store.Filter{Environment: "test", CreatedBy: "user_0001"}, []int{0, 2}},
		{"of no environment", store.Filter{Environment: "live "}, nil},
		{"all", store.Filter{}, []int{0, 1, 2, 3, 4, 5}},
	} {
		account := fmt.Sprintf("acct_%d0", i)
		s.accounts(account)
		want := make([]store.Key, 6) // newest first
		for n := range want {
			k := newKey(account, n)
			k.CreatedBy, k.Created, k.Environment = creators[n/3], ages[n%3], environments[n]
			if n%2 == 0 {
				k.Owner = "user_0002"
			}
			s.keys(k)
			if slices.Contains(c.want, n) {
				k.Revoked, k.Reason = t0, "gone"
			}
			want[5-n] = k
		}
		n, err := s.KeyAdmin().RevokeAll(s.Context(), account, c.f, "gone", t0)
		s.must("RevokeAll", err)
		if n != len(c.want) {
			s.errorf("%s: RevokeAll ended %d keys, want %d", c.name, n, len(c.want))
		}
		s.same(c.name, s.list(account), want)
	}
	s.same("a key of another account", s.get(theirs, other.ID), other)
	n, err := s.KeyAdmin().RevokeAll(s.Context(), "acct_none", store.Filter{}, "", t0)
	if n != 0 || err != nil {
		s.errorf("RevokeAll of no account: %d, error %v", n, err)
	}
}

func revokeAllAgain(s *suite) {
	s.accounts(mine)
	old, k := newKey(mine, 1), newKey(mine, 2)
	s.keys(old, k)
	s.must("Revoke", s.KeyAdmin().Revoke(s.Context(), mine, old.ID, "leaked", t0))
	old.Revoked, old.Reason = t0, "leaked"
	later := t0.Add(time.Hour)
	n, err := s.KeyAdmin().RevokeAll(s.Context(), mine, store.Filter{}, "gone", time.Time{})
	if got := s.get(mine, k.ID); err == nil && got.Live(t0) {
		s.errorf("RevokeAll at the zero time says it ended %d keys, and one is live", n)
	}
	for _, want := range []int{1, 0} {
		n, err := s.KeyAdmin().RevokeAll(s.Context(), mine, store.Filter{}, "gone", later)
		s.must("RevokeAll", err)
		if n != want {
			s.errorf("RevokeAll ended %d keys, want %d", n, want)
		}
	}
	k.Revoked, k.Reason = later, "gone"
	s.same("all keys", s.list(mine), []store.Key{k, old})
}

func expiringKeys(s *suite) {
	s.accounts(mine, theirs)
	end := t0.Add(24 * time.Hour)
	key := func(n int, expires time.Time) store.Key {
		k := newKey(mine, n)
		k.Expires = expires
		return k
	}
	a, b, c := key(1, end), key(2, t0.Add(time.Microsecond)), key(3, end)
	c.Disabled = t0 // until then it can come back
	revoked, foreign := key(4, t0.Add(time.Hour)), newKey(theirs, 1)
	foreign.Expires = t0.Add(time.Hour)
	s.keys(a, b, c, revoked, foreign, key(5, t0), key(6, t0.Add(-time.Hour)), key(7, end.Add(time.Microsecond)), newKey(mine, 8))
	s.must("Revoke", s.KeyAdmin().Revoke(s.Context(), mine, revoked.ID, "", t0))
	for _, page := range []struct {
		limit int
		want  []store.Key
	}{{9, []store.Key{b, a, c}}, {3, []store.Key{b, a, c}}, {2, []store.Key{b, a}}, {0, nil}, {-1, nil}} {
		got, err := s.KeyAdmin().Expiring(s.Context(), mine, t0, end, page.limit)
		s.must("Expiring", err)
		s.same("Expiring", got, page.want)
	}
	got, err := s.KeyAdmin().Expiring(s.Context(), "acct_none", t0, end, 9)
	s.must("Expiring", err)
	s.same("Expiring of no account", got, []store.Key(nil))
}

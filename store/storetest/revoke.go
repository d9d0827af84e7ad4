package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

func revokeChecks() []check {
	return []check{
		{4, "the first revocation wins", firstRevocation},
		{4, "one of many revocations wins", manyRevocations},
		{4, "a revocation without a time does not succeed in vain", timeless},
		{4, "a revocation under load never comes back", revokeUnderLoad}, // case K8
		{4, "changes to different fields do not undo each other", fields},
	}
}

func firstRevocation(s *suite) {
	k := s.key(mine, 1)
	s.must("Revoke", s.KeyAdmin().Revoke(s.Context(), mine, k.ID, "leaked", t0))
	k.Revoked, k.Reason = t0, "leaked"
	for _, at := range []time.Time{t0.Add(time.Hour), t0.Add(-time.Hour)} {
		s.must("Revoke again", s.KeyAdmin().Revoke(s.Context(), mine, k.ID, "other", at))
		s.same("after a second revocation", s.get(mine, k.ID), k)
	}

	use := []store.Use{{ID: k.ID, At: t0.Add(time.Hour)}}
	s.must("Touch", s.Keys().Touch(s.Context(), use))
	err := s.KeyAdmin().Rotate(s.Context(), mine, k.ID, newKey(mine, 2), t0.Add(time.Hour), t0)
	s.is("Rotate of a revoked key", err, store.ErrInactive)
	s.must("SetStatus", s.Accounts().SetStatus(s.Context(), mine, authz.Active))
	s.same("after all else was tried", s.get(mine, k.ID), k)
}

// The zero time means "not revoked", so it can only be an error.
func timeless(s *suite) {
	k := s.key(mine, 1)
	err := s.KeyAdmin().Revoke(s.Context(), mine, k.ID, "leaked", time.Time{})
	if got := s.get(mine, k.ID); err == nil && got.Live(t0) {
		s.errorf("Revoke at the zero time says it succeeded, and the key is live")
	}
}

func manyRevocations(s *suite) {
	k := s.key(mine, 1)
	at := func(i int) time.Time { return t0.Add(time.Duration(i) * time.Second) }
	for _, err := range each(16, func(i int) error {
		return s.KeyAdmin().Revoke(s.Context(), mine, k.ID, fmt.Sprint(i), at(i))
	}) {
		s.must("Revoke", err)
	}
	got := s.get(mine, k.ID)
	for i := range 16 {
		if got.Revoked.Equal(at(i)) && got.Reason == fmt.Sprint(i) {
			return
		}
	}
	s.errorf("time %v and reason %q are not of one revocation", got.Revoked, got.Reason)
}

// Readers and writers use a key while it is revoked. A read that begins after the
// revocation was acknowledged must see it.
func revokeUnderLoad(s *suite) {
	k := s.key(mine, 1)
	var revoked, done atomic.Bool
	var failed, blind atomic.Int64
	var wg sync.WaitGroup
	const parties = 6
	begun, after := make(chan struct{}, parties), make(chan struct{}, parties)

	// repeat runs turns until done. It reports its first turn, and the first one that
	// began after the revocation.
	repeat := func(turn func(n int, late bool) error) {
		wg.Go(func() {
			told := false
			for n := 0; !done.Load(); n++ {
				late := revoked.Load()
				if turn(n, late) != nil {
					failed.Add(1)
				}
				if n == 0 {
					begun <- struct{}{}
				}
				if late && !told {
					told = true
					after <- struct{}{}
				}
			}
		})
	}
	see := func(k store.Key, late bool) {
		if late && k.Revoked.IsZero() {
			blind.Add(1)
		}
	}
	for range parties / 3 {
		repeat(func(n int, late bool) error {
			k, _, err := s.Keys().Find(s.Context(), k.Digest)
			see(k, late)
			return err
		})
		repeat(func(n int, late bool) error {
			k, err := s.KeyAdmin().Get(s.Context(), mine, k.ID)
			see(k, late)
			return err
		})
		repeat(func(n int, late bool) error {
			at := t0.Add(time.Duration(n) * time.Second)
			return errors.Join(s.Keys().Touch(s.Context(), []store.Use{{ID: k.ID, At: at}}),
				s.Accounts().SetPlan(s.Context(), mine, fmt.Sprint(n), ""))
		})
	}
	for range parties {
		<-begun
	}
	err := s.KeyAdmin().Revoke(s.Context(), mine, k.ID, "leaked", t0)
	first, getErr := s.KeyAdmin().Get(s.Context(), mine, k.ID)
	revoked.Store(true)
	for range parties {
		<-after
	}
	done.Store(true)
	wg.Wait()
	s.must("Revoke", err)
	s.must("Get", getErr)
	if n := failed.Load(); n > 0 {
		s.errorf("%d calls failed beside a revocation", n)
	}
	if n := blind.Load(); n > 0 || first.Revoked.IsZero() {
		s.errorf("%d reads that began after an acknowledged revocation did not see it", n)
	}
	s.same("the key after the load", s.get(mine, k.ID), first)
}

// Two writers change different fields of one record. Each would undo the change of the
// other if it wrote back the record that it has read.
func fields(s *suite) {
	k := s.key(mine, 1)
	// First one after the other, which finds the simple mistake every time.
	s.must("SetPlan", s.Accounts().SetPlan(s.Context(), mine, "bulk", "1-S"))
	s.must("SetStatus", s.Accounts().SetStatus(s.Context(), mine, authz.ReadOnly))
	was, err := s.Accounts().Get(s.Context(), mine)
	s.must("Accounts.Get", err)
	if was.Plan != "bulk" || was.Limits != "1-S" || was.Status != authz.ReadOnly {
		s.fatalf("plan %q, limits %q and status %v after setting bulk, 1-S and read_only", was.Plan, was.Limits, was.Status)
	}
	for n := range 50 {
		plan, status := fmt.Sprint(n), authz.Suspended
		if n%2 == 0 {
			status = authz.ReadOnly
		}
		fresh := newKey(mine, n+2)
		s.keys(fresh)
		at := t0.Add(time.Duration(n) * time.Second)
		for _, err := range each(4, func(i int) error {
			switch i {
			case 0:
				return s.Accounts().SetStatus(s.Context(), mine, status)
			case 1:
				return s.Accounts().SetPlan(s.Context(), mine, plan, "")
			case 2:
				return s.KeyAdmin().Revoke(s.Context(), mine, fresh.ID, "leaked", at)
			default:
				return s.Keys().Touch(s.Context(), []store.Use{{ID: fresh.ID, At: at}, {ID: k.ID, At: at}})
			}
		}) {
			s.must("one of four writers", err)
		}
		a, err := s.Accounts().Get(s.Context(), mine)
		s.must("Accounts.Get", err)
		if a.Plan != plan || a.Status != status {
			s.fatalf("round %d: plan %q and status %v, want %q and %v", n, a.Plan, a.Status, plan, status)
		}
		if got := s.get(mine, fresh.ID); !got.Revoked.Equal(at) {
			s.fatalf("round %d: a use undid a revocation", n)
		}
		if got := s.get(mine, k.ID); !got.Used.Equal(at) {
			s.fatalf("round %d: used at %v, want %v", n, got.Used, at)
		}
	}
}

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
		want []int // numbers of the keys, which are ordered by creator and then by age; even ones have an owner
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
	c.Disabled = t0 // it can be enabled again until then
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

package storetest

import (
	"errors"
	"fmt"
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

	// repeat takes turns until done, and reports its first turn and the first
	// that began after the revocation.
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

// Two writers of different fields of one record, each of which would undo the
// other's work if it wrote back the record it had read.
func fields(s *suite) {
	k := s.key(mine, 1)
	// One after the other first: that finds the plain mistake every time.
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

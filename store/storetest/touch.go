package storetest

import (
	"time"

	"medtwin.ai/tollgate/store"
)

func touchChecks() []check {
	return []check{
		{5, "Touch never moves back", monotonic},
		{5, "Touch leaves revoked keys alone", touchRevoked},
		{5, "Touch keeps the latest of concurrent uses", touchTogether},
	}
}

func monotonic(s *suite) {
	s.accounts(mine)
	a, b := newKey(mine, 1), newKey(mine, 2)
	s.keys(a, b)
	for _, step := range []struct{ at, want time.Duration }{{0, 0}, {time.Minute, time.Minute}, {time.Second, time.Minute}, {time.Minute, time.Minute}} {
		s.must("Touch", s.Keys().Touch(s.Context(), []store.Use{{ID: a.ID, At: t0.Add(step.at)}}))
		a.Used = t0.Add(step.want)
		s.same("after a use at "+step.at.String(), s.get(mine, a.ID), a)
	}

	// One batch in no order, with ids that do not exist.
	uses := []store.Use{
		{ID: "key_none", At: t0}, {ID: b.ID, At: t0.Add(2 * time.Hour)}, {ID: a.ID, At: t0},
		{ID: b.ID, At: t0.Add(time.Hour)}, {ID: a.ID, At: t0.Add(time.Hour)},
	}
	s.must("Touch", s.Keys().Touch(s.Context(), uses))
	a.Used, b.Used = t0.Add(time.Hour), t0.Add(2*time.Hour)
	s.same("after a batch", s.list(mine), []store.Key{b, a})
}

func touchRevoked(s *suite) {
	s.accounts(mine)
	used, unused := newKey(mine, 1), newKey(mine, 2)
	s.keys(used, unused)
	s.must("Touch", s.Keys().Touch(s.Context(), []store.Use{{ID: used.ID, At: t0}}))
	s.must("Revoke", s.KeyAdmin().Revoke(s.Context(), mine, used.ID, "lost", t0))
	s.must("Revoke", s.KeyAdmin().Revoke(s.Context(), mine, unused.ID, "lost", t0))
	later := t0.Add(time.Hour)
	s.must("Touch", s.Keys().Touch(s.Context(), []store.Use{{ID: used.ID, At: later}, {ID: unused.ID, At: later}}))
	if got := s.get(mine, used.ID).Used; !got.Equal(t0) {
		s.errorf("a revoked key was used at %v, want %v", got, t0)
	}
	if got := s.get(mine, unused.ID).Used; !got.IsZero() {
		s.errorf("a revoked key that was never used was used at %v", got)
	}
}

func touchTogether(s *suite) {
	k := s.key(mine, 1)
	for _, err := range each(16, func(i int) error {
		return s.Keys().Touch(s.Context(), []store.Use{{ID: k.ID, At: t0.Add(time.Duration(i) * time.Second)}})
	}) {
		s.must("Touch", err)
	}
	if got, want := s.get(mine, k.ID).Used, t0.Add(15*time.Second); !got.Equal(want) {
		s.errorf("used at %v, want %v", got, want)
	}
}

package storetest

import (
	"context"
	"time"

	"medtwin.ai/tollgate/store"
)

func pruneChecks() []check {
	return []check{
		{3, "Prune deletes what ended long ago and nothing else", prune}, // case K20
		{3, "Prune deletes no more than it is told to", pruneSome},
		{3, "Events.Prune deletes what happened long ago and nothing else", pruneEvents},
	}
}

func prune(s *suite) {
	s.accounts(mine, theirs)
	long, just, later, never, revoked := newKey(mine, 1), newKey(mine, 2), newKey(mine, 3), newKey(mine, 4), newKey(mine, 5)
	gone, disabled := newKey(mine, 6), newKey(mine, 7)
	other := newKey(theirs, 1)
	long.Expires, other.Expires = t0.Add(-time.Hour), t0.Add(-time.Microsecond)
	just.Expires, later.Expires = t0, t0.Add(time.Hour)
	gone.Expires = t0.Add(time.Hour)
	disabled.Disabled = t0.Add(-time.Hour) // which is no end
	s.keys(long, just, later, never, revoked, gone, disabled, other)
	s.must("Revoke", s.KeyAdmin().Revoke(s.Context(), mine, revoked.ID, "lost", t0))
	s.must("Revoke", s.KeyAdmin().Revoke(s.Context(), mine, gone.ID, "lost", t0.Add(-time.Microsecond)))
	revoked.Revoked, revoked.Reason = t0, "lost"

	prune := func(before time.Time, want int) {
		s.Helper()
		n, err := s.KeyAdmin().Prune(s.Context(), before, 1000)
		s.must("Prune", err)
		if n != want {
			s.errorf("Prune before %v deleted %d keys, want %d", before, n, want)
		}
	}
	prune(time.Time{}, 0)
	prune(t0, 3)
	prune(t0, 0)
	s.same("what is left", s.list(mine), []store.Key{disabled, revoked, never, later, just})
	_, _, err := s.Keys().Find(s.Context(), long.Digest)
	s.is("Find of a pruned key", err, store.ErrNotFound)
	_, err = s.KeyAdmin().Get(s.Context(), theirs, other.ID)
	s.is("Get of a pruned key", err, store.ErrNotFound)
	s.keys(long) // its id and digest are free again

	prune(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), 4)
	s.same("what has not ended and never does", s.list(mine), []store.Key{disabled, never})
}

func pruneSome(s *suite) {
	s.accounts(mine)
	const n = 7
	for i := range n {
		k, o, e, in := newKey(mine, i), newSession(me, i), newEvent(mine, i), newInvitation(mine, i)
		k.Expires, o.Expires, e.At, in.Expires = t0.Add(-time.Hour), t0.Add(-time.Hour), t0.Add(-time.Hour), t0.Add(-time.Hour)
		s.keys(k)
		s.logins(o)
		s.happen(e)
		s.invite(in)
	}
	for _, tt := range []struct {
		what  string
		prune func(context.Context, time.Time, int) (int, error)
	}{
		{"KeyAdmin.Prune", s.KeyAdmin().Prune}, {"Sessions.Prune", s.Sessions().Prune}, {"Events.Prune", s.Events().Prune},
		{"Invitations.Prune", s.Invitations().Prune},
	} {
		for _, step := range []struct{ most, want int }{{-1, 0}, {0, 0}, {3, 3}, {3, 3}, {3, 1}, {3, 0}} {
			got, err := tt.prune(s.Context(), t0, step.most)
			s.must(tt.what, err)
			if got != step.want {
				s.errorf("%s of up to %d deleted %d, want %d", tt.what, step.most, got, step.want)
			}
		}
	}
	s.same("the keys that are left", s.list(mine), []store.Key(nil))
	s.same("the sessions that are left", s.sessionsOf(me), []store.Session(nil))
	s.same("the events that are left", s.eventsOf(mine, "", 99), []store.Event(nil))
	s.same("the invitations that are left", s.invitationsOf(mine), []store.Invitation(nil))
}

func pruneEvents(s *suite) {
	long, just, never, other := newEvent(mine, 1), newEvent(mine, 2), newEvent(mine, 3), newEvent(theirs, 4)
	long.At, just.At, never.At, other.At = t0.Add(-time.Microsecond), t0, time.Time{}, t0.Add(-time.Hour)
	s.happen(long, just, never, other)
	for _, want := range []int{2, 0} {
		n, err := s.Events().Prune(s.Context(), t0, 1000)
		s.must("Events.Prune", err)
		if n != want {
			s.errorf("Events.Prune deleted %d events, want %d", n, want)
		}
	}
	s.same("what is left", s.eventsOf(mine, "", 9), []store.Event{never, just})
	s.same("what is left of others", s.eventsOf(theirs, "", 9), []store.Event(nil))
}

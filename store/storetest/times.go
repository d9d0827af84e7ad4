package storetest

import (
	"time"

	"medtwin.ai/tollgate/store"
)

func timeChecks() []check {
	return []check{
		{9, "times are in UTC and keep their microseconds", times},
		{9, "times of people are in UTC", peopleTimes},
		{9, "durations keep their microseconds", durations},
		{9, "a key expires at its expiry and not before", expiry},
	}
}

func times(s *suite) {
	s.accounts(mine)
	zone := time.FixedZone("east", 5*3600+1800)
	for i, at := range instants(zone) {
		k := newKey(mine, i)
		k.Created, k.Expires, k.Revoked, k.Disabled, k.Used = at, at, at, at, at
		s.keys(k)
		found, _ := s.find(k.Digest)
		for _, got := range []store.Key{found, s.get(mine, k.ID)} {
			for _, t := range []time.Time{got.Created, got.Expires, got.Revoked, got.Disabled, got.Used} {
				if d := at.Sub(t); d < 0 || d >= time.Microsecond {
					s.errorf("stored %v, got %v", at, t)
				}
				if t.Location() != time.UTC || t.IsZero() != at.IsZero() {
					s.errorf("stored %v, got %v (zero %v)", at, t, t.IsZero())
				}
			}
		}
	}

	// Instants that come in by other calls.
	k := newKey(mine, 100)
	s.keys(k)
	s.must("Touch", s.Keys().Touch(s.Context(), []store.Use{{ID: k.ID, At: t0.In(zone)}}))
	u := store.KeyUpdate{Was: k.Grant, Expires: new(t0.Add(time.Hour).In(zone)), Disabled: new(true)}
	updated, err := s.KeyAdmin().Update(s.Context(), mine, k.ID, u, t0.In(zone))
	s.must("Update", err)
	s.must("Revoke", s.KeyAdmin().Revoke(s.Context(), mine, k.ID, "", t0.In(zone)))
	got := s.get(mine, k.ID)
	for _, t := range []time.Time{got.Used, got.Revoked, got.Disabled, got.Expires.Add(-time.Hour), updated.Disabled, updated.Expires.Add(-time.Hour)} {
		if !t.Equal(t0) || t.Location() != time.UTC {
			s.errorf("stored %v, got %v", t0, t)
		}
	}
	a := newAccount(theirs)
	a.Created = t0.In(zone)
	s.must("Accounts.Create", s.Accounts().Create(s.Context(), a))
	a, err = s.Accounts().Get(s.Context(), theirs)
	s.must("Accounts.Get", err)
	if !a.Created.Equal(t0) || a.Created.Location() != time.UTC {
		s.errorf("account: stored %v, got %v", t0, a.Created)
	}
}

// instants returns times that a store may get wrong.
func instants(zone *time.Location) []time.Time {
	return []time.Time{
		t0, t0.In(zone), t0.Add(999), time.Now(), time.Unix(0, 0), time.Unix(0, -1000), time.Unix(0, 1000),
		time.Date(1969, 12, 31, 23, 59, 59, 999999000, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC), {},
	}
}

// sessionTimes does what times and durations do, for sessions.
func sessionTimes(s *suite) {
	zone := time.FixedZone("east", 5*3600+1800)
	for i, at := range instants(zone) {
		o := newSession(me, i)
		o.Created, o.Seen, o.Expires, o.Revoked = at, at, at, at
		s.logins(o)
		found, err := s.Sessions().Find(s.Context(), o.Digest)
		s.must("Sessions.Find", err)
		for _, got := range []store.Session{found, s.session(me, o.ID)} {
			for _, t := range []time.Time{got.Created, got.Seen, got.Expires, got.Revoked} {
				if d := at.Sub(t); d < 0 || d >= time.Microsecond || t.Location() != time.UTC || t.IsZero() != at.IsZero() {
					s.errorf("stored %v, got %v", at, t)
				}
			}
		}
	}
	for i, d := range []time.Duration{0, time.Microsecond, time.Second + 999, 366 * 24 * time.Hour} {
		o := newSession(you, i)
		o.Idle = d
		s.logins(o)
		if got := s.session(you, o.ID).Idle; got > d || d-got >= time.Microsecond {
			s.errorf("stored %v, got %v", d, got)
		}
	}
	// Instants that come in by other calls.
	late := newSession(you, 100)
	s.logins(late)
	s.must("Touch", s.Sessions().Touch(s.Context(), []store.Use{{ID: late.ID, At: t0.In(zone)}}))
	s.must("Revoke", s.Sessions().Revoke(s.Context(), you, late.ID, t0.In(zone)))
	late = s.session(you, late.ID)
	for _, t := range []time.Time{late.Seen, late.Revoked} {
		if !t.Equal(t0) || t.Location() != time.UTC {
			s.errorf("stored %v, got %v", t0, t)
		}
	}
}

// peopleTimes does what times does, for the other records.
func peopleTimes(s *suite) {
	s.accounts(mine)
	at := t0.In(time.FixedZone("east", 5*3600+1800))
	u, m, e, i := newUser(1), newMembership(mine, 1), newEvent(mine, 1), newInvitation(mine, 1)
	u.Created, m.Created, e.At, i.Created, i.Expires = at, at, at, at, at
	s.must("Users.Create", s.Users().Create(s.Context(), u))
	s.put(m)
	s.happen(e)
	s.invite(i)
	i = s.invitation(mine, i.ID)
	s.users(2)
	accepted, err := s.Invitations().Accept(s.Context(), mine, i.ID, you, at.Add(-time.Second))
	s.must("Accept", err)
	for _, t := range []time.Time{s.user(1).Created, s.member(mine, me).Created, s.eventsOf(mine, "", 1)[0].At, i.Created, i.Expires,
		accepted.Created.Add(time.Second), s.member(mine, you).Created.Add(time.Second)} {
		if !t.Equal(t0) || t.Location() != time.UTC {
			s.errorf("stored %v, got %v", at, t)
		}
	}
}

func durations(s *suite) {
	s.accounts(mine)
	for i, d := range []time.Duration{0, time.Microsecond, time.Second + 999, 24*time.Hour - time.Microsecond, 366 * 24 * time.Hour} {
		k := newKey(mine, i)
		k.Grace = d
		s.keys(k)
		if got := s.get(mine, k.ID).Grace; got > d || d-got >= time.Microsecond {
			s.errorf("stored %v, got %v", d, got)
		}
	}
}

func expiry(s *suite) {
	s.accounts(mine)
	k := newKey(mine, 1)
	k.Expires = t0
	s.keys(k)
	before := t0.Add(-time.Microsecond)
	s.is("a live key fills the quota", s.KeyAdmin().Create(s.Context(), newKey(mine, 2), 1, before), store.ErrQuota)
	s.must("an expired one does not", s.KeyAdmin().Create(s.Context(), newKey(mine, 2), 1, t0))
	next := newKey(mine, 3)
	next.Replaces = k.ID
	s.is("Rotate at the expiry", s.KeyAdmin().Rotate(s.Context(), mine, k.ID, next, t0, t0), store.ErrInactive)
	s.must("Rotate before it", s.KeyAdmin().Rotate(s.Context(), mine, k.ID, next, t0, before))
}

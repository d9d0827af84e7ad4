package storetest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

func sessionChecks() []check {
	return []check{
		{1, "every field of a session comes back", everyFieldOfSession},
		{1, "missing sessions are ErrNotFound, taken ones ErrConflict", missingSession},
		{1, "a list of sessions holds the newest 1000", manySessions},
		{2, "another user's session is as absent as a missing one", foreignSession},
		{3, "revoked and expired sessions are returned", inactiveSessions},
		{3, "Sessions.Prune deletes what ended long ago and nothing else", pruneSessions},
		{4, "the first revocation of a session wins", firstLogout},
		{4, "RevokeAll ends a user's sessions but one", logoutEverywhere},
		{5, "Sessions.Touch never moves back and leaves revoked ones alone", touchSessions}, // case S9
		{5, "a use racing a revocation does not bring a session back", touchRevokedSession}, // case S7
		{17, "text that no session can hold is no outage", impossibleOfSessions},            // case T15
		{9, "times of sessions are in UTC and keep their microseconds", sessionTimes},
	}
}

// me and you are the users of most checks. For checks of sessions they need not exist.
const (
	me  = "user_0001"
	you = "user_0002"
)

// newSession describes the nth session of a user; a higher n is a later id.
func newSession(user string, n int) store.Session {
	id := fmt.Sprintf("ses_%s_%04d", user, n)
	return store.Session{
		ID: id, User: user, Account: mine, Digest: digest(id), Epoch: 3, Created: t0,
		Expires: t0.Add(30 * 24 * time.Hour), Idle: time.Hour, Address: "192.0.2.7", Agent: "curl/8",
	}
}

func (s *suite) logins(sessions ...store.Session) {
	s.Helper()
	for _, o := range sessions {
		s.must("Sessions.Create", s.Sessions().Create(s.Context(), o))
	}
}

func (s *suite) session(user, id string) store.Session {
	s.Helper()
	o, err := s.Sessions().Get(s.Context(), user, id)
	s.must("Sessions.Get", err)
	return o
}

func (s *suite) sessionsOf(user string) []store.Session {
	s.Helper()
	list, err := s.Sessions().List(s.Context(), user)
	s.must("Sessions.List", err)
	return list
}

func everyFieldOfSession(s *suite) {
	full := newSession(me, 1)
	full.Cookie, full.Seen, full.Revoked = true, t0.Add(time.Second), t0.Add(time.Minute)
	full.Epoch, full.Idle, full.Agent = 1<<40, time.Hour+time.Microsecond, "Mozilla '\" \\ 名"
	bare := store.Session{ID: "ses_a", User: me, Digest: digest("bare")}
	for _, want := range []store.Session{full, bare} {
		s.logins(want)
		s.same("Sessions.Get", s.session(me, want.ID), want)
		got, err := s.Sessions().Find(s.Context(), want.Digest)
		s.must("Sessions.Find", err)
		s.same("Sessions.Find", got, want)
	}
	s.same("Sessions.List", s.sessionsOf(me), []store.Session{full, bare})
}

func missingSession(s *suite) {
	o := newSession(me, 1)
	s.logins(o)
	ctx, sessions := s.Context(), s.Sessions()
	for _, tt := range []struct {
		what string
		f    func() error
	}{
		{"Find", func() error { _, err := sessions.Find(ctx, digest("none")); return err }},
		{"Find nothing", func() error { _, err := sessions.Find(ctx, keyfmt.Digest{}); return err }},
		{"Find under another pepper", func() error {
			_, err := sessions.Find(ctx, keyfmt.Digest{Pepper: "p2", Sum: o.Digest.Sum})
			return err
		}},
		{"Get", func() error { _, err := sessions.Get(ctx, me, "ses_none"); return err }},
		{"Revoke", func() error { return sessions.Revoke(ctx, me, "ses_none", t0) }},
	} {
		s.is(tt.what, tt.f(), store.ErrNotFound)
	}
	s.must("Touch of an id that does not exist", sessions.Touch(ctx, []store.Use{{ID: "ses_none", At: t0}}))
	s.must("Touch of nothing", sessions.Touch(ctx, nil))
	n, err := sessions.RevokeAll(ctx, "user_none", "", t0)
	if n != 0 || err != nil {
		s.errorf("RevokeAll of nobody: %d, error %v", n, err)
	}

	sameID, sameDigest := newSession(you, 2), newSession(you, 3)
	sameID.ID, sameDigest.Digest = o.ID, o.Digest
	s.is("Create with an id that is taken", sessions.Create(ctx, sameID), store.ErrConflict)
	s.is("Create with a digest that is taken", sessions.Create(ctx, sameDigest), store.ErrConflict)
	s.same("the first session", s.session(me, o.ID), o)
	s.same("the sessions of the other", s.sessionsOf(you), []store.Session(nil))
}

func manySessions(s *suite) {
	const most = 1000
	for n := range most + 1 {
		s.logins(newSession(me, n))
	}
	list := s.sessionsOf(me)
	if len(list) != most {
		s.fatalf("of %d sessions List returns %d, want %d", most+1, len(list), most)
	}
	s.same("the newest and the last listed", []string{list[0].ID, list[most-1].ID},
		[]string{newSession(me, most).ID, newSession(me, 1).ID})
}

func foreignSession(s *suite) {
	o := newSession(me, 1)
	s.logins(o, newSession(you, 1))
	absent := strings.Repeat("x", len(o.ID))
	for _, tt := range []struct {
		what string
		f    func(id string) error
	}{
		{"Get", func(id string) error { _, err := s.Sessions().Get(s.Context(), you, id); return err }},
		{"Revoke", func(id string) error { return s.Sessions().Revoke(s.Context(), you, id, t0) }},
	} {
		there, gone := tt.f(o.ID), tt.f(absent)
		if !errors.Is(there, store.ErrNotFound) || !errors.Is(gone, store.ErrNotFound) {
			s.errorf("%s: a foreign id gives %v and a missing one %v, want ErrNotFound", tt.what, there, gone)
			continue
		}
		if a, b := there.Error(), strings.ReplaceAll(gone.Error(), absent, o.ID); a != b {
			s.errorf("%s tells a foreign id (%q) from a missing one (%q)", tt.what, a, b)
		}
	}
	if _, err := s.Sessions().RevokeAll(s.Context(), you, o.ID, t0); err != nil {
		s.errorf("RevokeAll: %v", err)
	}
	s.same("the sessions that another reached for", s.sessionsOf(me), []store.Session{o})
}

func inactiveSessions(s *suite) {
	expired, revoked := newSession(me, 1), newSession(me, 2)
	expired.Expires = t0.Add(-time.Hour)
	s.logins(expired, revoked)
	s.must("Revoke", s.Sessions().Revoke(s.Context(), me, revoked.ID, t0))
	revoked.Revoked = t0
	for _, want := range []store.Session{expired, revoked} {
		got, err := s.Sessions().Find(s.Context(), want.Digest)
		s.must("Find", err)
		s.same("Find", got, want)
	}
	s.same("List", s.sessionsOf(me), []store.Session{revoked, expired})
}

func pruneSessions(s *suite) {
	long, just, later, bare := newSession(me, 1), newSession(me, 2), newSession(me, 3), newSession(me, 4)
	long.Expires, just.Expires, later.Expires, bare.Expires = t0.Add(-time.Microsecond), t0, t0.Add(time.Hour), time.Time{}
	ended, ending := newSession(you, 1), newSession(you, 2)
	s.logins(long, just, later, bare, ended, ending)
	s.must("Revoke", s.Sessions().Revoke(s.Context(), you, ended.ID, t0.Add(-time.Microsecond)))
	s.must("Revoke", s.Sessions().Revoke(s.Context(), you, ending.ID, t0))
	ending.Revoked = t0
	for _, want := range []int{2, 0} {
		n, err := s.Sessions().Prune(s.Context(), t0, 1000)
		s.must("Prune", err)
		if n != want {
			s.errorf("Prune deleted %d sessions, want %d", n, want)
		}
	}
	s.same("what is left", s.sessionsOf(me), []store.Session{bare, later, just})
	s.same("what is left of another", s.sessionsOf(you), []store.Session{ending})
	_, err := s.Sessions().Find(s.Context(), long.Digest)
	s.is("Find of a pruned session", err, store.ErrNotFound)
	s.logins(long) // its id and digest are free again
}

func firstLogout(s *suite) {
	o := newSession(me, 1)
	s.logins(o)
	err := s.Sessions().Revoke(s.Context(), me, o.ID, time.Time{})
	if got := s.session(me, o.ID); err == nil && got.Live(t0) {
		s.errorf("Revoke at the zero time says it succeeded, and the session is live")
	}
	s.must("Revoke", s.Sessions().Revoke(s.Context(), me, o.ID, t0))
	o.Revoked = t0
	for _, at := range []time.Time{t0.Add(time.Hour), t0.Add(-time.Hour)} {
		s.must("Revoke again", s.Sessions().Revoke(s.Context(), me, o.ID, at))
		n, err := s.Sessions().RevokeAll(s.Context(), me, "", at)
		s.must("RevokeAll", err)
		if n != 0 {
			s.errorf("RevokeAll ended %d sessions that were revoked before", n)
		}
		s.same("after a second revocation", s.session(me, o.ID), o)
	}
}

func logoutEverywhere(s *suite) {
	one, two, three, other := newSession(me, 1), newSession(me, 2), newSession(me, 3), newSession(you, 1)
	s.logins(one, two, three, other)
	s.must("Revoke", s.Sessions().Revoke(s.Context(), me, one.ID, t0.Add(-time.Hour)))
	one.Revoked = t0.Add(-time.Hour)
	revoke := func(but string, want int) {
		s.Helper()
		n, err := s.Sessions().RevokeAll(s.Context(), me, but, t0)
		s.must("RevokeAll", err)
		if n != want {
			s.errorf("RevokeAll but %q ended %d sessions, want %d", but, n, want)
		}
	}
	revoke(two.ID, 1)
	three.Revoked = t0
	s.same("after RevokeAll but one", s.sessionsOf(me), []store.Session{three, two, one})
	revoke("", 1)
	two.Revoked = t0
	s.same("after RevokeAll", s.sessionsOf(me), []store.Session{three, two, one})
	s.same("the sessions of the other", s.sessionsOf(you), []store.Session{other})
}

func touchSessions(s *suite) {
	a, b := newSession(me, 1), newSession(me, 2)
	s.logins(a, b)
	for _, step := range []struct{ at, want time.Duration }{{0, 0}, {time.Minute, time.Minute}, {time.Second, time.Minute}} {
		s.must("Touch", s.Sessions().Touch(s.Context(), []store.Use{{ID: a.ID, At: t0.Add(step.at)}}))
		a.Seen = t0.Add(step.want)
		s.same("after a use at "+step.at.String(), s.session(me, a.ID), a)
	}
	s.must("Revoke", s.Sessions().Revoke(s.Context(), me, a.ID, t0))
	a.Revoked = t0
	later := t0.Add(time.Hour)
	s.must("Touch", s.Sessions().Touch(s.Context(), []store.Use{
		{ID: "ses_none", At: later}, {ID: b.ID, At: later}, {ID: a.ID, At: later}, {ID: b.ID, At: t0}}))
	b.Seen = later
	s.same("after a batch", s.sessionsOf(me), []store.Session{b, a})
}

func touchRevokedSession(s *suite) {
	for n := range 20 {
		o := newSession(me, n)
		s.logins(o)
		for _, err := range each(4, func(i int) error {
			if i == 0 {
				return s.Sessions().Revoke(s.Context(), me, o.ID, t0)
			}
			return s.Sessions().Touch(s.Context(), []store.Use{{ID: o.ID, At: t0.Add(time.Duration(i) * time.Second)}})
		}) {
			s.must("one of four writers", err)
		}
		if got := s.session(me, o.ID); !got.Revoked.Equal(t0) {
			s.fatalf("round %d: a use undid a revocation", n)
		}
	}
}

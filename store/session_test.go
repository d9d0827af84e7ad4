package store_test

import (
	"testing"
	"time"

	"medtwin.ai/tollgate/store"
)

// case S8, for the record
func TestSessionLive(t *testing.T) {
	t0 := time.Date(2026, 1, 30, 12, 0, 0, 0, time.UTC)
	session := store.Session{Created: t0, Expires: t0.Add(24 * time.Hour), Idle: time.Hour}
	seen, early, busy, revoked, endless, bare := session, session, session, session, session, store.Session{Created: t0}
	seen.Seen = t0.Add(30 * time.Minute)
	early.Seen = t0.Add(-time.Hour) // a clock that went back
	busy.Seen = t0.Add(24*time.Hour - time.Second)
	revoked.Revoked = t0.Add(2 * time.Hour)
	endless.Idle = 0
	for _, c := range []struct {
		name    string
		session store.Session
		after   time.Duration
		want    bool
	}{
		{"idle, just in time", session, time.Hour - time.Second, true},
		{"idle, at the limit", session, time.Hour, false},
		{"idle, too late", session, time.Hour + time.Second, false},
		{"seen, just in time", seen, 90*time.Minute - time.Second, true},
		{"seen, too late", seen, 90 * time.Minute, false},
		{"seen before it was made", early, time.Hour - time.Second, true},
		{"busy to the end", busy, 24*time.Hour - time.Second, true},
		{"busy beyond it", busy, 24 * time.Hour, false},
		{"without an idle limit", endless, 24*time.Hour - time.Second, true},
		{"revoked", revoked, 0, false},
		{"without an expiry", bare, 0, false},
	} {
		if got := c.session.Live(t0.Add(c.after)); got != c.want {
			t.Errorf("%s: Live is %v", c.name, got)
		}
	}
}

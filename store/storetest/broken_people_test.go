package storetest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// Mistakes with people, and with what keys have learned for them.
var breakagesOfPeople = []breakage{
	{1, "emails are folded", "an email is found as it is written", func(b Backend) Backend {
		return parts{Backend: b, users: foldingUsers{b.Users()}}
	}},
	{1, "expired keys are still expiring", "Expiring lists what has not ended, the soonest first", func(b Backend) Backend {
		return parts{Backend: b, admin: lateAdmin{b.KeyAdmin()}}
	}},
	{1, "revoked keys are outdated", "Outdated counts what has not ended under other peppers", func(b Backend) Backend {
		return parts{Backend: b, admin: countingAdmin{b.KeyAdmin()}}
	}},
	{2, "sessions are found by their id alone", "another user's session is as absent as a missing one", func(b Backend) Backend {
		return parts{Backend: b, sessions: &globalSessions{Sessions: b.Sessions(), owners: map[string]string{}}}
	}},
	{2, "idempotency keys are global", "idempotency keys are apart in every account", func(b Backend) Backend {
		return parts{Backend: b, admin: &crowdedAdmin{KeyAdmin: b.KeyAdmin(), used: map[string]bool{}}}
	}},
	{3, "a session that ended is not found", "revoked and expired sessions are returned", func(b Backend) Backend {
		return parts{Backend: b, sessions: tidySessions{b.Sessions()}}
	}},
	{4, "a bulk revocation takes all", "KeyAdmin.RevokeAll ends the keys that the filter means", func(b Backend) Backend {
		return parts{Backend: b, admin: bluntAdmin{b.KeyAdmin()}}
	}},
	{4, "a new role is a new membership", "Put changes role and scope and nothing else", func(b Backend) Backend {
		return parts{Backend: b, members: rewritingMembers{b.Memberships()}}
	}},
	{4, "the caller's session ends too", "RevokeAll ends a user's sessions but one", func(b Backend) Backend {
		return parts{Backend: b, sessions: ruthlessSessions{b.Sessions()}}
	}},
	{5, "the last sight of a session wins", "Sessions.Touch never moves back and leaves revoked ones alone", func(b Backend) Backend {
		return parts{Backend: b, sessions: &lastSessions{Sessions: b.Sessions(), last: map[string]time.Time{}}}
	}},
	{8, "users are not published", "Memberships.Remove is published", func(b Backend) Backend {
		return filtered{b, func(w store.Watcher) store.Watcher { return deafTo{w, "user_"} }}
	}},
	{8, "sessions are not published", "Sessions.RevokeAll is published", func(b Backend) Backend {
		return filtered{b, func(w store.Watcher) store.Watcher { return deafTo{w, "ses_"} }}
	}},
	{8, "a watch of sessions begins without Gap", "a watch begins with Gap and ends with its context (sessions)", func(b Backend) Backend {
		return filtered{b, func(w store.Watcher) store.Watcher { return gaplessWatcher{w} }}
	}},
	{8, "Alive comes before the changes of sessions", "Alive never runs ahead of the changes (sessions)", func(b Backend) Backend {
		return filtered{b, func(w store.Watcher) store.Watcher { return &lateWatcher{Watcher: w} }}
	}},
	{8, "a log-out is published before it is made", "a change can be read when it is published (sessions)", func(b Backend) Backend {
		e := &early{Backend: b}
		return parts{Backend: e, sessions: earlySessions{b.Sessions(), e}}
	}},
	{9, "times of sessions are local", "times of sessions are in UTC and keep their microseconds", func(b Backend) Backend {
		return parts{Backend: b, sessions: localSessions{b.Sessions()}}
	}},
	{9, "a grace is whole seconds", "durations keep their microseconds", func(b Backend) Backend {
		return parts{Backend: b, admin: secondsAdmin{b.KeyAdmin()}}
	}},
	{10, "the last password wins", "a password is replaced by compare-and-swap", func(b Backend) Backend {
		return parts{Backend: b, users: hastyUsers{b.Users()}}
	}},
	{10, "the last of many passwords wins", "one of many new passwords wins", func(b Backend) Backend {
		return parts{Backend: b, users: hastyUsers{b.Users()}}
	}},
	{10, "a Rehash that failed says it has not", "a digest is replaced by compare-and-swap", func(b Backend) Backend {
		return parts{Backend: b, keys: cheerfulKeys{b.Keys()}}
	}},
	{11, "a new password leaves the sessions", "an epoch grows with what ends sessions and nothing else", func(b Backend) Backend {
		return parts{Backend: b, users: gentleUsers{b.Users()}}
	}},
	{11, "a rehash ends the sessions", "an epoch grows with what ends sessions and nothing else", func(b Backend) Backend {
		return parts{Backend: b, users: harshUsers{b.Users()}}
	}},
	{11, "the epoch is read after it was raised", "every end of the sessions counts", func(b Backend) Backend {
		return parts{Backend: b, users: &rereadingUsers{Users: b.Users(), met: make(chan struct{})}}
	}},
	{12, "every use begins the grace", "a grace begins once", func(b Backend) Backend {
		g := &graces{admin: b.KeyAdmin(), of: map[string]time.Duration{}, ends: map[string]time.Time{}}
		return parts{Backend: b, keys: graceKeys{b.Keys(), g}, admin: graceAdmin{b.KeyAdmin(), g}}
	}},
	{12, "a grace is the new expiry", "a grace never raises an expiry", func(b Backend) Backend {
		g := &graces{admin: b.KeyAdmin(), of: map[string]time.Duration{}, ends: map[string]time.Time{}}
		return parts{Backend: b, keys: graceKeys{b.Keys(), g}, admin: graceAdmin{b.KeyAdmin(), g}}
	}},
	{13, "a replay makes a second key", "an idempotency key makes one key under concurrency", func(b Backend) Backend {
		return parts{Backend: b, admin: repeatingAdmin{b.KeyAdmin()}}
	}},
}

type foldingUsers struct{ store.Users }

func (u foldingUsers) ByEmail(ctx context.Context, email string) (store.User, error) {
	return u.Users.ByEmail(ctx, strings.ToLower(email))
}

// lateAdmin has no lower end to what is expiring.
type lateAdmin struct{ store.KeyAdmin }

func (a lateAdmin) Expiring(ctx context.Context, account string, now, by time.Time, limit int) ([]store.Key, error) {
	return a.KeyAdmin.Expiring(ctx, account, now.Add(-2*time.Hour), by, limit)
}

// countingAdmin counts every key of the accounts of the check.
type countingAdmin struct{ store.KeyAdmin }

func (a countingAdmin) Outdated(ctx context.Context, pepper string, now time.Time) (int, error) {
	n := 0
	for _, account := range []string{mine, theirs} {
		list, err := a.List(ctx, account, "", 1000)
		if err != nil {
			return 0, err
		}
		for _, k := range list {
			if k.Digest.Pepper != pepper {
				n++
			}
		}
	}
	return n, nil
}

type globalSessions struct {
	store.Sessions
	owners map[string]string
}

func (g *globalSessions) Create(ctx context.Context, o store.Session) error {
	g.owners[o.ID] = o.User
	return g.Sessions.Create(ctx, o)
}

func (g *globalSessions) Get(ctx context.Context, user, id string) (store.Session, error) {
	return g.Sessions.Get(ctx, g.owners[id], id)
}

type crowdedAdmin struct {
	store.KeyAdmin
	used map[string]bool
}

func (a *crowdedAdmin) Create(ctx context.Context, k store.Key, quota int, now time.Time) error {
	if k.Idempotency != "" && a.used[k.Idempotency] {
		return store.ErrConflict
	}
	a.used[k.Idempotency] = true
	return a.KeyAdmin.Create(ctx, k, quota, now)
}

type tidySessions struct{ store.Sessions }

func (t tidySessions) Find(ctx context.Context, d keyfmt.Digest) (store.Session, error) {
	o, err := t.Sessions.Find(ctx, d)
	if err == nil && !o.Live(t0) {
		return store.Session{}, store.ErrNotFound
	}
	return o, err
}

type bluntAdmin struct{ store.KeyAdmin }

func (a bluntAdmin) RevokeAll(ctx context.Context, account string, f store.Filter, reason string, now time.Time) (int, error) {
	return a.KeyAdmin.RevokeAll(ctx, account, store.Filter{CreatedBy: f.CreatedBy}, reason, now)
}

type rewritingMembers struct{ store.Memberships }

func (m rewritingMembers) Put(ctx context.Context, member store.Membership) error {
	if err := m.Remove(ctx, member.Account, member.User); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return m.Memberships.Put(ctx, member)
}

type ruthlessSessions struct{ store.Sessions }

func (r ruthlessSessions) RevokeAll(ctx context.Context, user, but string, now time.Time) (int, error) {
	return r.Sessions.RevokeAll(ctx, user, "", now)
}

// localSessions returns what it was given, zone and all.
type localSessions struct{ store.Sessions }

func (l localSessions) Get(ctx context.Context, user, id string) (store.Session, error) {
	o, err := l.Sessions.Get(ctx, user, id)
	o.Seen = o.Seen.In(time.FixedZone("west", -3600))
	return o, err
}

type lastSessions struct {
	store.Sessions
	last map[string]time.Time
}

func (l *lastSessions) Touch(ctx context.Context, uses []store.Use) error {
	for _, u := range uses {
		l.last[u.ID] = u.At
	}
	return nil
}

func (l *lastSessions) Get(ctx context.Context, user, id string) (store.Session, error) {
	o, err := l.Sessions.Get(ctx, user, id)
	o.Seen = l.last[id]
	return o, err
}

// deafTo does not hear of some ids.
type deafTo struct {
	store.Watcher
	prefix string
}

func (w deafTo) Forget(id string) {
	if !strings.HasPrefix(id, w.prefix) {
		w.Watcher.Forget(id)
	}
}

type secondsAdmin struct{ store.KeyAdmin }

func (a secondsAdmin) Create(ctx context.Context, k store.Key, quota int, now time.Time) error {
	k.Grace = k.Grace.Truncate(time.Second)
	return a.KeyAdmin.Create(ctx, k, quota, now)
}

// hastyUsers replaces whatever hash is there.
type hastyUsers struct{ store.Users }

func (h hastyUsers) Rehash(ctx context.Context, id, old, next string) error {
	for {
		u, err := h.Get(ctx, id)
		if err != nil {
			return err
		}
		if err := h.Users.Rehash(ctx, id, u.Password, next); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

type cheerfulKeys struct{ store.Keys }

func (k cheerfulKeys) Rehash(ctx context.Context, id string, old, next keyfmt.Digest) error {
	if err := k.Keys.Rehash(ctx, id, old, next); !errors.Is(err, store.ErrConflict) {
		return err
	}
	return nil
}

type gentleUsers struct{ store.Users }

func (g gentleUsers) SetPassword(ctx context.Context, was store.User, next string) (int64, error) {
	if err := g.Rehash(ctx, was.ID, was.Password, next); err != nil {
		return 0, err
	}
	u, err := g.Get(ctx, was.ID)
	return u.Epoch, err
}

type harshUsers struct{ store.Users }

func (h harshUsers) Rehash(ctx context.Context, id, old, next string) error {
	u, err := h.Get(ctx, id)
	if err != nil {
		return err
	}
	u.Password = old
	_, err = h.SetPassword(ctx, u, next)
	return err
}

// rereadingUsers raises the epoch and then reads it, as another caller may
// have raised it again. The first waits a moment for the others, so that the
// race is lost whenever there is one.
type rereadingUsers struct {
	store.Users
	mu    sync.Mutex
	calls int
	met   chan struct{}
}

func (r *rereadingUsers) EndSessions(ctx context.Context, id string) (int64, error) {
	if _, err := r.Users.EndSessions(ctx, id); err != nil {
		return 0, err
	}
	r.mu.Lock()
	if r.calls++; r.calls == 16 {
		close(r.met)
	}
	r.mu.Unlock()
	select {
	case <-r.met:
	case <-time.After(100 * time.Millisecond):
	}
	u, err := r.Get(ctx, id)
	return u.Epoch, err
}

// graces begins the grace of a key of mine at every use, whatever expiry that
// gives the old key.
type graces struct {
	admin store.KeyAdmin
	of    map[string]time.Duration // by successor
	ends  map[string]time.Time     // by the key that it replaces
}

type graceKeys struct {
	store.Keys
	*graces
}

func (g graceKeys) BeginGrace(ctx context.Context, id string, now time.Time) error {
	k, err := g.admin.Get(ctx, mine, id)
	if err != nil {
		return err
	}
	if k.Grace > 0 {
		g.of[id] = k.Grace
	}
	g.ends[k.Replaces] = now.Add(g.of[id])
	return g.Keys.BeginGrace(ctx, id, now)
}

type graceAdmin struct {
	store.KeyAdmin
	*graces
}

func (g graceAdmin) Get(ctx context.Context, account, id string) (store.Key, error) {
	k, err := g.KeyAdmin.Get(ctx, account, id)
	if end, ok := g.ends[id]; ok {
		k.Expires = end
	}
	return k, err
}

type repeatingAdmin struct{ store.KeyAdmin }

func (a repeatingAdmin) Create(ctx context.Context, k store.Key, quota int, now time.Time) error {
	err := a.KeyAdmin.Create(ctx, k, quota, now)
	if errors.Is(err, store.ErrConflict) && k.Idempotency != "" {
		k.Idempotency = ""
		return a.KeyAdmin.Create(ctx, k, quota, now)
	}
	return err
}

package storetest

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// mutators has every call that changes more than a time of use. Each is made after
// [populated] has added its records, and has the ids that watchers must hear of.
// case K11
var mutators = []mutator{
	{"KeyAdmin.Create", func(s *suite, k store.Key) error {
		return s.KeyAdmin().Create(s.Context(), newKey(mine, 2), 0, t0)
	}, []string{newKey(mine, 2).ID}},
	{"KeyAdmin.Revoke", func(s *suite, k store.Key) error {
		return s.KeyAdmin().Revoke(s.Context(), mine, k.ID, "leaked", t0)
	}, []string{newKey(mine, 1).ID}},
	{"KeyAdmin.Rotate", func(s *suite, k store.Key) error {
		return s.KeyAdmin().Rotate(s.Context(), mine, k.ID, newKey(mine, 2), t0, t0)
	}, []string{newKey(mine, 1).ID, newKey(mine, 2).ID}},
	{"KeyAdmin.Update of the name", updates(store.KeyUpdate{Name: new("Other")}), []string{newKey(mine, 1).ID}},
	{"KeyAdmin.Update of the grant", updates(store.KeyUpdate{Grant: new(authz.Grant{})}), []string{newKey(mine, 1).ID}},
	{"KeyAdmin.Update of the addresses", updates(store.KeyUpdate{Addresses: new([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})}),
		[]string{newKey(mine, 1).ID}},
	{"KeyAdmin.Update of the expiry", updates(store.KeyUpdate{Expires: new(t0)}), []string{newKey(mine, 1).ID}},
	{"KeyAdmin.Update to disabled", updates(store.KeyUpdate{Disabled: new(true)}), []string{newKey(mine, 1).ID}},
	{"KeyAdmin.Update to enabled", func(s *suite, k store.Key) error {
		return updates(store.KeyUpdate{Disabled: new(false)})(s, newKey(mine, 12))
	}, []string{newKey(mine, 12).ID}},
	{"KeyAdmin.Prune", func(s *suite, k store.Key) error {
		_, err := s.KeyAdmin().Prune(s.Context(), t0.Add(2*time.Hour), 1000)
		return err
	}, []string{newKey(mine, 1).ID}},
	{"KeyAdmin.RevokeAll", func(s *suite, k store.Key) error {
		_, err := s.KeyAdmin().RevokeAll(s.Context(), mine, store.Filter{}, "gone", t0)
		return err
	}, []string{newKey(mine, 1).ID, newKey(mine, 10).ID, newKey(mine, 11).ID, newKey(mine, 12).ID}},
	{"Keys.BeginGrace", func(s *suite, k store.Key) error {
		return s.Keys().BeginGrace(s.Context(), newKey(mine, 11).ID, t0)
	}, []string{newKey(mine, 10).ID, newKey(mine, 11).ID}},
	{"Keys.Rehash", func(s *suite, k store.Key) error {
		return s.Keys().Rehash(s.Context(), k.ID, k.Digest, digest("next"))
	}, []string{newKey(mine, 1).ID}},
	{"Accounts.Create", func(s *suite, k store.Key) error {
		return s.Accounts().Create(s.Context(), newAccount(theirs))
	}, []string{theirs}},
	{"Accounts.SetStatus", func(s *suite, k store.Key) error {
		return s.Accounts().SetStatus(s.Context(), mine, authz.Suspended)
	}, []string{mine}},
	{"Accounts.SetPlan", func(s *suite, k store.Key) error {
		return s.Accounts().SetPlan(s.Context(), mine, "free", "")
	}, []string{mine}},
	{"Accounts.SetPlan with limits", func(s *suite, k store.Key) error {
		return s.Accounts().SetPlan(s.Context(), mine, "standard", "600-M")
	}, []string{mine}},
	{"Users.Create", func(s *suite, k store.Key) error {
		return s.Users().Create(s.Context(), newUser(2))
	}, []string{you}},
	{"Users.SetPassword", func(s *suite, k store.Key) error {
		_, err := s.Users().SetPassword(s.Context(), newUser(1), "$2")
		return err
	}, []string{me}},
	{"Users.Rehash", func(s *suite, k store.Key) error {
		return s.Users().Rehash(s.Context(), me, newUser(1).Password, "$2")
	}, []string{me}},
	{"Users.SetStatus", func(s *suite, k store.Key) error {
		return s.Users().SetStatus(s.Context(), me, authz.Suspended)
	}, []string{me}},
	{"Users.EndSessions", func(s *suite, k store.Key) error {
		_, err := s.Users().EndSessions(s.Context(), me)
		return err
	}, []string{me}},
	{"Memberships.Put", func(s *suite, k store.Key) error {
		s.accounts(theirs)
		return s.Memberships().Put(s.Context(), newMembership(theirs, 1))
	}, []string{me}},
	{"Memberships.Put of another role", func(s *suite, k store.Key) error {
		return s.Memberships().Put(s.Context(), store.Membership{User: me, Account: mine, Role: "viewer"})
	}, []string{me}},
	{"Memberships.Put of another scope", func(s *suite, k store.Key) error {
		m := newMembership(mine, 1)
		m.Scope = map[string]authz.Set{"projects": authz.Of("proj_1")}
		return s.Memberships().Put(s.Context(), m)
	}, []string{me}},
	{"Memberships.Remove", func(s *suite, k store.Key) error {
		return s.Memberships().Remove(s.Context(), mine, me)
	}, []string{me}},
	{"Memberships.Swap", func(s *suite, k store.Key) error {
		return s.Memberships().Swap(s.Context(), newMembership(mine, 1), &store.Membership{Role: "viewer"}, "")
	}, []string{me}},
	{"Memberships.Swap to none", func(s *suite, k store.Key) error {
		return s.Memberships().Swap(s.Context(), newMembership(mine, 1), nil, "")
	}, []string{me}},
	{"Invitations.Accept", func(s *suite, k store.Key) error {
		s.accounts(theirs)
		s.invite(newInvitation(theirs, 1))
		_, err := s.Invitations().Accept(s.Context(), theirs, newInvitation(theirs, 1).ID, me, t0)
		return err
	}, []string{me}},
	{"Sessions.Create", func(s *suite, k store.Key) error {
		return s.Sessions().Create(s.Context(), newSession(me, 3))
	}, []string{newSession(me, 3).ID}},
	{"Sessions.Revoke", func(s *suite, k store.Key) error {
		return s.Sessions().Revoke(s.Context(), me, newSession(me, 1).ID, t0)
	}, []string{newSession(me, 1).ID}},
	{"Sessions.RevokeAll", func(s *suite, k store.Key) error {
		_, err := s.Sessions().RevokeAll(s.Context(), me, "", t0)
		return err
	}, []string{newSession(me, 1).ID, newSession(me, 2).ID}},
	{"Sessions.Prune", func(s *suite, k store.Key) error {
		_, err := s.Sessions().Prune(s.Context(), t0.AddDate(1, 0, 0), 1000)
		return err
	}, []string{newSession(me, 1).ID, newSession(me, 2).ID}},
}

type mutator struct {
	name string
	do   func(s *suite, k store.Key) error
	want []string
}

// updates returns the call of a mutator that makes the changes of u.
func updates(u store.KeyUpdate) func(*suite, store.Key) error {
	return func(s *suite, k store.Key) error {
		u := u
		u.Was = k.Grant
		_, err := s.KeyAdmin().Update(s.Context(), mine, k.ID, u, t0)
		return err
	}
}

func watchChecks() []check {
	list := slices.Concat(changeChecks("", ofKeys), changeChecks(" (sessions)", ofSessions))
	for _, m := range mutators {
		list = append(list, m.check(populated))
	}
	return list
}

// changeChecks returns the checks of watches that change one kind of record.
func changeChecks(kind string, r record) []check {
	return []check{
		{8, "a watch begins with Gap and ends with its context" + kind, r.watchLife},
		{8, "Touch is not published" + kind, r.touchSilent},
		{8, "every watcher hears of a change" + kind, r.twoWatchers},
		{8, "a change can be read when it is published" + kind, r.commitFirst}, // case K12
		{8, "Alive never runs ahead of the changes" + kind, r.aliveLast},
	}
}

// check checks that the change of m to the records of populate is published.
func (m mutator) check(populate func(*suite) store.Key) check {
	return check{8, m.name + " is published", func(s *suite) {
		k := populate(s)
		l, stop := s.watch()
		defer stop()
		s.must(m.name, m.do(s, k))
		for _, id := range m.want {
			if !l.forgets(id, s.timeout) {
				s.fatalf("%s: watchers did not hear of %s; they heard of %q", m.name, id, l.ids())
			}
		}
	}}
}

// A record is one kind of record that the checks of watches change.
type record struct {
	add     func(s *suite, n int) // the records before the nth
	id      func(n int) string
	touch   func(s *suite, n int) error
	revoke  func(s *suite, n int) error
	revoked func(s *suite, n int) bool // whether the nth record is revoked, or cannot be read
}

var ofKeys = record{
	add: func(s *suite, n int) {
		s.accounts(mine)
		for i := range n {
			s.keys(newKey(mine, i))
		}
	},
	id: func(n int) string { return newKey(mine, n).ID },
	touch: func(s *suite, n int) error {
		return s.Keys().Touch(s.Context(), []store.Use{{ID: newKey(mine, n).ID, At: t0}})
	},
	revoke: func(s *suite, n int) error { return s.KeyAdmin().Revoke(s.Context(), mine, newKey(mine, n).ID, "", t0) },
	revoked: func(s *suite, n int) bool {
		k, err := s.KeyAdmin().Get(s.Context(), mine, newKey(mine, n).ID)
		return err != nil || !k.Revoked.IsZero()
	},
}

var ofSessions = record{
	add: func(s *suite, n int) {
		for i := range n {
			s.logins(newSession(me, i))
		}
	},
	id: func(n int) string { return newSession(me, n).ID },
	touch: func(s *suite, n int) error {
		return s.Sessions().Touch(s.Context(), []store.Use{{ID: newSession(me, n).ID, At: t0}})
	},
	revoke: func(s *suite, n int) error { return s.Sessions().Revoke(s.Context(), me, newSession(me, n).ID, t0) },
	revoked: func(s *suite, n int) bool {
		o, err := s.Sessions().Get(s.Context(), me, newSession(me, n).ID)
		return err != nil || !o.Revoked.IsZero()
	},
}

// populated adds a key that Prune can reach, a rotated key and its successor
// (10 and 11), a disabled key (12), and a user with a membership and two sessions.
func populated(s *suite) store.Key {
	s.accounts(mine)
	k, old, next, disabled := newKey(mine, 1), newKey(mine, 10), newKey(mine, 11), newKey(mine, 12)
	k.Expires, disabled.Disabled = t0.Add(time.Hour), t0
	next.Replaces, next.Grace = old.ID, time.Hour
	s.keys(k, old, next, disabled)
	s.users(1)
	s.put(newMembership(mine, 1))
	s.logins(newSession(me, 1), newSession(me, 2))
	return k
}

func (r record) watchLife(s *suite) {
	r.add(s, 1)
	l, stop := s.watch()
	defer stop()
	if !l.wait(s.timeout, func(e event) bool { return e.call == "Alive" }) {
		s.fatalf("Alive was not called within %v", s.timeout)
	}
	now := time.Now()
	if !l.wait(s.timeout, func(e event) bool { return e.call == "Alive" && e.at.After(now) }) {
		s.fatalf("Alive was not called again within %v", s.timeout)
	}
	s.must("Revoke", r.revoke(s, 0))
	if !l.forgets(r.id(0), s.timeout) {
		s.errorf("a quiet watch did not hear of a change")
	}
	first := slices.IndexFunc(l.events, opens)
	for i, e := range l.events {
		if (e.call == "Gap") != (i == first) {
			s.errorf("call %d of a watch without a loss is %s", i, e.call)
		}
		if e.call == "Alive" && e.at.After(e.heard) {
			s.errorf("Alive(%v) was called at %v: it promises the future", e.at, e.heard)
		}
	}
}

func (r record) touchSilent(s *suite) {
	r.add(s, 2)
	l, stop := s.watch()
	defer stop()
	s.must("Touch", r.touch(s, 0))
	s.must("Revoke", r.revoke(s, 1))
	if !l.forgets(r.id(1), s.timeout) {
		s.fatalf("watchers did not hear of a revocation")
	}
	if slices.Contains(l.ids(), r.id(0)) {
		s.errorf("a use was published: caches would never hold anything")
	}
}

func (r record) twoWatchers(s *suite) {
	r.add(s, 1)
	first, stopFirst := s.watch()
	defer stopFirst()
	second, stopSecond := s.watch()
	defer stopSecond()
	third, stopThird := s.watch()
	stopThird()
	s.must("Revoke", r.revoke(s, 0))
	if !first.forgets(r.id(0), s.timeout) || !second.forgets(r.id(0), s.timeout) {
		s.errorf("of two watchers not both heard of a change")
	}
	if slices.Contains(third.ids(), r.id(0)) {
		s.errorf("a watch that had ended was told of a change")
	}
}

// A watcher that forgets a record may read it again at once. It must not read the state
// before the change.
func (r record) commitFirst(s *suite) {
	r.add(s, 1)
	var mu sync.Mutex
	var early int
	read := func(id string) {
		if id != r.id(0) {
			return
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			if !r.revoked(s, 0) {
				mu.Lock()
				early++
				mu.Unlock()
			}
		}()
		select {
		case <-done:
		case <-time.After(s.timeout / 10): // a store that holds its lock while it publishes answers later
		}
	}
	l, stop := s.watch(read)
	defer stop()
	s.must("Revoke", r.revoke(s, 0))
	if !l.forgets(r.id(0), s.timeout) {
		s.fatalf("watchers did not hear of a revocation")
	}
	mu.Lock()
	defer mu.Unlock()
	if early > 0 {
		s.errorf("a revocation was published before it could be read")
	}
}

func (r record) aliveLast(s *suite) {
	const n = 20
	r.add(s, n)
	l, stop := s.watch()
	defer stop()
	committed := make([]time.Time, n)
	for _, err := range each(n, func(i int) error {
		err := r.revoke(s, i)
		committed[i] = time.Now()
		return err
	}) {
		s.must("Revoke", err)
	}
	last := slices.MaxFunc(committed, time.Time.Compare)
	if !l.wait(s.timeout, func(e event) bool { return e.call == "Alive" && e.at.After(last) }) {
		s.fatalf("Alive was not called within %v of the last change", s.timeout)
	}
	heard := map[string]bool{}
	for _, e := range l.events {
		switch e.call {
		case "Forget":
			heard[e.id] = true
		case "Alive":
			for i, at := range committed {
				if id := r.id(i); at.Before(e.at) && !heard[id] {
					s.fatalf("Alive(%v) before Forget(%q), whose change was committed at %v", e.at, id, at)
				}
			}
		}
	}
}

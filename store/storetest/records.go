package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

func recordChecks() []check {
	return []check{
		{1, "every field of a key comes back", everyFieldOfKey},
		{1, "every field of an account comes back", everyFieldOfAccount},
		{1, "a grant of a newer release comes back", newerGrant},
		{1, "missing is ErrNotFound", missing},
		{1, "taken is ErrConflict", taken},
		{1, "a cancelled call is no answer", cancelled},
		{1, "hostile text is kept or refused", hostileText},
		{1, "hostile text of people is kept or refused", hostilePeople},
		{3, "revoked, expired and disabled keys are returned", inactive},
		{3, "Find tells the present state of the account", ownerState},
	}
}

func everyFieldOfKey(s *suite) {
	s.accounts(mine)
	bare := store.Key{ID: "key_bare", Account: mine, Digest: digest("bare")}
	for _, want := range []store.Key{full(mine), bare} {
		s.keys(want)
		s.same("Get", s.get(mine, want.ID), want)
		k, _ := s.find(want.Digest)
		s.same("Find", k, want)
	}
	s.same("List", s.list(mine), []store.Key{bare, full(mine)})
}

func everyFieldOfAccount(s *suite) {
	for _, want := range []store.Account{
		{ID: mine, Name: "Clinic", Status: authz.ReadOnly, Plan: "enterprise", Limits: "600-M", Created: t0},
		{ID: theirs, Status: authz.Suspended},
	} {
		s.must("Accounts.Create", s.Accounts().Create(s.Context(), want))
		got, err := s.Accounts().Get(s.Context(), want.ID)
		s.must("Accounts.Get", err)
		s.same("Accounts.Get", got, want)
		k := newKey(want.ID, 1)
		s.keys(k)
		_, o := s.find(k.Digest)
		s.same("the owner that Find returns", o, store.Owner{Account: want})
	}
}

// A grant of a newer release denies. It must still do so after it was stored, so nothing
// that is unknown in it may be dropped.
func newerGrant(s *suite) {
	s.accounts(mine)
	k := newKey(mine, 1)
	text := `{"v":2,"permissions":["read"],"scope":{"regions":["eu"]},"endpoints":"*","environments":"*","moons":["full"]}`
	if err := json.Unmarshal([]byte(text), &k.Grant); err != nil {
		s.fatalf("package authz does not read the grant: %v", err)
	}
	s.keys(k)
	s.same("Get", s.get(mine, k.ID), k)
}

func missing(s *suite) {
	s.accounts(mine)
	ctx, admin, accounts := s.Context(), s.KeyAdmin(), s.Accounts()
	for _, tt := range []struct {
		what string
		f    func() error
	}{
		{"Find", func() error { _, _, err := s.Keys().Find(ctx, digest("none")); return err }},
		{"Find nothing", func() error { _, _, err := s.Keys().Find(ctx, keyfmt.Digest{}); return err }},
		{"Get", func() error { _, err := admin.Get(ctx, mine, "key_none"); return err }},
		{"Get nothing", func() error { _, err := admin.Get(ctx, "", ""); return err }},
		{"Revoke", func() error { return admin.Revoke(ctx, mine, "key_none", "", t0) }},
		{"Rotate", func() error { return admin.Rotate(ctx, mine, "key_none", newKey(mine, 1), t0, t0) }},
		{"Update", func() error {
			_, err := admin.Update(ctx, mine, "key_none", store.KeyUpdate{Name: new("x")}, t0)
			return err
		}},
		{"Create", func() error { return admin.Create(ctx, newKey("acct_none", 1), 0, t0) }},
		{"Accounts.Get", func() error { _, err := accounts.Get(ctx, "acct_none"); return err }},
		{"Accounts.Status", func() error { return accounts.SetStatus(ctx, "acct_none", authz.Active) }},
		{"Accounts.Plan", func() error { return accounts.SetPlan(ctx, "acct_none", "free", "") }},
	} {
		s.is(tt.what, tt.f(), store.ErrNotFound)
	}
	s.must("Touch of an id that does not exist", s.Keys().Touch(ctx, []store.Use{{ID: "key_none", At: t0}}))
	s.must("Touch of nothing", s.Keys().Touch(ctx, nil))
	if list := s.list(mine); len(list) != 0 {
		s.errorf("failed calls left keys behind: %v", list)
	}
}

func taken(s *suite) {
	first := s.key(mine, 1)
	s.accounts(theirs)

	sameID := newKey(theirs, 2)
	sameID.ID = first.ID
	s.is("Create with an id that is taken", s.KeyAdmin().Create(s.Context(), sameID, 0, t0), store.ErrConflict)
	sameDigest := newKey(theirs, 3)
	sameDigest.Digest = first.Digest
	s.is("Create with a digest that is taken", s.KeyAdmin().Create(s.Context(), sameDigest, 0, t0), store.ErrConflict)
	s.same("the first key", s.get(mine, first.ID), first)

	other := newKey(theirs, 4)
	other.Digest = keyfmt.Digest{Pepper: "p2", Sum: first.Digest.Sum}
	s.must("Create with the same sum under another pepper", s.KeyAdmin().Create(s.Context(), other, 0, t0))
	k, o := s.find(other.Digest)
	s.same("Find by sum and pepper", []string{k.ID, o.Account.ID}, []string{other.ID, theirs})

	again := newAccount(mine)
	again.Name, again.Status = "Other", authz.Suspended
	s.is("Accounts.Create with an id that is taken", s.Accounts().Create(s.Context(), again), store.ErrConflict)
	got, err := s.Accounts().Get(s.Context(), mine)
	s.must("Accounts.Get", err)
	s.same("the first account", got, newAccount(mine))
}

func cancelled(s *suite) {
	s.accounts(mine)
	k, rehashed := madeUnder(mine, 1, "call 1"), newKey(mine, 4)
	s.keys(k, rehashed)
	s.users(1, 2)
	s.put(newMembership(mine, 1))
	s.invite(newInvitation(mine, 1), newInvitation(mine, 3))
	s.logins(newSession(me, 1))
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	for _, tt := range []struct {
		what string
		f    func() error
	}{
		{"Find", func() error { _, _, err := s.Keys().Find(ctx, k.Digest); return err }},
		{"Get", func() error { _, err := s.KeyAdmin().Get(ctx, mine, k.ID); return err }},
		{"Create", func() error {
			return s.KeyAdmin().Create(ctx, newKey(mine, 2), 5, t0)
		}},
		{"Rotate", func() error {
			return s.KeyAdmin().Rotate(ctx, mine, k.ID, newKey(mine, 3), t0.Add(time.Hour), t0)
		}},
		{"Update", func() error {
			_, err := s.KeyAdmin().Update(ctx, mine, k.ID, store.KeyUpdate{Was: k.Grant, Name: new("x")}, t0)
			return err
		}},
		{"Accounts.Get", func() error { _, err := s.Accounts().Get(ctx, mine); return err }},
		{"BeginGrace", func() error { return s.Keys().BeginGrace(ctx, k.ID, t0) }},
		{"Rehash", func() error { return s.Keys().Rehash(ctx, rehashed.ID, rehashed.Digest, digest("next")) }},
		{"ByIdempotency", func() error { _, err := s.KeyAdmin().ByIdempotency(ctx, mine, "call 1"); return err }},
		{"Users.Get", func() error { _, err := s.Users().Get(ctx, me); return err }},
		{"ByEmail", func() error { _, err := s.Users().ByEmail(ctx, newUser(1).Email); return err }},
		{"SetPassword", func() error { _, err := s.Users().SetPassword(ctx, newUser(1), "$"); return err }},
		{"BeginReset", func() error { _, err := s.Users().BeginReset(ctx, me); return err }},
		{"Memberships.Get", func() error { _, err := s.Memberships().Get(ctx, mine, me); return err }},
		{"Swap", func() error {
			return s.Memberships().Swap(ctx, newMembership(mine, 1), &store.Membership{Role: "viewer"}, "")
		}},
		{"Invitations.Put", func() error { return s.Invitations().Put(ctx, newInvitation(mine, 2)) }},
		{"Invitations.Get", func() error { _, err := s.Invitations().Get(ctx, mine, newInvitation(mine, 1).ID); return err }},
		{"Accept", func() error {
			_, err := s.Invitations().Accept(ctx, mine, newInvitation(mine, 3).ID, you, t0)
			return err
		}},
		{"Sessions.Find", func() error { _, err := s.Sessions().Find(ctx, newSession(me, 1).Digest); return err }},
		{"Sessions.Create", func() error { return s.Sessions().Create(ctx, newSession(me, 2)) }},
		{"Append", func() error { return s.Events().Append(ctx, newEvent(mine, 1)) }},
	} {
		err := tt.f()
		for _, answer := range []error{store.ErrNotFound, store.ErrConflict, store.ErrQuota, store.ErrInactive, store.ErrLast} {
			if errors.Is(err, answer) {
				s.errorf("%s with a cancelled context: %v, which is an answer", tt.what, err)
			}
		}
	}
}

func hostileText(s *suite) {
	s.accounts(mine)
	for i, text := range hostile {
		want := newKey(mine, i)
		want.ID += text
		want.Name, want.CreatedBy, want.Hint, want.Plan, want.Reason, want.Idempotency = text, text, text, text, text, text
		want.Owner, want.Import = text, text
		want.Digest = keyfmt.Digest{Pepper: text, Sum: want.Digest.Sum}
		if _, err := s.joins(mine, text); err != nil { // no user can have this id
			want.Owner = ""
		}
		if err := s.KeyAdmin().Create(s.Context(), want, 0, t0); err != nil {
			if _, err := s.KeyAdmin().Get(s.Context(), mine, want.ID); !errors.Is(err, store.ErrNotFound) {
				s.errorf("a key with the text %.20q was refused, but Get says %v", text, err)
			}
			continue
		}
		s.same("Get", s.get(mine, want.ID), want)
		k, _ := s.find(want.Digest)
		s.same("Find", k, want)
		s.same("ByIdempotency", made(s, mine, text), want)
		s.is("Revoke with a hostile account", s.KeyAdmin().Revoke(s.Context(), mine+text, want.ID, text, t0), store.ErrNotFound)
	}
}

// hostilePeople is hostileText for the other records.
func hostilePeople(s *suite) {
	s.accounts(mine)
	for i, text := range hostile {
		u, o, e := newUser(i), newSession(me, i), newEvent(mine, i)
		u.ID, u.Email, u.Name, u.Password = u.ID+text, text, text, text
		if err := s.Users().Create(s.Context(), u); err == nil {
			got, err := s.Users().ByEmail(s.Context(), text)
			s.must("ByEmail", err)
			s.same("ByEmail", got, u)
			m := store.Membership{User: u.ID, Account: mine, Role: text, Created: t0}
			s.put(m)
			s.same("OfUser", s.accountsOf(u.ID), []store.Membership{m})
			for _, scope := range []map[string]authz.Set{{text: authz.Of("proj_1")}, {"projects": authz.Of(text)}} {
				narrowed := m
				narrowed.Scope = scope
				if s.Memberships().Put(s.Context(), narrowed) == nil {
					m = narrowed
				}
				s.same("OfUser", s.accountsOf(u.ID), []store.Membership{m})
			}
		}
		o.ID, o.User, o.Account, o.Digest.Pepper, o.Address, o.Agent = o.ID+text, me+text, text, text, text, text
		if s.Sessions().Create(s.Context(), o) == nil {
			s.same("Sessions.List", s.sessionsOf(o.User), []store.Session{o})
		}
		e.ID, e.Account, e.Actor, e.Kind, e.Subject, e.Address, e.Note = e.ID+text, text, text, text, text, text, text
		if s.Events().Append(s.Context(), e) == nil {
			s.same("Events.List", s.eventsOf(text, "", 9), []store.Event{e})
		}
	}
	s.same("the sessions of a user without them", s.sessionsOf(me), []store.Session(nil))
}

var hostile = []string{
	"'; DROP TABLE keys; --", `"`, "`", `\`, "%", "_", "?", "$1", ":id", "\n\r\t", "NULL", "*", "{}",
	"名前 🔑 é é \u202e", "\u2028", strings.Repeat("x", 10_000), "a\x00b", "\x00", "\xff\xfe", " ",
}

func inactive(s *suite) {
	s.accounts(mine)
	expired, revoked, disabled := newKey(mine, 1), newKey(mine, 2), newKey(mine, 3)
	expired.Expires, disabled.Disabled = t0.Add(-time.Hour), t0
	s.keys(expired, revoked, disabled)
	s.must("Revoke", s.KeyAdmin().Revoke(s.Context(), mine, revoked.ID, "lost", t0))
	revoked.Revoked, revoked.Reason = t0, "lost"
	s.must("SetStatus", s.Accounts().SetStatus(s.Context(), mine, authz.Suspended))

	for _, want := range []store.Key{expired, revoked, disabled} {
		for range 2 { // once more: nothing is deleted on use
			k, _ := s.find(want.Digest)
			s.same("Find", k, want)
			s.same("Get", s.get(mine, want.ID), want)
		}
	}
	s.same("List", s.list(mine), []store.Key{disabled, revoked, expired})
}

func ownerState(s *suite) {
	k := s.key(mine, 1)
	want := newAccount(mine)
	s.must("SetStatus", s.Accounts().SetStatus(s.Context(), mine, authz.Suspended))
	want.Status = authz.Suspended
	_, o := s.find(k.Digest)
	s.same("after SetStatus", o.Account, want)

	s.must("SetPlan", s.Accounts().SetPlan(s.Context(), mine, "enterprise", "600-M"))
	want.Plan, want.Limits = "enterprise", "600-M"
	_, o = s.find(k.Digest)
	s.same("after SetPlan", o.Account, want)

	s.must("SetPlan", s.Accounts().SetPlan(s.Context(), mine, "", ""))
	s.must("SetStatus", s.Accounts().SetStatus(s.Context(), mine, authz.Active))
	want.Plan, want.Limits, want.Status = "", "", authz.Active
	_, o = s.find(k.Digest)
	s.same("after both were taken back", o.Account, want)
}

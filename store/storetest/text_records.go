package storetest

import (
	"errors"
	"slices"
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// is reports whether err is want. nil is no error.
func is(err, want error) bool { return errors.Is(err, want) }

func impossibleOfRecords(s *suite) {
	k := s.key(mine, 1)
	s.users(1)
	m := store.Membership{User: me, Account: mine, Role: "owner", Created: t0}
	s.put(m)
	i := newInvitation(mine, 1)
	s.invite(i)
	e := newEvent(mine, 1)
	s.must("Events.Append", s.Events().Append(s.Context(), e))
	impossible(s, textsOfRecords())
	k.Used = t0.Add(time.Minute) // by Touch, which ignores the other ids
	s.same("KeyAdmin.List", s.list(mine), []store.Key{k})
	a, err := s.Accounts().List(s.Context(), "", 9)
	s.must("Accounts.List", err)
	s.same("Accounts.List", a, []store.Account{newAccount(mine)})
	s.same("Users.Get", s.user(1), newUser(1))
	s.same("Memberships.OfUser", s.accountsOf(me), []store.Membership{m})
	s.same("Invitations.OfAccount", s.invitationsOf(mine), []store.Invitation{i})
	s.same("Events.List", s.eventsOf(mine, "", 9), []store.Event{e})
}

func textsOfRecords() []textCall {
	return slices.Concat(textsOfKeys(), textsOfChanges(), textsOfPeople(), textsOfInvitations(), textsOfEvents(), textsOfFingerprints())
}

func textsOfKeys() []textCall {
	k := newKey(mine, 1)
	return []textCall{
		{"Keys.Find: d", store.ErrNotFound, func(s *suite, text string) error {
			_, _, err := s.Keys().Find(s.Context(), keyfmt.Digest{Pepper: text, Sum: k.Digest.Sum})
			return err
		}},
		{"Keys.Touch: uses", nil, func(s *suite, text string) error {
			return s.Keys().Touch(s.Context(), []store.Use{{ID: text, At: t0}, {ID: k.ID, At: t0.Add(time.Minute)}, {ID: text, At: t0}})
		}},
		{"Keys.BeginGrace: id", store.ErrNotFound, func(s *suite, text string) error { return s.Keys().BeginGrace(s.Context(), text, t0) }},
		{"Keys.Rehash: id", store.ErrNotFound, func(s *suite, text string) error {
			return s.Keys().Rehash(s.Context(), text, k.Digest, digest("next"))
		}},
		{"Keys.Rehash: old", store.ErrConflict, func(s *suite, text string) error {
			return s.Keys().Rehash(s.Context(), k.ID, keyfmt.Digest{Pepper: text, Sum: k.Digest.Sum}, digest("next"))
		}},
		{"Keys.Rehash: next", store.ErrInvalid, func(s *suite, text string) error {
			return s.Keys().Rehash(s.Context(), k.ID, k.Digest, keyfmt.Digest{Pepper: text, Sum: k.Digest.Sum})
		}},
		{"KeyAdmin.Get: account", store.ErrNotFound, func(s *suite, text string) error {
			_, err := s.KeyAdmin().Get(s.Context(), text, k.ID)
			return err
		}},
		{"KeyAdmin.Get: id", store.ErrNotFound, func(s *suite, text string) error {
			_, err := s.KeyAdmin().Get(s.Context(), mine, text)
			return err
		}},
		{"KeyAdmin.ByIdempotency: account", store.ErrNotFound, func(s *suite, text string) error {
			_, err := s.KeyAdmin().ByIdempotency(s.Context(), text, "call")
			return err
		}},
		{"KeyAdmin.ByIdempotency: idempotency", store.ErrNotFound, func(s *suite, text string) error {
			_, err := s.KeyAdmin().ByIdempotency(s.Context(), mine, text)
			return err
		}},
		{"KeyAdmin.List: account", nil, func(s *suite, text string) error { return empty(s.KeyAdmin().List(s.Context(), text, "", 9)) }},
		{"KeyAdmin.Owned: account", nil, func(s *suite, text string) error { return empty(s.KeyAdmin().Owned(s.Context(), text, me, "", 9)) }},
		{"KeyAdmin.Owned: owner", nil, func(s *suite, text string) error { return empty(s.KeyAdmin().Owned(s.Context(), mine, text, "", 9)) }},
		{"KeyAdmin.Owned: after", store.ErrInvalid, func(s *suite, text string) error { return empty(s.KeyAdmin().Owned(s.Context(), mine, me, text, 9)) }},
		{"KeyAdmin.List: after", store.ErrInvalid, func(s *suite, text string) error { return empty(s.KeyAdmin().List(s.Context(), mine, text, 9)) }},
		{"KeyAdmin.Expiring: account", nil, func(s *suite, text string) error {
			return empty(s.KeyAdmin().Expiring(s.Context(), text, t0, t0.Add(time.Hour), 9))
		}},
		{"KeyAdmin.Outdated: pepper", store.ErrInvalid, func(s *suite, text string) error { return zero(s.KeyAdmin().Outdated(s.Context(), text, t0)) }},
	}
}

func textsOfChanges() []textCall {
	k, next := newKey(mine, 1), newKey(mine, 2)
	update := func(s *suite, account, id string, u store.KeyUpdate) error {
		_, err := s.KeyAdmin().Update(s.Context(), account, id, u, t0)
		return err
	}
	revoke := func(s *suite, account string, f store.Filter, reason string) error {
		return zero(s.KeyAdmin().RevokeAll(s.Context(), account, f, reason, t0))
	}
	rotate := func(s *suite, account, id string, next store.Key) error {
		return s.KeyAdmin().Rotate(s.Context(), account, id, next, time.Time{}, t0)
	}
	taken := []string{"Account", "Owner", "Environment", "Plan", "Family", "Replaces"} // the successor gets these from the old key
	ofRotate := slices.DeleteFunc(eachText("KeyAdmin.Rotate", next, always(store.ErrInvalid, nil, taken...), func(s *suite, next store.Key) error {
		return rotate(s, mine, k.ID, next)
	}), func(c textCall) bool { return c.want == nil })
	return slices.Concat([]textCall{
		{"KeyAdmin.Create: Grant", store.ErrInvalid, func(s *suite, text string) error {
			return everyOne(grantsWith(text), store.ErrInvalid, func(g authz.Grant) error {
				k := next
				k.Grant = g
				return s.KeyAdmin().Create(s.Context(), k, 0, t0)
			})
		}},
		{"KeyAdmin.Update: account", store.ErrNotFound, func(s *suite, text string) error { return update(s, text, k.ID, store.KeyUpdate{Was: k.Grant}) }},
		{"KeyAdmin.Update: id", store.ErrNotFound, func(s *suite, text string) error { return update(s, mine, text, store.KeyUpdate{Was: k.Grant}) }},
		{"KeyAdmin.Update: Name", store.ErrInvalid, func(s *suite, text string) error {
			return update(s, mine, k.ID, store.KeyUpdate{Was: k.Grant, Name: &text})
		}},
		{"KeyAdmin.Update: Grant", store.ErrInvalid, func(s *suite, text string) error {
			return everyOne(grantsWith(text), store.ErrInvalid, func(g authz.Grant) error {
				return update(s, mine, k.ID, store.KeyUpdate{Was: k.Grant, Grant: &g})
			})
		}},
		{"KeyAdmin.Update: Was", store.ErrConflict, func(s *suite, text string) error {
			return everyOne(grantsWith(text), store.ErrConflict, func(g authz.Grant) error { return update(s, mine, k.ID, store.KeyUpdate{Was: g}) })
		}},
		{"KeyAdmin.Revoke: account", store.ErrNotFound, func(s *suite, text string) error { return s.KeyAdmin().Revoke(s.Context(), text, k.ID, "", t0) }},
		{"KeyAdmin.Revoke: id", store.ErrNotFound, func(s *suite, text string) error { return s.KeyAdmin().Revoke(s.Context(), mine, text, "", t0) }},
		{"KeyAdmin.Revoke: reason", store.ErrInvalid, func(s *suite, text string) error { return s.KeyAdmin().Revoke(s.Context(), mine, k.ID, text, t0) }},
		{"KeyAdmin.RevokeAll: account", nil, func(s *suite, text string) error { return revoke(s, text, store.Filter{}, "") }},
		{"KeyAdmin.RevokeAll: Owner", nil, func(s *suite, text string) error { return revoke(s, mine, store.Filter{Owner: text}, "") }},
		{"KeyAdmin.RevokeAll: CreatedBy", nil, func(s *suite, text string) error { return revoke(s, mine, store.Filter{CreatedBy: text}, "") }},
		{"KeyAdmin.RevokeAll: Environment", nil, func(s *suite, text string) error { return revoke(s, mine, store.Filter{Environment: text}, "") }},
		{"KeyAdmin.RevokeAll: reason", store.ErrInvalid, func(s *suite, text string) error { return revoke(s, mine, store.Filter{}, text) }},
		{"KeyAdmin.Rotate: account", store.ErrNotFound, func(s *suite, text string) error { return rotate(s, text, k.ID, next) }},
		{"KeyAdmin.Rotate: id", store.ErrNotFound, func(s *suite, text string) error { return rotate(s, mine, text, next) }},
		{"KeyAdmin.Rotate: Grant", store.ErrInvalid, func(s *suite, text string) error {
			return everyOne(grantsWith(text), store.ErrInvalid, func(g authz.Grant) error {
				n := next
				n.Grant = g
				return rotate(s, mine, k.ID, n)
			})
		}},
	}, ofRotate, eachText("KeyAdmin.Create", next, always(store.ErrInvalid, store.ErrNotFound, "Account"), func(s *suite, k store.Key) error {
		return s.KeyAdmin().Create(s.Context(), k, 0, t0)
	}))
}

func textsOfPeople() []textCall {
	u := newUser(1)
	m := store.Membership{User: me, Account: mine, Role: "owner", Created: t0}
	setPassword := func(s *suite, id, old, next string) error {
		return zero(s.Users().SetPassword(s.Context(), store.User{ID: id, Password: old}, next))
	}
	return slices.Concat([]textCall{
		{"Accounts.Get: id", store.ErrNotFound, func(s *suite, text string) error { return zero(s.Accounts().Get(s.Context(), text)) }},
		{"Accounts.List: after", store.ErrInvalid, func(s *suite, text string) error { return empty(s.Accounts().List(s.Context(), text, 9)) }},
		{"Accounts.SetStatus: id", store.ErrNotFound, func(s *suite, text string) error {
			return s.Accounts().SetStatus(s.Context(), text, authz.Suspended)
		}},
		{"Accounts.SetPlan: id", store.ErrNotFound, func(s *suite, text string) error { return s.Accounts().SetPlan(s.Context(), text, "", "") }},
		{"Accounts.SetPlan: plan", store.ErrInvalid, func(s *suite, text string) error { return s.Accounts().SetPlan(s.Context(), mine, text, "") }},
		{"Accounts.SetPlan: limits", store.ErrInvalid, func(s *suite, text string) error { return s.Accounts().SetPlan(s.Context(), mine, "", text) }},
		{"Users.Get: id", store.ErrNotFound, func(s *suite, text string) error { return zero(s.Users().Get(s.Context(), text)) }},
		{"Users.ByEmail: email", store.ErrNotFound, func(s *suite, text string) error { return zero(s.Users().ByEmail(s.Context(), text)) }},
		{"Users.SetPassword: id", store.ErrNotFound, func(s *suite, text string) error { return setPassword(s, text, u.Password, "$") }},
		{"Users.SetPassword: old", store.ErrConflict, func(s *suite, text string) error { return setPassword(s, u.ID, text, "$") }},
		{"Users.SetPassword: next", store.ErrInvalid, func(s *suite, text string) error { return setPassword(s, u.ID, u.Password, text) }},
		{"Users.Rehash: id", store.ErrNotFound, func(s *suite, text string) error { return s.Users().Rehash(s.Context(), text, u.Password, "$") }},
		{"Users.Rehash: old", store.ErrConflict, func(s *suite, text string) error { return s.Users().Rehash(s.Context(), u.ID, text, "$") }},
		{"Users.Rehash: next", store.ErrInvalid, func(s *suite, text string) error {
			return s.Users().Rehash(s.Context(), u.ID, u.Password, text)
		}},
		{"Users.SetStatus: id", store.ErrNotFound, func(s *suite, text string) error { return s.Users().SetStatus(s.Context(), text, authz.Suspended) }},
		{"Users.BeginReset: id", store.ErrNotFound, func(s *suite, text string) error { return zero(s.Users().BeginReset(s.Context(), text)) }},
		{"Users.EndSessions: id", store.ErrNotFound, func(s *suite, text string) error { return zero(s.Users().EndSessions(s.Context(), text)) }},
		{"Memberships.Put: Scope", store.ErrInvalid, func(s *suite, text string) error {
			return everyOne(scopesWith(text), store.ErrInvalid, func(scope map[string]authz.Set) error {
				narrowed := m
				narrowed.Scope = scope
				return s.Memberships().Put(s.Context(), narrowed)
			})
		}},
		{"Memberships.Remove: account", store.ErrNotFound, func(s *suite, text string) error { return s.Memberships().Remove(s.Context(), text, me) }},
		{"Memberships.Remove: user", store.ErrNotFound, func(s *suite, text string) error { return s.Memberships().Remove(s.Context(), mine, text) }},
		{"Memberships.Get: account", store.ErrNotFound, func(s *suite, text string) error {
			_, err := s.Memberships().Get(s.Context(), text, me)
			return err
		}},
		{"Memberships.Get: user", store.ErrNotFound, func(s *suite, text string) error {
			_, err := s.Memberships().Get(s.Context(), mine, text)
			return err
		}},
		{"Memberships.OfUser: user", nil, func(s *suite, text string) error { return empty(s.Memberships().OfUser(s.Context(), text)) }},
		{"Memberships.OfAccount: account", nil, func(s *suite, text string) error {
			return empty(s.Memberships().OfAccount(s.Context(), text, "", 9))
		}},
		{"Memberships.OfAccount: after", store.ErrInvalid, func(s *suite, text string) error {
			return empty(s.Memberships().OfAccount(s.Context(), mine, text, 9))
		}},
		{"Memberships.Swap: was.Scope", store.ErrConflict, func(s *suite, text string) error {
			return everyOne(scopesWith(text), store.ErrConflict, func(scope map[string]authz.Set) error {
				was := m
				was.Scope = scope
				return s.Memberships().Swap(s.Context(), was, nil, "")
			})
		}},
		{"Memberships.Swap: next.Role", store.ErrInvalid, func(s *suite, text string) error {
			return s.Memberships().Swap(s.Context(), m, &store.Membership{Role: text}, "")
		}},
		{"Memberships.Swap: next.Scope", store.ErrInvalid, func(s *suite, text string) error {
			return everyOne(scopesWith(text), store.ErrInvalid, func(scope map[string]authz.Set) error {
				return s.Memberships().Swap(s.Context(), m, &store.Membership{Scope: scope}, "")
			})
		}},
		{"Memberships.Swap: keep", store.ErrInvalid, func(s *suite, text string) error {
			return s.Memberships().Swap(s.Context(), m, nil, text)
		}},
	}, eachText("Memberships.Swap", m, func(field string) error {
		if field == "Role" {
			return store.ErrConflict
		}
		return store.ErrNotFound
	}, func(s *suite, was store.Membership) error {
		return s.Memberships().Swap(s.Context(), was, nil, "")
	}), eachText("Accounts.Create", newAccount("acct_next"), always(store.ErrInvalid, nil), func(s *suite, a store.Account) error {
		return s.Accounts().Create(s.Context(), a)
	}), eachText("Users.Create", newUser(2), always(store.ErrInvalid, nil), func(s *suite, u store.User) error {
		return s.Users().Create(s.Context(), u)
	}), eachText("Memberships.Put", m, always(store.ErrInvalid, store.ErrNotFound, "User", "Account"), func(s *suite, m store.Membership) error {
		return s.Memberships().Put(s.Context(), m)
	}))
}

func textsOfInvitations() []textCall {
	i := newInvitation(mine, 1)
	return slices.Concat([]textCall{
		{"Invitations.Put: Scope", store.ErrInvalid, func(s *suite, text string) error {
			return everyOne(scopesWith(text), store.ErrInvalid, func(scope map[string]authz.Set) error {
				narrowed := i
				narrowed.Scope = scope
				return s.Invitations().Put(s.Context(), narrowed)
			})
		}},
		{"Invitations.Get: account", store.ErrNotFound, func(s *suite, text string) error {
			_, err := s.Invitations().Get(s.Context(), text, i.ID)
			return err
		}},
		{"Invitations.Get: id", store.ErrNotFound, func(s *suite, text string) error {
			_, err := s.Invitations().Get(s.Context(), mine, text)
			return err
		}},
		{"Invitations.OfAccount: account", nil, func(s *suite, text string) error {
			return empty(s.Invitations().OfAccount(s.Context(), text, "", 9))
		}},
		{"Invitations.OfAccount: after", store.ErrInvalid, func(s *suite, text string) error {
			return empty(s.Invitations().OfAccount(s.Context(), mine, text, 9))
		}},
		{"Invitations.Remove: account", store.ErrNotFound, func(s *suite, text string) error { return s.Invitations().Remove(s.Context(), text, i.ID) }},
		{"Invitations.Remove: id", store.ErrNotFound, func(s *suite, text string) error { return s.Invitations().Remove(s.Context(), mine, text) }},
		{"Invitations.Accept: account", store.ErrNotFound, func(s *suite, text string) error {
			_, err := s.Invitations().Accept(s.Context(), text, i.ID, you, t0)
			return err
		}},
		{"Invitations.Accept: id", store.ErrNotFound, func(s *suite, text string) error {
			_, err := s.Invitations().Accept(s.Context(), mine, text, you, t0)
			return err
		}},
		{"Invitations.Accept: user", store.ErrNotFound, func(s *suite, text string) error {
			_, err := s.Invitations().Accept(s.Context(), mine, i.ID, text, t0)
			return err
		}},
	}, eachText("Invitations.Put", newInvitation(mine, 2), always(store.ErrInvalid, store.ErrNotFound, "Account"), func(s *suite, i store.Invitation) error {
		return s.Invitations().Put(s.Context(), i)
	}))
}

func textsOfEvents() []textCall {
	return slices.Concat([]textCall{
		{"Events.List: account", nil, func(s *suite, text string) error { return empty(s.Events().List(s.Context(), text, "", 9)) }},
		{"Events.List: after", store.ErrInvalid, func(s *suite, text string) error { return empty(s.Events().List(s.Context(), mine, text, 9)) }},
	}, eachText("Events.Append", newEvent(mine, 2), always(store.ErrInvalid, nil), func(s *suite, e store.Event) error {
		return s.Events().Append(s.Context(), e)
	}))
}

func textsOfFingerprints() []textCall {
	return []textCall{
		{"Fingerprints.Swap: old", store.ErrConflict, func(s *suite, text string) error {
			return s.Fingerprints().Swap(s.Context(), []store.Fingerprint{newFingerprint(text, 1)}, nil)
		}},
		{"Fingerprints.Swap: next", store.ErrInvalid, func(s *suite, text string) error {
			return s.Fingerprints().Swap(s.Context(), nil, []store.Fingerprint{newFingerprint(text, 1)})
		}},
	}
}

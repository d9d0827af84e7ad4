package storetest

import (
	"maps"
	"net/netip"
	"slices"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

func copyChecks() []check {
	return []check{
		{7, "what is passed in is copied", copiedIn},
		{7, "what is returned is the caller's own", copiedOut},
		{7, "an update is copied", copiedUpdate},
		{7, "a membership is copied in and out", copiedMember},
		{7, "an invitation is copied in and out", copiedInvitation},
	}
}

func copiedIn(s *suite) {
	s.accounts(mine)
	k := full(mine)
	want := owned(k)
	s.keys(k)
	spoil(k)
	s.same("a key whose original was changed", s.get(mine, want.ID), want)

	old, next := newKey(mine, 8), full(mine)
	next.ID, next.Digest, next.Replaces, next.Idempotency = "key_next", digest("next"), old.ID, "call 8"
	old.Addresses = slices.Clone(next.Addresses)
	want = owned(heir(old, next))
	s.keys(old)
	s.must("Rotate", s.KeyAdmin().Rotate(s.Context(), mine, old.ID, next, t0, t0))
	spoil(next)
	spoil(old)
	s.same("a successor whose original was changed", s.get(mine, want.ID), want)
}

func copiedOut(s *suite) {
	s.accounts(mine)
	want := full(mine)
	s.keys(want)
	for _, tt := range []struct {
		what string
		read func() store.Key
	}{
		{"Get", func() store.Key { return s.get(mine, want.ID) }},
		{"Find", func() store.Key { k, _ := s.find(want.Digest); return k }},
		{"List", func() store.Key { return s.list(mine)[0] }},
		{"ByIdempotency", func() store.Key { return made(s, mine, want.Idempotency) }},
	} {
		spoil(tt.read())
		s.same(tt.what+" after what it returned was changed", tt.read(), full(mine))
	}
}

func copiedUpdate(s *suite) {
	k := s.key(mine, 1)
	want := owned(full(mine))
	grant, addresses := owned(want).Grant, owned(want).Addresses
	grant.Scope["projects"] = authz.Of("proj_1")
	want.Grant.Scope["projects"] = authz.Of("proj_1")
	got := s.update(k, store.KeyUpdate{Grant: &grant, Addresses: &addresses})
	k.Grant, k.Addresses = want.Grant, want.Addresses
	spoil(store.Key{Grant: grant, Addresses: addresses})
	s.same("after what was passed in was changed", s.get(mine, k.ID), k)
	spoil(got)
	s.same("after what Update returned was changed", s.get(mine, k.ID), k)
}

func copiedMember(s *suite) {
	s.accounts(mine)
	s.users(1)
	k := newKey(mine, 1)
	k.Owner = me
	s.keys(k)
	for _, role := range []string{"editor", "viewer"} { // the first and a second Put
		m := newMembership(mine, 1)
		m.Role, m.Scope = role, newGrant().Scope
		s.put(m)
		spoil(store.Key{Grant: authz.Grant{Scope: m.Scope}})
		m.Scope = newGrant().Scope
		for _, tt := range []struct {
			what string
			read func() store.Membership
		}{
			{"Get", func() store.Membership { return s.member(mine, me) }},
			{"OfUser", func() store.Membership { return s.accountsOf(me)[0] }},
			{"OfAccount", func() store.Membership { return s.membersOf(mine)[0] }},
			{"Find", func() store.Membership { _, o := s.find(k.Digest); return o.Membership }},
		} {
			s.same(tt.what+" after what was passed in was changed", tt.read(), m)
			spoil(store.Key{Grant: authz.Grant{Scope: tt.read().Scope}})
			s.same(tt.what+" after what it returned was changed", tt.read(), m)
		}
	}
}

func copiedInvitation(s *suite) {
	s.accounts(mine)
	s.users(1)
	want := func() store.Invitation {
		i := newInvitation(mine, 1)
		i.Scope = newGrant().Scope
		return i
	}
	i := want()
	s.invite(i)
	spoil(store.Key{Grant: authz.Grant{Scope: i.Scope}})
	for _, tt := range []struct {
		what string
		read func() store.Invitation
	}{
		{"Get", func() store.Invitation { return s.invitation(mine, i.ID) }},
		{"OfAccount", func() store.Invitation { return s.invitationsOf(mine)[0] }},
	} {
		s.same(tt.what+" after what was passed in was changed", tt.read(), want())
		spoil(store.Key{Grant: authz.Grant{Scope: tt.read().Scope}})
		s.same(tt.what+" after what it returned was changed", tt.read(), want())
	}
	m, err := s.Invitations().Accept(s.Context(), mine, i.ID, me, t0)
	s.must("Accept", err)
	spoil(store.Key{Grant: authz.Grant{Scope: m.Scope}})
	s.same("a membership after what Accept returned was changed", s.member(mine, me), want().Membership(me, t0))
	next := s.member(mine, me)
	s.must("Swap", s.Memberships().Swap(s.Context(), next, &next, ""))
	spoil(store.Key{Grant: authz.Grant{Scope: next.Scope}})
	s.same("a membership after what Swap was given was changed", s.member(mine, me), want().Membership(me, t0))
}

func owned(k store.Key) store.Key {
	k.Addresses, k.Grant.Scope = slices.Clone(k.Addresses), maps.Clone(k.Grant.Scope)
	return k
}

// spoil changes what k refers to.
func spoil(k store.Key) {
	for i := range k.Addresses {
		k.Addresses[i] = netip.MustParsePrefix("0.0.0.0/0")
	}
	for kind := range k.Grant.Scope {
		k.Grant.Scope[kind] = authz.All()
	}
	if k.Grant.Scope != nil {
		k.Grant.Scope["more"] = authz.All()
	}
}

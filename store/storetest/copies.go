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
	want = owned(next)
	s.keys(old)
	s.must("Rotate", s.KeyAdmin().Rotate(s.Context(), mine, old.ID, next, t0, t0))
	spoil(next)
	s.same("a successor whose original was changed", s.get(mine, want.ID), want)
}

func copiedOut(s *suite) {
	s.accounts(mine)
	want := full(mine)
	s.keys(want)
	for what, read := range map[string]func() store.Key{
		"Get":           func() store.Key { return s.get(mine, want.ID) },
		"Find":          func() store.Key { k, _ := s.find(want.Digest); return k },
		"List":          func() store.Key { return s.list(mine)[0] },
		"ByIdempotency": func() store.Key { return s.made(mine, want.Idempotency) },
	} {
		spoil(read())
		s.same(what+" after what it returned was changed", read(), full(mine))
	}
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

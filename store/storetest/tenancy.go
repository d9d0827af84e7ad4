package storetest

import (
	"errors"
	"strings"
	"time"

	"medtwin.ai/tollgate/store"
)

// case K18, for what the store does of it
func tenancyChecks() []check {
	return []check{
		{2, "a foreign id is as absent as a missing one", foreign},
		{2, "a list holds the keys of one account", foreignList},
		{2, "Rotate leaves the new key in the account", foreignSuccessor},
	}
}

func foreign(s *suite) {
	k := s.key(mine, 1)
	s.accounts(theirs)
	ctx, admin := s.Context(), s.KeyAdmin()
	absent := strings.Repeat("x", len(k.ID))
	for _, tt := range []struct {
		what string
		f    func(id string) error
	}{
		{"Get", func(id string) error { _, err := admin.Get(ctx, theirs, id); return err }},
		{"Revoke", func(id string) error { return admin.Revoke(ctx, theirs, id, "stolen", t0) }},
		{"Update", func(id string) error {
			_, err := admin.Update(ctx, theirs, id, store.KeyUpdate{Was: k.Grant, Disabled: new(true)}, t0)
			return err
		}},
		{"Update over another grant", func(id string) error {
			_, err := admin.Update(ctx, theirs, id, store.KeyUpdate{Name: new("stolen")}, t0)
			return err
		}},
		{"Rotate", func(id string) error {
			return admin.Rotate(ctx, theirs, id, newKey(theirs, 2), t0, t0)
		}},
	} {
		there, gone := tt.f(k.ID), tt.f(absent)
		if !errors.Is(there, store.ErrNotFound) || !errors.Is(gone, store.ErrNotFound) {
			s.errorf("%s: a foreign id gives %v and a missing one %v, want ErrNotFound", tt.what, there, gone)
			continue
		}
		if a, b := there.Error(), strings.ReplaceAll(gone.Error(), absent, k.ID); a != b {
			s.errorf("%s tells a foreign id (%q) from a missing one (%q)", tt.what, a, b)
		}
	}
	s.same("the key that another account reached for", s.get(mine, k.ID), k)
	if list := s.list(theirs); len(list) != 0 {
		s.errorf("Rotate of a foreign key left a successor: %v", list)
	}
}

func foreignList(s *suite) {
	s.accounts(mine, theirs, "acct_empty")
	for n := range 3 {
		s.keys(newKey(mine, n), newKey(theirs, n))
	}
	s.same("List", s.list(mine), []store.Key{newKey(mine, 2), newKey(mine, 1), newKey(mine, 0)})
	s.same("List of an account without keys", s.list("acct_empty"), []store.Key(nil))
	s.same("List of an account that does not exist", s.list("acct_none"), []store.Key(nil))

	list, err := s.KeyAdmin().List(s.Context(), mine, newKey(theirs, 1).ID, 1000)
	s.must("List after a foreign id", err)
	for _, k := range list {
		if k.Account != mine {
			s.errorf("List after a foreign id holds a key of %s", k.Account)
		}
	}
}

func foreignSuccessor(s *suite) {
	k := s.key(mine, 1)
	s.accounts(theirs)
	next := newKey(theirs, 2)
	next.Replaces = k.ID
	err := s.KeyAdmin().Rotate(s.Context(), mine, k.ID, next, t0.Add(time.Hour), t0)
	if list := s.list(theirs); len(list) != 0 {
		s.errorf("Rotate (error %v) planted a key in another account", err)
	}
}

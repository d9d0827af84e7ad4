package storetest

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

func updateChecks() []check {
	return []check{
		{15, "Update changes what it is told to", update},
		{15, "Update leaves what has ended", updateEnded},
		{15, "updates of different fields do not undo each other", updateFields},
		{15, "an update racing a revocation does not bring a key back", updateRevoked}, // case K8
		{10, "a grant is replaced by compare-and-swap", updateGrant},
		{10, "one of many grants wins", updateGrantTogether},
	}
}

// update makes the changes of u to k as the caller has it.
func (s *suite) update(k store.Key, u store.KeyUpdate) store.Key {
	s.Helper()
	u.Was = k.Grant
	k, err := s.KeyAdmin().Update(s.Context(), k.Account, k.ID, u, t0)
	s.must("Update", err)
	return k
}

func update(s *suite) {
	s.accounts(mine)
	grant := newGrant()
	grant.Permissions, grant.Scope = authz.Of("read"), map[string]authz.Set{"projects": authz.Of("proj_1")}
	addresses := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	bare, rich := newKey(mine, 1), full(mine)
	rich.Revoked, rich.Reason, rich.Disabled = time.Time{}, "", time.Time{}
	s.keys(bare, rich)
	for _, k := range []store.Key{bare, rich} {
		for _, step := range []struct {
			what string
			u    store.KeyUpdate
			want func(k *store.Key)
		}{
			{"nothing", store.KeyUpdate{}, func(k *store.Key) {}},
			{"the name", store.KeyUpdate{Name: new("Other '\"")}, func(k *store.Key) { k.Name = "Other '\"" }},
			{"the grant", store.KeyUpdate{Grant: &grant}, func(k *store.Key) { k.Grant = grant }},
			{"the addresses", store.KeyUpdate{Addresses: &addresses}, func(k *store.Key) { k.Addresses = addresses }},
			{"the expiry", store.KeyUpdate{Expires: new(t0.Add(48 * time.Hour))}, func(k *store.Key) { k.Expires = t0.Add(48 * time.Hour) }},
			{"nothing again", store.KeyUpdate{}, func(k *store.Key) {}},
			{"an earlier expiry", store.KeyUpdate{Expires: new(t0.Add(time.Hour))}, func(k *store.Key) { k.Expires = t0.Add(time.Hour) }},
			{"to no name", store.KeyUpdate{Name: new("")}, func(k *store.Key) { k.Name = "" }},
			{"to anywhere", store.KeyUpdate{Addresses: new([]netip.Prefix(nil))}, func(k *store.Key) { k.Addresses = nil }},
			{"to never", store.KeyUpdate{Expires: new(time.Time{})}, func(k *store.Key) { k.Expires = time.Time{} }},
			{"to nothing at all", store.KeyUpdate{Grant: new(authz.Grant{})}, func(k *store.Key) { k.Grant = authz.Grant{} }},
			{"everything", store.KeyUpdate{
				Name: new("All"), Grant: new(newGrant()), Addresses: &addresses, Expires: new(t0.Add(time.Minute)), Disabled: new(true),
			}, func(k *store.Key) {
				k.Name, k.Grant, k.Addresses, k.Expires, k.Disabled = "All", newGrant(), addresses, t0.Add(time.Minute), t0
			}},
		} {
			got := s.update(k, step.u)
			step.want(&k)
			s.same("what Update of "+step.what+" returns", got, k)
			s.same("after Update of "+step.what, s.get(mine, k.ID), k)
		}
		found, _ := s.find(k.Digest)
		s.same("Find", found, k)
	}
}

func updateEnded(s *suite) {
	s.accounts(mine)
	expired, revoked := newKey(mine, 1), newKey(mine, 2)
	expired.Expires = t0
	s.keys(expired, revoked)
	s.must("Revoke", s.KeyAdmin().Revoke(s.Context(), mine, revoked.ID, "leaked", t0))
	revoked.Revoked, revoked.Reason = t0, "leaked"
	for _, k := range []store.Key{expired, revoked} {
		for _, tt := range []struct {
			what string
			u    store.KeyUpdate
		}{
			{"nothing", store.KeyUpdate{}},
			{"the name", store.KeyUpdate{Name: new("Other")}},
			{"the grant", store.KeyUpdate{Grant: new(authz.Grant{})}},
			{"the expiry", store.KeyUpdate{Expires: new(t0.Add(time.Hour))}},
			{"to never", store.KeyUpdate{Expires: new(time.Time{})}},
			{"to disabled", store.KeyUpdate{Disabled: new(true)}},
			{"to enabled", store.KeyUpdate{Disabled: new(false)}},
			{"all of it", store.KeyUpdate{Name: new("Other"), Grant: new(authz.Grant{}), Expires: new(time.Time{}), Disabled: new(false)}},
			{"another grant", store.KeyUpdate{Was: authz.Grant{Version: 7}, Grant: new(newGrant())}},
		} {
			if tt.u.Was.Version == 0 {
				tt.u.Was = k.Grant
			}
			got, err := s.KeyAdmin().Update(s.Context(), mine, k.ID, tt.u, t0)
			s.is("Update of "+tt.what+" of what has ended", err, store.ErrInactive)
			s.same("what a refused update returns", got, store.Key{})
		}
		s.same("what has ended", s.get(mine, k.ID), k)
	}
}

// Each of these writers would undo the changes of the others if it wrote back the record
// that it has read.
func updateFields(s *suite) {
	k := s.key(mine, 1)
	for n := range 20 {
		at := t0.Add(time.Duration(n) * time.Second)
		name, expires := fmt.Sprint(n), t0.Add(time.Duration(n+1)*time.Hour)
		addresses := []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}), 32)}
		next := under(fmt.Sprint("p", n), k.ID)
		write := []store.KeyUpdate{{Name: &name}, {Addresses: &addresses}, {Expires: &expires}, {Disabled: new(n%2 == 0)}}
		for _, err := range each(len(write)+2, func(i int) error {
			switch i - len(write) {
			case 0:
				return s.Keys().Touch(s.Context(), []store.Use{{ID: k.ID, At: at}})
			case 1:
				return s.Keys().Rehash(s.Context(), k.ID, k.Digest, next)
			}
			u := write[i]
			u.Was = k.Grant
			_, err := s.KeyAdmin().Update(s.Context(), mine, k.ID, u, t0)
			return err
		}) {
			s.must("one of six writers", err)
		}
		k.Name, k.Addresses, k.Expires, k.Disabled, k.Used, k.Digest = name, addresses, expires, time.Time{}, at, next
		if n%2 == 0 {
			k.Disabled = t0
		}
		if d := diff(s.get(mine, k.ID), k); d != "" {
			s.fatalf("the key after round %d (-want +got):\n%s", n, d)
		}
	}
}

func updateRevoked(s *suite) {
	s.accounts(mine)
	for n := range 10 {
		k := newKey(mine, n)
		s.keys(k)
		for i, err := range each(8, func(i int) error {
			if i == 4 {
				return s.KeyAdmin().Revoke(s.Context(), mine, k.ID, "leaked", t0)
			}
			u := store.KeyUpdate{Was: k.Grant, Disabled: new(i%2 == 0), Expires: new(time.Time{})}
			_, err := s.KeyAdmin().Update(s.Context(), mine, k.ID, u, t0)
			return err
		}) {
			if i == 4 || err != nil && !errors.Is(err, store.ErrInactive) {
				s.must("a revocation or an update beside it", err)
			}
		}
		if got := s.get(mine, k.ID); !got.Revoked.Equal(t0) || got.Reason != "leaked" || got.Live(t0) {
			s.fatalf("round %d: the key is revoked at %v for %q", n, got.Revoked, got.Reason)
		}
	}
}

// An update is refused if the stored grant is not the one that the caller has read.
func updateGrant(s *suite) {
	k := s.key(mine, 1)
	wider, other := newGrant(), newGrant()
	wider.Permissions, other.Scope = authz.All(), nil
	for _, was := range []authz.Grant{wider, other, {}} {
		for _, tt := range []struct {
			what string
			u    store.KeyUpdate
		}{
			{"the grant", store.KeyUpdate{Grant: &wider}},
			{"the name", store.KeyUpdate{Name: new("Other")}},
			{"its state", store.KeyUpdate{Disabled: new(true)}},
			{"the expiry", store.KeyUpdate{Expires: new(t0.Add(time.Hour))}},
		} {
			tt.u.Was = was
			got, err := s.KeyAdmin().Update(s.Context(), mine, k.ID, tt.u, t0)
			s.is("Update of "+tt.what+" over another grant", err, store.ErrConflict)
			s.same("what a refused update returns", got, store.Key{})
		}
	}
	s.same("after updates that were refused", s.get(mine, k.ID), k)

	s.must("Update", updates(store.KeyUpdate{Grant: &other})(s, k))
	s.is("Update over the grant before", updates(store.KeyUpdate{Grant: &wider})(s, k), store.ErrConflict)
	k.Grant = other
	s.same("after a late update", s.get(mine, k.ID), k)

	// A grant that means the same is the same grant.
	u := store.KeyUpdate{Was: other, Name: new("Same")}
	u.Was.Scope, u.Was.Permissions = map[string]authz.Set{}, authz.Of("write", "read", "write")
	_, err := s.KeyAdmin().Update(s.Context(), mine, k.ID, u, t0)
	s.must("Update over the same grant in other words", err)
}

func updateGrantTogether(s *suite) {
	k := s.key(mine, 1)
	grants := make([]authz.Grant, 16)
	for i := range grants {
		grants[i] = newGrant()
		grants[i].Permissions = authz.Of(fmt.Sprint(i))
	}
	won := 0
	for i, err := range each(len(grants), func(i int) error {
		return updates(store.KeyUpdate{Grant: &grants[i]})(s, k)
	}) {
		if err != nil {
			s.is("an update that lost", err, store.ErrConflict)
			continue
		}
		won++
		want := k
		want.Grant = grants[i]
		s.same("the key after the update that won", s.get(mine, k.ID), want)
	}
	if won != 1 {
		s.errorf("%d of %d updates of one grant won, want 1", won, len(grants))
	}
}

func disableChecks() []check {
	return []check{
		{15, "a disabled key is not live until it is enabled", disable},
		{15, "enabling brings back nothing that has ended", enableEnded},
		{15, "a change without a time does not succeed in vain", disableTimeless},
	}
}

func disable(s *suite) {
	k := s.key(mine, 1)
	hour := t0.Add(time.Hour)
	set := func(disabled bool, now, want time.Time) {
		s.Helper()
		u := store.KeyUpdate{Was: k.Grant, Disabled: &disabled}
		got, err := s.KeyAdmin().Update(s.Context(), mine, k.ID, u, now)
		s.must("Update", err)
		k.Disabled = want
		s.same("what Update returns", got, k)
		found, _ := s.find(k.Digest)
		for _, got := range []store.Key{s.get(mine, k.ID), found, s.list(mine)[0]} {
			s.same("the key", got, k)
			if got.Live(now) == disabled {
				s.errorf("after Update to disabled %v the key is live %v", disabled, got.Live(now))
			}
		}
	}
	set(false, t0, time.Time{})
	set(true, t0, t0)
	set(true, hour, t0) // the time of the first call stays
	s.update(k, store.KeyUpdate{Name: &k.Name})
	s.same("after another update", s.get(mine, k.ID), k)
	set(false, hour, time.Time{})
	set(true, hour, hour)
	set(false, hour, time.Time{})
}

func enableEnded(s *suite) {
	s.accounts(mine)
	revoked, expired, bulk := newKey(mine, 1), newKey(mine, 2), newKey(mine, 3)
	expired.Expires = t0.Add(time.Hour)
	s.keys(revoked, expired, bulk)
	for _, k := range []*store.Key{&revoked, &expired, &bulk} {
		*k = s.update(*k, store.KeyUpdate{Disabled: new(true)})
	}
	s.must("Revoke of a disabled key", s.KeyAdmin().Revoke(s.Context(), mine, revoked.ID, "leaked", t0))
	revoked.Revoked, revoked.Reason = t0, "leaked"
	later := t0.Add(2 * time.Hour)
	enable := func(k store.Key) error {
		_, err := s.KeyAdmin().Update(s.Context(), mine, k.ID, store.KeyUpdate{Was: k.Grant, Disabled: new(false)}, later)
		return err
	}
	s.is("enabling a revoked key", enable(revoked), store.ErrInactive)
	s.is("enabling an expired key", enable(expired), store.ErrInactive)
	n, err := s.KeyAdmin().RevokeAll(s.Context(), mine, store.Filter{}, "gone", later)
	s.must("RevokeAll", err)
	if n != 2 {
		s.errorf("RevokeAll ended %d keys, want 2, which were disabled", n)
	}
	for _, k := range []*store.Key{&expired, &bulk} {
		k.Revoked, k.Reason = later, "gone"
	}
	s.is("enabling what was revoked with all", enable(bulk), store.ErrInactive)
	s.same("all keys", s.list(mine), []store.Key{bulk, expired, revoked})
}

// The zero time means "not disabled", so it can only be an error.
func disableTimeless(s *suite) {
	k := s.key(mine, 1)
	_, err := s.KeyAdmin().Update(s.Context(), mine, k.ID, store.KeyUpdate{Was: k.Grant, Disabled: new(true)}, time.Time{})
	if got := s.get(mine, k.ID); err == nil && got.Live(t0) {
		s.errorf("Update to disabled at the zero time says it succeeded, and the key is live")
	}
}

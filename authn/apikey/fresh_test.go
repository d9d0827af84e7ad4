package apikey_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// handOuts are the calls of a person that make a key, or let a key open more. Each
// call is given a key that the person owns.
var handOuts = []struct {
	name string
	call func(d *door, by *authn.Principal, key store.Key) error
}{
	{"issue", func(d *door, by *authn.Principal, key store.Key) error {
		_, _, err := d.keys.Issue(d.t.Context(), by, apikey.Spec{Name: "k", Environment: "live", Grant: key.Grant}, d.now)
		return err
	}},
	{"update", func(d *door, by *authn.Principal, key store.Key) error {
		_, err := d.keys.Update(d.t.Context(), by, key.ID, apikey.Change{Expires: new(time.Time)}, d.now)
		return err
	}},
	{"rotate", func(d *door, by *authn.Principal, key store.Key) error {
		_, _, err := d.keys.Rotate(d.t.Context(), by, key.ID, 0, d.now)
		return err
	}},
}

// freshDoor returns a door, a key of bob's that writes, and bob's principal from
// when the key was made, as a cache may still hold it.
func freshDoor(t *testing.T, fresh func(d *door, by *authn.Principal) (*authn.Principal, error)) (*door, *authn.Principal, store.Key) {
	t.Helper()
	var d *door
	d = newDoor(t, func(k *apikey.Config, _ *authn.Config) {
		k.Fresh = func(_ context.Context, by *authn.Principal, now time.Time) (*authn.Principal, error) {
			if !now.Equal(d.now) {
				t.Errorf("asked at %v", now)
			}
			return fresh(d, by)
		}
	})
	d.hire()
	key, _ := d.issueBy(d.op, func(s *apikey.Spec) { s.Owner, s.Grant.Permissions = bob, authz.Of("read", "write") })
	return d, d.person(bob), key
}

// case A2: remembered rights hand out nothing that has been taken away since, and
// what has been given since is handed out.
func TestFreshRightsDecide(t *testing.T) {
	present := func(d *door, by *authn.Principal) (*authn.Principal, error) { return d.person(by.User), nil }
	for _, tt := range handOuts {
		d, by, key := freshDoor(t, present)
		d.join(bob, "viewer", "p1")
		before := len(d.records())
		if denied, ok := errors.AsType[*authz.DeniedError](tt.call(d, by, key)); !ok || denied.Decision.Code != "scope_exceeds_caller" {
			t.Errorf("%s with rights that are taken away: %v", tt.name, denied)
		}
		if n := len(d.records()); n != before {
			t.Errorf("%s: %d keys more", tt.name, n-before)
		}
		former := d.person(bob)
		d.join(bob, "editor", "p1")
		if err := tt.call(d, former, key); err != nil {
			t.Errorf("%s with rights that are given: %v", tt.name, err)
		}
	}
}

// A caller who has no rights any more, or whose rights cannot be read, hands out
// nothing. Fresh is not called to read or revoke keys, nor for the operator.
func TestFreshRefuses(t *testing.T) {
	down := errors.New("connection refused")
	for _, tt := range []struct {
		name  string
		fresh func(d *door, by *authn.Principal) (*authn.Principal, error)
		want  error
	}{
		{"revoked", func(*door, *authn.Principal) (*authn.Principal, error) { return nil, authn.ErrRevoked }, authn.ErrRevoked},
		{"down", func(*door, *authn.Principal) (*authn.Principal, error) { return nil, down }, down},
		{"nobody", func(*door, *authn.Principal) (*authn.Principal, error) { return nil, nil }, authn.ErrUnavailable},
		{"another user", func(d *door, _ *authn.Principal) (*authn.Principal, error) { return d.person(ann), nil }, authn.ErrUnavailable},
		{"the operator", func(d *door, _ *authn.Principal) (*authn.Principal, error) { return d.op, nil }, authn.ErrUnavailable},
		{"another account", func(_ *door, by *authn.Principal) (*authn.Principal, error) {
			p := *by
			p.Account = "acct_2"
			return &p, nil
		}, authn.ErrUnavailable},
		{"another environment", func(_ *door, by *authn.Principal) (*authn.Principal, error) {
			p := *by
			p.Environment = "test"
			return &p, nil
		}, authn.ErrUnavailable},
		{"another session", func(_ *door, by *authn.Principal) (*authn.Principal, error) {
			p := *by
			p.ID = "ses_2"
			return &p, nil
		}, authn.ErrUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, c := range handOuts {
				d, by, key := freshDoor(t, tt.fresh)
				if err := c.call(d, by, key); !errors.Is(err, tt.want) {
					t.Errorf("%s: %v, want %v", c.name, err, tt.want)
				}
			}
			d, by, key := freshDoor(t, tt.fresh)
			if _, err := d.keys.Get(t.Context(), by, key.ID); err != nil {
				t.Errorf("get: %v", err)
			}
			if err := d.keys.Revoke(t.Context(), by, key.ID, "", d.now); err != nil {
				t.Errorf("revoke: %v", err)
			}
			if _, _, err := d.keys.Issue(t.Context(), d.op, d.spec(), d.now); err != nil {
				t.Errorf("the operator: %v", err)
			}
		})
	}
}

package apikey_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/internal/overlay"
	"medtwin.ai/tollgate/store"
)

// case K16: what has ended, or is disabled, cannot be rotated, and so cannot
// come back as another key.
func TestRotateWhatIsNotLive(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(*door, store.Key) error
	}{
		{"revoked", func(d *door, key store.Key) error { return d.keys.Revoke(d.t.Context(), d.op, key.ID, "", d.now) }},
		{"expired", func(d *door, _ store.Key) error { d.now = d.now.Add(time.Hour); return nil }},
		{"disabled", func(d *door, key store.Key) error {
			_, err := d.keys.Update(d.t.Context(), d.op, key.ID, apikey.Change{Disabled: new(true)}, d.now)
			return err
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDoor(t)
			key, _ := d.issue(func(s *apikey.Spec) { s.Expires = d.now.Add(time.Hour) })
			if err := tt.end(d, key); err != nil {
				t.Fatal(err)
			}
			for _, grace := range []time.Duration{0, time.Hour} {
				if _, _, err := d.keys.Rotate(t.Context(), d.op, key.ID, grace, d.now); !errors.Is(err, store.ErrInactive) {
					t.Errorf("grace %v: %v, want ErrInactive", grace, err)
				}
			}
		})
	}
}

// case K16: the successor is the stored key's, also where that was changed while
// it was being rotated, and no wider than anybody has decided on.
func TestRotateRacesUpdate(t *testing.T) {
	d := newDoor(t)
	d.hire()
	key, _ := d.issueBy(d.person(bob))
	some := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	race := racing{KeyAdmin: d.store.KeyAdmin(), before: func() {
		if err := update(store.KeyUpdate{Addresses: &some, Expires: new(d.now.Add(time.Hour))})(d, key); err != nil {
			t.Error(err)
		}
	}}
	keys, err := apikey.New(apikey.Config{Store: overlay.KeyAdmin(overlay.Keys(d.store, d.spy), race), Model: d.model, Formats: formats(t), Peppers: peppers(t), Roles: d.roles})
	if err != nil {
		t.Fatal(err)
	}
	next, _, err := keys.Rotate(t.Context(), d.person(bob), key.ID, 0, d.now)
	if err != nil {
		t.Fatal(err)
	}
	if len(next.Addresses) != 1 || next.Addresses[0] != some[0] || !next.Expires.Equal(d.now.Add(time.Hour)) {
		t.Errorf("the successor, as it was returned: %+v", next)
	}

	key, _ = d.issueBy(d.person(bob))
	race.before = func() {
		g := d.small()
		g.Permissions = d.model.Everything().Permissions
		if err := update(store.KeyUpdate{Grant: &g})(d, key); err != nil {
			t.Error(err)
		}
	}
	keys, err = apikey.New(apikey.Config{Store: overlay.KeyAdmin(overlay.Keys(d.store, d.spy), race), Model: d.model, Formats: formats(t), Peppers: peppers(t), Roles: d.roles})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := keys.Rotate(t.Context(), d.person(bob), key.ID, 0, d.now); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a grant that nobody has decided on: %v, want ErrConflict", err)
	}
}

// A token that has been made is not lost because its record cannot be read.
func TestRotateShowsTheToken(t *testing.T) {
	d := newDoor(t)
	d.hire()
	key, _ := d.issueBy(d.person(bob))
	keys, err := apikey.New(apikey.Config{Store: overlay.KeyAdmin(overlay.Keys(d.store, d.spy), &once{KeyAdmin: d.store.KeyAdmin()}), Model: d.model, Formats: formats(t), Peppers: peppers(t)})
	if err != nil {
		t.Fatal(err)
	}
	next, token, err := keys.Rotate(t.Context(), d.person(bob), key.ID, time.Hour, d.now)
	if err != nil || token.IsZero() {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d.stored(next.ID), next, printed, cmpopts.IgnoreFields(store.Key{}, "Digest")); diff != "" {
		t.Errorf("the record that was not read (-stored +returned):\n%s", diff)
	}
}

// once answers Get the first time only.
type once struct {
	store.KeyAdmin
	asked bool
}

func (o *once) Get(ctx context.Context, account, id string) (store.Key, error) {
	if o.asked {
		return store.Key{}, errors.New("connection refused")
	}
	o.asked = true
	return o.KeyAdmin.Get(ctx, account, id)
}

// racing has something happen right before a rotation or an update commits.
type racing struct {
	store.KeyAdmin
	before func()
}

func (r racing) Rotate(ctx context.Context, account, id string, next store.Key, deadline, now time.Time) error {
	r.before()
	return r.KeyAdmin.Rotate(ctx, account, id, next, deadline, now)
}

func (r racing) Update(ctx context.Context, account, id string, u store.KeyUpdate, now time.Time) (store.Key, error) {
	r.before()
	return r.KeyAdmin.Update(ctx, account, id, u, now)
}

// case A2: what was decided on a grant is void where that has changed since.
func TestUpdateRacesUpdate(t *testing.T) {
	d := newDoor(t)
	d.hire()
	key, token := d.issueBy(d.person(bob))
	race := racing{KeyAdmin: d.store.KeyAdmin(), before: func() {
		g := d.small()
		g.Permissions = d.model.Everything().Permissions
		if err := update(store.KeyUpdate{Grant: &g, Disabled: new(true)})(d, key); err != nil {
			t.Error(err)
		}
	}}
	keys, err := apikey.New(apikey.Config{Store: overlay.KeyAdmin(overlay.Keys(d.store, d.spy), race), Model: d.model, Formats: formats(t), Peppers: peppers(t), Roles: d.roles})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Update(t.Context(), d.person(bob), key.ID, apikey.Change{Disabled: new(false)}, d.now); !errors.Is(err, store.ErrConflict) {
		t.Errorf("enabled, with a grant that the caller has not seen: %v, want ErrConflict", err)
	}
	if _, err := d.ask(token); !errors.Is(err, authn.ErrRevoked) {
		t.Errorf("the disabled key: %v", err)
	}
}

// case K17: in the grace both keys work and draw on one budget, whether that is
// the account's or the key's own.
func TestBothKeysWorkOnOneBudget(t *testing.T) {
	for _, plan := range []string{"", "bulk"} {
		d := newDoor(t)
		key, old := d.issue(func(s *apikey.Spec) { s.Plan = plan })
		_, token, err := d.keys.Rotate(t.Context(), d.op, key.ID, time.Hour, d.now)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time the grace runs
			a, err := d.ask(old)
			if err != nil {
				t.Fatalf("the old key: %v", err)
			}
			b, err := d.ask(token.Reveal())
			if err != nil {
				t.Fatalf("the new key: %v", err)
			}
			if a.Subject != b.Subject || a.Subject == "" || a.KeyPlan != b.KeyPlan || a.ID == b.ID {
				t.Errorf("plan %q: subjects %q and %q", plan, a.Subject, b.Subject)
			}
		}
	}
}

// case K22: rotations leave two keys in the place of one, however many there
// are.
func TestChainsOfRotations(t *testing.T) {
	d := newDoor(t)
	key, _ := d.issue()
	alive := func() (n int) {
		for _, key := range d.records() {
			if !key.Ended(d.now) {
				n++
			}
		}
		return n
	}
	rotate := func(grace time.Duration, want error) {
		t.Helper()
		next, _, err := d.keys.Rotate(t.Context(), d.op, key.ID, grace, d.now)
		if !errors.Is(err, want) {
			t.Fatalf("grace %v: %v, want %v", grace, err, want)
		}
		if err == nil {
			key = next
		}
		if n := alive(); n > 2 {
			t.Fatalf("%d keys have not ended", n)
		}
		d.now = d.now.Add(time.Second)
	}
	rotate(time.Hour, nil) // a first key lives on
	rotate(time.Hour, store.ErrConflict)
	rotate(0, nil)
	rotate(time.Hour, store.ErrConflict) // the first still does
	rotate(0, nil)
	rotate(time.Hour, store.ErrConflict)

	d.now = d.now.Add(7 * 24 * time.Hour)
	rotate(time.Hour, nil) // nobody does any more
	first := key.Replaces
	rotate(time.Hour, store.ErrConflict)
	if _, err := d.keys.Update(t.Context(), d.op, first, apikey.Change{Disabled: new(true)}, d.now); err != nil {
		t.Fatal(err)
	}
	rotate(time.Hour, store.ErrConflict) // it could come back
	if err := d.keys.Revoke(t.Context(), d.op, first, "", d.now); err != nil {
		t.Fatal(err)
	}
	rotate(time.Hour, nil)
	if err := d.keys.Revoke(t.Context(), d.op, key.Replaces, "", d.now); err != nil {
		t.Fatal(err)
	}
	for range 31 {
		rotate(0, nil)
	}
	rotate(time.Hour, store.ErrConflict) // too many to look through
	d.now = d.now.Add(7 * 24 * time.Hour)
	rotate(time.Hour, nil)
}

package apikey_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// A mutator changes something that a decision about bob's key depends on, and
// what that is afterwards, of a request to read p1: an error of Authenticate,
// or the code of a denial, or neither.
type mutator struct {
	name   string
	change func(d *door, key store.Key) error
	err    error
	code   string
}

// others are made past the manager: by another process, or by the application.
var others = []mutator{
	{"revoke", func(d *door, key store.Key) error {
		return d.store.KeyAdmin().Revoke(d.t.Context(), account, key.ID, "", d.now)
	}, authn.ErrRevoked, ""},
	{"revoke all", func(d *door, _ store.Key) error {
		_, err := d.store.KeyAdmin().RevokeAll(d.t.Context(), account, store.Filter{Owner: bob}, "", d.now)
		return err
	}, authn.ErrRevoked, ""},
	{"rotate", func(d *door, key store.Key) error {
		next := store.Key{ID: "key_next", Grant: d.stored(key.ID).Grant, Created: d.now, Digest: peppers(d.t).Digest(formats(d.t)["live"].Generate())}
		return d.store.KeyAdmin().Rotate(d.t.Context(), account, key.ID, next, d.now, d.now)
	}, authn.ErrExpired, ""},
	{"disable", update(store.KeyUpdate{Disabled: new(true)}), authn.ErrRevoked, ""},
	{"scope", func(d *door, key store.Key) error {
		g := d.small()
		g.Scope["projects"] = authz.Of("p2")
		return update(store.KeyUpdate{Grant: &g})(d, key)
	}, nil, "out_of_scope"},
	{"permissions", func(d *door, key store.Key) error {
		g := d.small()
		g.Permissions = authz.Of("write")
		return update(store.KeyUpdate{Grant: &g})(d, key)
	}, nil, "missing_permission"},
	{"expiry", func(d *door, key store.Key) error { return update(store.KeyUpdate{Expires: new(d.now)})(d, key) }, authn.ErrExpired, ""},
	{"prune", func(d *door, _ store.Key) error {
		_, err := d.store.KeyAdmin().Prune(d.t.Context(), d.now.Add(1000*time.Hour), 1000)
		return err
	}, authn.ErrRejected, ""},
	{"suspend", func(d *door, _ store.Key) error { return d.setStatus(authz.Suspended) }, nil, "account_suspended"},
	{"read only", func(d *door, _ store.Key) error { return d.setStatus(authz.ReadOnly) }, nil, ""},
	{"plan", func(d *door, _ store.Key) error {
		return d.store.Accounts().SetPlan(d.t.Context(), account, "free", "1-M")
	}, nil, ""},
	{"suspend the owner", func(d *door, _ store.Key) error {
		return d.store.Users().SetStatus(d.t.Context(), bob, authz.Suspended)
	}, nil, "missing_permission"},
	{"role", func(d *door, _ store.Key) error { d.join(bob, "king", "p1"); return nil }, nil, "missing_permission"},
	{"project", func(d *door, _ store.Key) error { d.join(bob, "editor", "p2"); return nil }, nil, "out_of_scope"},
	{"remove the member", func(d *door, _ store.Key) error {
		return d.store.Memberships().Remove(d.t.Context(), account, bob)
	}, nil, "missing_permission"},
	{"rehash", func(d *door, key store.Key) error {
		return d.store.Keys().Rehash(d.t.Context(), key.ID, d.stored(key.ID).Digest, peppers(d.t).Digest(formats(d.t)["live"].Generate()))
	}, authn.ErrRejected, ""},
}

// own are made by the manager itself, which needs no stream to hear of them.
var own = []mutator{
	{"revoke", func(d *door, key store.Key) error {
		return d.keys.Revoke(d.t.Context(), d.op, key.ID, "", d.now)
	}, authn.ErrRevoked, ""},
	{"revoke all", func(d *door, _ store.Key) error {
		_, err := d.keys.RevokeAll(d.t.Context(), d.op, store.Filter{}, "", d.now)
		return err
	}, authn.ErrRevoked, ""},
	{"rotate", func(d *door, key store.Key) error {
		_, _, err := d.keys.Rotate(d.t.Context(), d.op, key.ID, 0, d.now)
		return err
	}, authn.ErrExpired, ""},
	{"update", func(d *door, key store.Key) error {
		g := d.small()
		g.Scope["projects"] = authz.Of("p2")
		_, err := d.keys.Update(d.t.Context(), d.op, key.ID, apikey.Change{Grant: &g}, d.now)
		return err
	}, nil, "out_of_scope"},
	{"disable", func(d *door, key store.Key) error {
		_, err := d.keys.Update(d.t.Context(), d.op, key.ID, apikey.Change{Disabled: new(true)}, d.now)
		return err
	}, authn.ErrRevoked, ""},
}

func update(u store.KeyUpdate) func(*door, store.Key) error {
	return func(d *door, key store.Key) error {
		u.Was = d.stored(key.ID).Grant
		_, err := d.store.KeyAdmin().Update(d.t.Context(), account, key.ID, u, d.now)
		return err
	}
}

func (d *door) setStatus(s authz.Status) error {
	return d.store.Accounts().SetStatus(d.t.Context(), account, s)
}

// reads asks for p1 with the token, as a request would.
func (d *door) reads(token string) (code string, err error) {
	p, err := d.ask(token)
	if err != nil {
		return "", err
	}
	return p.Rights.Decide(authz.Request{
		Permission: "read", Endpoint: "projects.get", Environment: "live", Resources: [4]authz.Resource{{Kind: "projects", ID: "p1"}},
	}).Code, nil
}

// mutate makes bob's key remembered, makes the change, lets that time pass, and
// asks again: the store must be asked, and the answer be the new one.
func (d *door) mutate(m mutator, wait time.Duration) {
	d.t.Helper()
	key, token := d.issueBy(d.person(bob), func(s *apikey.Spec) { s.Expires = d.now.Add(24 * time.Hour) })
	if code, err := d.reads(token); code != "" || err != nil {
		d.t.Fatalf("to begin with: %s, %v", code, err)
	}
	if err := m.change(d, key); err != nil {
		d.t.Fatal(err)
	}
	d.now = d.now.Add(wait)
	finds := d.spy.finds.Load()
	code, err := d.reads(token)
	if code != m.code || !errors.Is(err, m.err) {
		d.t.Errorf("afterwards: %q, %v; want %q, %v", code, err, m.code, m.err)
	}
	if d.spy.finds.Load() == finds {
		d.t.Error("the store was not asked again")
	}
}

// case K11: every change reaches a cache that watches at once; one that does
// not, when its lease ends.
func TestEveryMutatorInvalidates(t *testing.T) {
	for _, m := range others {
		t.Run("stream/"+m.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := watching(t)
				d.mutate(m, 0)
			})
		})
		t.Run("lease/"+m.name, func(t *testing.T) {
			d := newDoor(t)
			d.hire()
			d.mutate(m, d.keys.MaxRevocationDelay())
		})
	}
	for _, m := range own {
		t.Run("own/"+m.name, func(t *testing.T) {
			d := newDoor(t, func(k *apikey.Config, _ *authn.Config) { k.Lease = time.Hour })
			d.hire()
			d.mutate(m, 0)
		})
	}
}

// watching is a door whose cache hears of changes and believes what it knows
// for long. It ends with the test's bubble.
func watching(t *testing.T) *door {
	t.Helper()
	d := newDoor(t, func(k *apikey.Config, _ *authn.Config) { k.Lease = time.Hour })
	d.now = time.Now()
	d.hire()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); synctest.Wait() })
	go d.keys.Run(ctx)
	synctest.Wait()
	return d
}

// case K11: a grace that another node has begun reaches the old key here.
func TestGraceElsewhereInvalidates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := watching(t)
		key, token := d.issueBy(d.person(bob))
		next, _, err := d.keys.Rotate(t.Context(), d.person(bob), key.ID, time.Minute, d.now)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.reads(token); err != nil {
			t.Fatal(err)
		}
		if err := d.store.Keys().BeginGrace(t.Context(), next.ID, d.now); err != nil {
			t.Fatal(err)
		}
		d.now = d.now.Add(time.Minute)
		if _, err := d.reads(token); !errors.Is(err, authn.ErrExpired) {
			t.Errorf("at the end of the grace: %v", err)
		}
	})
}

// case A8: a member who is removed from a project, or from the account, loses it
// within the bound, and so do their keys. A key of the account itself stays.
func TestRemovedMemberLosesTheirKeys(t *testing.T) {
	ways := []struct {
		name  string
		leave func(d *door)
	}{
		{"the project", func(d *door) { d.join(bob, "editor", "p2") }},
		{"the account", func(d *door) {
			if err := d.store.Memberships().Remove(d.t.Context(), account, bob); err != nil {
				d.t.Fatal(err)
			}
		}},
	}
	for _, tt := range []struct {
		name   string
		stream bool
	}{{"with a stream", true}, {"without", false}} {
		for _, way := range ways {
			t.Run(tt.name+"/"+way.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var d *door
					if tt.stream {
						d = watching(t)
					} else {
						d = newDoor(t, silent)
						d.hire()
					}
					_, owned := d.issueBy(d.person(bob))
					_, service := d.issueBy(d.person(ann), func(s *apikey.Spec) { s.Service = true })
					if !d.opens(owned, "read", "p1") || !d.opens(service, "read", "p1") {
						t.Fatal("the keys open nothing to begin with")
					}
					way.leave(d)
					bound := time.Duration(0)
					if !tt.stream {
						bound = d.keys.MaxRevocationDelay()
						d.now = d.now.Add(bound - 1)
						if !d.opens(owned, "read", "p1") {
							t.Error("it was not remembered: this test shows nothing of the bound")
						}
						d.now = d.now.Add(1)
					}
					if d.opens(owned, "read", "p1") {
						t.Errorf("after %v the key of the member still opens it", bound)
					}
					if !d.opens(service, "read", "p1") {
						t.Error("the account's own key has lost it")
					}
				})
			})
		}
	}
}

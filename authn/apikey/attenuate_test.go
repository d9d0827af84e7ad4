package apikey_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/internal/overlay"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// An excess is a key that is more than bob may hand out, in one dimension.
type excess struct {
	name, dimension string
	grant           func(*authz.Grant)
	spec            func(*apikey.Spec)
	caller          func(*authn.Principal)
}

var excesses = []excess{
	{"permissions", "permissions", func(g *authz.Grant) { g.Permissions = authz.Of("read", "admin") }, nil, nil},
	{"all permissions", "permissions", func(g *authz.Grant) { g.Permissions = authz.All() }, nil, nil},
	{"scope", "scope.projects", func(g *authz.Grant) { g.Scope["projects"] = authz.Of("p1", "p3") }, nil, nil},
	{"all projects", "scope.projects", func(g *authz.Grant) { g.Scope["projects"] = authz.All() }, nil, nil},
	{"routes", "endpoints", func(g *authz.Grant) { g.Endpoints = authz.Of("team.list") }, nil, nil},
	{"all routes", "endpoints", func(g *authz.Grant) { g.Endpoints = authz.All() }, nil, nil},
	{"environment", "environments", nil, func(s *apikey.Spec) { s.Environment = "test" }, nil},
	{"limits", "limits", nil, nil, func(p *authn.Principal) { p.KeyPlan = "small" }},
	{"addresses", "addresses", nil, nil, func(p *authn.Principal) {
		p.Addresses = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	}},
	{"more addresses", "addresses", nil, func(s *apikey.Spec) {
		s.Addresses = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("192.0.2.0/24")}
	}, func(p *authn.Principal) {
		p.Addresses = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	}},
	{name: ""}, // the control: nothing too much
}

// handingOut are the ways to hand out a key. Each is given a key of bob's that
// the operator has made, and the caller.
var handingOut = []struct {
	name string
	hand func(d *door, by *authn.Principal, key store.Key, spec apikey.Spec) error
}{
	{"create", func(d *door, by *authn.Principal, _ store.Key, spec apikey.Spec) error {
		spec.Owner = ""
		_, _, err := d.keys.Issue(d.t.Context(), by, spec, d.now)
		return err
	}},
	{"update", func(d *door, by *authn.Principal, key store.Key, spec apikey.Spec) error {
		_, err := d.keys.Update(d.t.Context(), by, key.ID, apikey.Change{Grant: &spec.Grant}, d.now)
		return err
	}},
	{"extend", func(d *door, by *authn.Principal, key store.Key, _ apikey.Spec) error {
		_, err := d.keys.Update(d.t.Context(), by, key.ID, apikey.Change{Expires: new(key.Expires.Add(time.Hour))}, d.now)
		return err
	}},
	{"never expire", func(d *door, by *authn.Principal, key store.Key, _ apikey.Spec) error {
		_, err := d.keys.Update(d.t.Context(), by, key.ID, apikey.Change{Expires: new(time.Time)}, d.now)
		return err
	}},
	{"widen addresses", func(d *door, by *authn.Principal, key store.Key, _ apikey.Spec) error {
		more := append([]netip.Prefix{netip.MustParsePrefix("10.2.0.0/16")}, key.Addresses...)
		if len(key.Addresses) == 0 {
			more = nil // anywhere, as it is
		}
		_, err := d.keys.Update(d.t.Context(), by, key.ID, apikey.Change{Addresses: &more}, d.now)
		return err
	}},
	// What names a limit hands out the key, be it narrower than it was read.
	{"shorten", func(d *door, by *authn.Principal, key store.Key, _ apikey.Spec) error {
		_, err := d.keys.Update(d.t.Context(), by, key.ID, apikey.Change{Expires: new(key.Expires.Add(-time.Hour))}, d.now)
		return err
	}},
	{"the same addresses", func(d *door, by *authn.Principal, key store.Key, _ apikey.Spec) error {
		_, err := d.keys.Update(d.t.Context(), by, key.ID, apikey.Change{Addresses: &key.Addresses}, d.now)
		return err
	}},
	{"rotate", func(d *door, by *authn.Principal, key store.Key, _ apikey.Spec) error {
		_, _, err := d.keys.Rotate(d.t.Context(), by, key.ID, time.Hour, d.now)
		return err
	}},
	{"re-enable", func(d *door, by *authn.Principal, key store.Key, _ apikey.Spec) error {
		if _, err := d.keys.Update(d.t.Context(), by, key.ID, apikey.Change{Disabled: new(true)}, d.now); err != nil {
			d.t.Errorf("to disable is to hand out nothing: %v", err)
		}
		_, err := d.keys.Update(d.t.Context(), by, key.ID, apikey.Change{Disabled: new(false)}, d.now)
		return err
	}},
	{"enable what is enabled", func(d *door, by *authn.Principal, key store.Key, _ apikey.Spec) error {
		_, err := d.keys.Update(d.t.Context(), by, key.ID, apikey.Change{Disabled: new(false)}, d.now)
		return err
	}},
}

// case A2: no way to hand out a key exceeds the caller, in any dimension, and
// what is refused changes nothing.
func TestAttenuation(t *testing.T) {
	for _, tt := range handingOut {
		for _, x := range excesses {
			t.Run(tt.name+"/"+x.name, func(t *testing.T) {
				d := newDoor(t)
				d.hire()
				spec := apikey.Spec{Name: "k", Environment: "live", Grant: d.small(), Expires: d.now.Add(24 * time.Hour), Owner: bob}
				by := d.person(bob)
				apply(x.grant, &spec.Grant)
				apply(x.spec, &spec)
				apply(x.caller, by)
				key, _, err := d.keys.Issue(t.Context(), d.op, spec, d.now) // the operator may
				if err != nil {
					t.Fatal(err)
				}
				before := d.records()
				err = tt.hand(d, by, key, spec)
				if x.name == "" {
					if err != nil {
						t.Errorf("nothing is too much: %v", err)
					}
					return
				}
				denied, ok := errors.AsType[*authz.DeniedError](err)
				if !ok || denied.Decision.Code != "scope_exceeds_caller" || denied.Decision.Dimension != x.dimension {
					t.Errorf("%v, want scope_exceeds_caller of %s", err, x.dimension)
				}
				if tt.name == "re-enable" {
					return // it was disabled
				}
				if diff := cmp.Diff(before, d.records(), printed); diff != "" {
					t.Errorf("something has changed:\n%s", diff)
				}
			})
		}
	}
}

func apply[T any](f func(*T), v *T) {
	if f != nil {
		f(v)
	}
}

// case A2, limits: only the operator gives plans.
func TestPlanIsTheOperators(t *testing.T) {
	d := newDoor(t)
	d.hire()
	for _, user := range []string{ann, bob} {
		for _, service := range []bool{false, true} {
			spec := apikey.Spec{Name: "k", Environment: "live", Grant: d.small(), Plan: "enterprise", Service: service}
			_, _, err := d.keys.Issue(t.Context(), d.person(user), spec, d.now)
			denied, ok := errors.AsType[*authz.DeniedError](err)
			want := "limits"
			if service && user == bob {
				want = "permissions" // to manage
			}
			if !ok || denied.Decision.Dimension != want {
				t.Errorf("%s, service %v: %v", user, service, err)
			}
		}
	}
	key, _ := d.issue(func(s *apikey.Spec) { s.Plan, s.Owner, s.Grant = "enterprise", bob, d.small() })
	next, _, err := d.keys.Rotate(t.Context(), d.person(bob), key.ID, 0, d.now) // no more than it was
	if err != nil || next.Plan != "enterprise" {
		t.Errorf("rotated by its owner: plan %q, %v", next.Plan, err)
	}
}

// The owner of a key may always rename and disable it, whatever they may do by now.
// Other changes that seem to narrow a key are checked: see TestNarrowingMeetsNarrowing.
func TestNameAndDisablingAreFree(t *testing.T) {
	d := newDoor(t)
	d.hire()
	key, _ := d.issueBy(d.person(bob), func(s *apikey.Spec) { s.Grant.Permissions = authz.Of("read", "write") })
	d.join(bob, "viewer", "p1")
	by := d.person(bob)
	some := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	reads := d.small()
	for i, c := range []apikey.Change{
		{Name: new("new name")}, {Disabled: new(true)}, {Name: new("newer"), Disabled: new(true)},
	} {
		if _, err := d.keys.Update(t.Context(), by, key.ID, c, d.now); err != nil {
			t.Errorf("change %d: %v", i, err)
		}
	}
	for i, c := range []apikey.Change{{Addresses: &some}, {Expires: new(d.now.Add(time.Hour))}, {Disabled: new(false)}} {
		if _, err := d.keys.Update(t.Context(), by, key.ID, c, d.now); err == nil {
			t.Errorf("limit %d is set on what they may not hand out", i)
		}
	}
	if _, err := d.keys.Update(t.Context(), by, key.ID, apikey.Change{Grant: &reads, Disabled: new(false)}, d.now); err != nil {
		t.Errorf("a grant that they may hand out: %v", err)
	}
}

// case A2: what was narrower when it was read, and is wider when it is written,
// has been handed out.
func TestNarrowingMeetsNarrowing(t *testing.T) {
	prefixes := func(text string) *[]netip.Prefix { return &[]netip.Prefix{netip.MustParsePrefix(text)} }
	for _, tt := range []struct {
		name      string
		meanwhile func(d *door) store.KeyUpdate
		change    func(d *door) apikey.Change
	}{
		{"addresses",
			func(*door) store.KeyUpdate { return store.KeyUpdate{Addresses: prefixes("10.1.2.0/24")} },
			func(*door) apikey.Change { return apikey.Change{Addresses: prefixes("10.0.0.0/8")} },
		},
		{"expiry",
			func(d *door) store.KeyUpdate { return store.KeyUpdate{Expires: new(d.now.Add(time.Minute))} },
			func(d *door) apikey.Change { return apikey.Change{Expires: new(d.now.Add(24 * time.Hour))} },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDoor(t)
			d.hire()
			key, _ := d.issueBy(d.person(bob), func(s *apikey.Spec) { s.Grant.Permissions = authz.Of("read", "write") })
			d.join(bob, "viewer", "p1")
			race := racing{KeyAdmin: d.store.KeyAdmin(), before: func() {
				if err := update(tt.meanwhile(d))(d, key); err != nil {
					t.Error(err)
				}
			}}
			keys, err := apikey.New(apikey.Config{Store: overlay.KeyAdmin(overlay.Keys(d.store, d.spy), race), Model: d.model, Formats: formats(t), Peppers: peppers(t), Roles: d.roles})
			if err != nil {
				t.Fatal(err)
			}
			_, err = keys.Update(t.Context(), d.person(bob), key.ID, tt.change(d), d.now)
			if denied, ok := errors.AsType[*authz.DeniedError](err); !ok || denied.Decision.Code != "scope_exceeds_caller" {
				t.Errorf("%v, and now the key has %v and ends %v", err, d.stored(key.ID).Addresses, d.stored(key.ID).Expires)
			}
		})
	}
}

// records are all keys of the account.
func (d *door) records() []store.Key {
	d.t.Helper()
	list, err := d.store.KeyAdmin().List(d.t.Context(), account, "", 1000)
	if err != nil {
		d.t.Fatal(err)
	}
	return list
}

// printed compares what cmp cannot look into.
var printed = cmp.Options{
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmp.Comparer(func(a, b keyfmt.Digest) bool { return a == b }),
	cmp.Comparer(func(a, b authz.Grant) bool { return a.Equal(b) }),
}

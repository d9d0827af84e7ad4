package apikey_test

import (
	"errors"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
)

// What hands out a key takes a recent log-in, and what takes away does not: 12
// hours for one's own keys, one for the account's and for those that can manage.
// case K25
func TestHandingOutTakesARecentLogin(t *testing.T) {
	const own, managed = 12 * time.Hour, time.Hour
	manager := func(d *door) authz.Grant {
		g := d.small()
		g.Permissions = authz.Of("read", "admin")
		return g
	}
	update := func(change func(*door) apikey.Change) func(d *door, by *authn.Principal, id string) error {
		return func(d *door, by *authn.Principal, id string) error {
			_, err := d.keys.Update(d.t.Context(), by, id, change(d), d.now)
			return err
		}
	}
	issue := func(change func(*door, *apikey.Spec)) func(d *door, by *authn.Principal, id string) error {
		return func(d *door, by *authn.Principal, _ string) error {
			spec := apikey.Spec{Name: "k", Environment: "live", Grant: d.small()}
			change(d, &spec)
			_, _, err := d.keys.Issue(d.t.Context(), by, spec, d.now)
			return err
		}
	}
	rotate := func(d *door, by *authn.Principal, id string) error {
		_, _, err := d.keys.Rotate(d.t.Context(), by, id, time.Hour, d.now)
		return err
	}
	enable := update(func(*door) apikey.Change { return apikey.Change{Disabled: new(false)} })
	for _, c := range []struct {
		name  string
		of    string        // the kind of the key
		bound time.Duration // 0: none
		call  func(d *door, by *authn.Principal, id string) error
	}{
		{"make one's own", "", own, issue(func(*door, *apikey.Spec) {})},
		{"make the account's", "", managed, issue(func(_ *door, s *apikey.Spec) { s.Service = true })},
		{"make one that manages", "", managed, issue(func(d *door, s *apikey.Spec) { s.Grant = manager(d) })},
		{"make one with everything", "", managed, issue(func(d *door, s *apikey.Spec) { s.Grant = d.model.Everything() })},
		{"rotate one's own", "own", own, rotate},
		{"rotate the account's", "account", managed, rotate},
		{"rotate one that manages", "manages", managed, rotate},
		{"enable one's own", "own", own, enable},
		{"enable the account's", "account", managed, enable},
		{"enable one that manages", "manages", managed, enable},
		{"make one's own manage", "own", managed, update(func(d *door) apikey.Change { g := manager(d); return apikey.Change{Grant: &g} })},
		{"let one's own live longer", "own", own, update(func(d *door) apikey.Change { return apikey.Change{Expires: new(time.Time)} })},
		{"rename", "account", 0, update(func(*door) apikey.Change { return apikey.Change{Name: new("x")} })},
		{"disable", "account", 0, update(func(*door) apikey.Change { return apikey.Change{Disabled: new(true)} })},
		{"revoke", "account", 0, func(d *door, by *authn.Principal, id string) error {
			return d.keys.Revoke(d.t.Context(), by, id, "", d.now)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, age := range []struct {
				name   string
				proved func(now time.Time) time.Time
				ok     bool
			}{
				{"just in time", func(now time.Time) time.Time { return now.Add(-c.bound) }, true},
				{"just too late", func(now time.Time) time.Time { return now.Add(-c.bound - 1) }, c.bound == 0},
				{"never", func(time.Time) time.Time { return time.Time{} }, c.bound == 0},
			} {
				d := newDoor(t)
				d.hire()
				by := d.person(ann)
				key, _ := d.issueBy(by, func(s *apikey.Spec) {
					s.Service = c.of == "account"
					if c.of == "manages" {
						s.Grant = manager(d)
					}
				})
				d.now = d.now.Add(24 * time.Hour)
				by.Proved = age.proved(d.now)
				err := c.call(d, by, key.ID)
				denied, isDenied := errors.AsType[*authz.DeniedError](err)
				switch {
				case age.ok && err != nil:
					t.Errorf("%s: got %v, want none", age.name, err)
				case !age.ok && (!isDenied || denied.Decision.Code != "insufficient_user_authentication" || denied.Decision.Recent != c.bound):
					t.Errorf("%s: got %v, want a log-in of the last %v", age.name, err, c.bound)
				}
			}
		})
	}
}

// The bounds are the application's, and negative ones ask for nothing.
func TestRecentIsConfigured(t *testing.T) {
	for _, c := range []struct {
		name             string
		own, manage, age time.Duration
		ok, okOfAccount  bool
	}{
		{"shorter", time.Minute, time.Second, 30 * time.Second, true, false},
		{"own alone", time.Minute, -1 * time.Second, 2 * time.Minute, false, true},
		{"none", -time.Second, -time.Second, 1000 * time.Hour, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDoor(t, func(k *apikey.Config, _ *authn.Config) { k.Recent, k.RecentManage = c.own, c.manage })
			d.hire()
			by := d.person(ann)
			by.Proved = d.now.Add(-c.age)
			for _, tt := range []struct{ service, want bool }{{false, c.ok}, {true, c.okOfAccount}} {
				_, _, err := d.keys.Issue(t.Context(), by, apikey.Spec{Name: "k", Environment: "live", Grant: d.small(), Service: tt.service}, d.now)
				if (err == nil) != tt.want {
					t.Errorf("service %v: got %v, want allowed: %v", tt.service, err, tt.want)
				}
			}
		})
	}
}

// What lacks rights as well is not sent to log in for nothing.
func TestRecentIsAskedLast(t *testing.T) {
	d := newDoor(t)
	d.hire()
	by := d.person(bob)
	by.Proved = time.Time{}
	g := d.model.Everything()
	_, _, err := d.keys.Issue(t.Context(), by, apikey.Spec{Name: "k", Environment: "live", Grant: g}, d.now)
	if denied, ok := errors.AsType[*authz.DeniedError](err); !ok || denied.Decision.Code != "scope_exceeds_caller" {
		t.Errorf("got %v, want scope_exceeds_caller", err)
	}
}

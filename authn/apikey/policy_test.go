package apikey_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/internal/overlay"
	"medtwin.ai/tollgate/store"
)

// case K19, under a policy: an expiry that is missing or too late is an error,
// with the reason, and nothing is cut to fit.
func TestPolicy(t *testing.T) {
	const day = 24 * time.Hour
	limited := func(k *apikey.Config, _ *authn.Config) {
		k.Policies = map[string]apikey.Policy{"live": {MaxLifetime: 90 * day}}
	}
	d := newDoor(t, limited)
	d.hire()
	for _, tt := range []struct {
		name        string
		environment string
		expires     time.Time
		reason      string // "": it is made
	}{
		{"none", "live", time.Time{}, "must expire"},
		{"too late", "live", d.now.Add(90*day + 1), "within"},
		{"past", "live", d.now.Add(-1), "future"},
		{"the latest", "live", d.now.Add(90 * day), ""},
		{"another environment", "test", time.Time{}, ""},
	} {
		spec := d.spec()
		spec.Environment, spec.Expires = tt.environment, tt.expires
		for _, c := range []struct {
			whose string
			by    *authn.Principal
		}{{"operator", d.op}, {"person", d.person(ann)}} {
			key, _, err := d.keys.Issue(t.Context(), c.by, spec, d.now)
			switch {
			case tt.reason == "" && (err != nil || !key.Expires.Equal(tt.expires)):
				t.Errorf("%s, %s: %v, %v", tt.name, c.whose, key.Expires, err)
			case tt.reason != "" && (!errors.Is(err, authn.ErrInvalid) || !strings.Contains(err.Error(), tt.reason)):
				t.Errorf("%s, %s: %v, want ErrInvalid: %s", tt.name, c.whose, err, tt.reason)
			}
		}
	}

	// Later on the bound is that of the key, not of the day.
	key, _ := d.issue(func(s *apikey.Spec) { s.Expires = d.now.Add(day) })
	made := d.now
	d.now = d.now.Add(12 * time.Hour)
	for _, tt := range []struct {
		expires time.Time
		want    error
	}{
		{made.Add(90*day + 1), authn.ErrInvalid}, {time.Time{}, authn.ErrInvalid}, {d.now, authn.ErrInvalid},
		{made.Add(90 * day), nil}, {made.Add(day), nil},
	} {
		if _, err := d.keys.Update(t.Context(), d.op, key.ID, apikey.Change{Expires: &tt.expires}, d.now); !errors.Is(err, tt.want) {
			t.Errorf("updated to %v: %v, want %v", tt.expires, err, tt.want)
		}
	}
	if next, _, err := d.keys.Rotate(t.Context(), d.op, key.ID, 0, d.now); err != nil || !next.Expires.Equal(made.Add(day)) {
		t.Errorf("rotated: ends %v, %v", next.Expires, err)
	}

	// What was made before there was the policy is not renewed against it.
	before := newDoor(t)
	endless, token := before.issue()
	far, _ := before.issue(func(s *apikey.Spec) { s.Expires = before.now.Add(365 * day) })
	after := newDoor(t, limited, func(k *apikey.Config, _ *authn.Config) { k.Store = overlay.Keys(before.store, before.spy) })
	if _, err := after.ask(token); err != nil {
		t.Errorf("an old key without expiry: %v", err)
	}
	for _, old := range []store.Key{endless, far} {
		if _, _, err := after.keys.Rotate(t.Context(), after.op, old.ID, 0, after.now); !errors.Is(err, authn.ErrInvalid) {
			t.Errorf("rotated an old key that ends %v: %v", old.Expires, err)
		}
		if _, err := after.keys.Update(t.Context(), after.op, old.ID, apikey.Change{Expires: new(after.now.Add(day))}, after.now); err != nil {
			t.Errorf("shortened: %v", err)
		}
		if _, _, err := after.keys.Rotate(t.Context(), after.op, old.ID, 0, after.now); err != nil {
			t.Errorf("rotated then: %v", err)
		}
	}
}

// case K19: a change that cannot be granted changes nothing.
func TestUpdateRefuses(t *testing.T) {
	d := newDoor(t)
	key, _ := d.issue(func(s *apikey.Spec) { s.Expires = d.now.Add(time.Hour) })
	bad := d.spec().Grant
	bad.Version = 7
	for _, tt := range []struct {
		name string
		c    apikey.Change
	}{
		{"past expiry", apikey.Change{Expires: new(d.now.Add(-time.Second))}}, {"expiry now", apikey.Change{Expires: &d.now}},
		{"no name", apikey.Change{Name: new("")}}, {"grant", apikey.Change{Grant: &bad}},
		{"a good name and a bad expiry", apikey.Change{Name: new("x"), Expires: &d.now}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := d.keys.Update(t.Context(), d.op, key.ID, tt.c, d.now); !errors.Is(err, authn.ErrInvalid) {
				t.Errorf("%v, want ErrInvalid", err)
			}
		})
	}
	if now := d.stored(key.ID); now.Name != key.Name || !now.Expires.Equal(key.Expires) {
		t.Errorf("it is changed: %+v", now)
	}
	d.now = d.now.Add(time.Hour)
	if _, err := d.keys.Update(t.Context(), d.op, key.ID, apikey.Change{Expires: new(time.Time)}, d.now); !errors.Is(err, store.ErrInactive) {
		t.Errorf("an expired key came back: %v", err)
	}
}

// An update changes what it says and nothing else; a disabled key is refused
// and comes back.
func TestUpdate(t *testing.T) {
	d := newDoor(t)
	key, token := d.issue()
	g := d.small()
	g.Environments = d.model.Everything().Environments // it follows from the key
	got, err := d.keys.Update(t.Context(), d.op, key.ID, apikey.Change{Name: new("other"), Grant: &g}, d.now)
	if err != nil || got.Name != "other" || got.Grant.Environments.String() != "live" || got.Grant.Permissions.String() != "read" {
		t.Errorf("%+v, %v", got, err)
	}
	stale := apikey.Change{Was: &key.Grant, Grant: &g}
	if _, err := d.keys.Update(t.Context(), d.op, key.ID, stale, d.now); !errors.Is(err, store.ErrConflict) {
		t.Errorf("made from a grant that is another by now: %v, want ErrConflict", err)
	}
	if !g.Environments.IsAll() {
		t.Error("the caller's grant was changed")
	}
	for _, step := range []struct {
		disabled bool
		want     error
	}{{true, authn.ErrRevoked}, {true, authn.ErrRevoked}, {false, nil}} {
		if _, err := d.keys.Update(t.Context(), d.op, key.ID, apikey.Change{Disabled: &step.disabled}, d.now); err != nil {
			t.Fatal(err)
		}
		if _, err := d.ask(token); !errors.Is(err, step.want) {
			t.Errorf("disabled %v: %v, want %v", step.disabled, err, step.want)
		}
	}
}

package apikey_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// The management of a key is decided in the key's environment, wherever the
// caller acts. case A18
func TestManagersDecideInTheKeysEnvironment(t *testing.T) {
	for _, c := range []struct{ holds, acts, key string }{
		{"live", "live", "live"}, {"live", "live", "test"}, {"live", "test", "live"}, {"live", "test", "test"},
		{"test", "test", "test"}, {"test", "test", "live"}, {"test", "live", "test"}, {"test", "live", "live"},
	} {
		t.Run(c.holds+" held, in "+c.acts+", of "+c.key, func(t *testing.T) {
			d := newDoor(t)
			d.hire()
			in := func(s *apikey.Spec) { s.Environment, s.Expires = c.key, d.now.Add(time.Hour) }
			service, _ := d.issueBy(d.op, in)
			theirs, _ := d.issueBy(d.op, in, func(s *apikey.Spec) { s.Owner = bob })
			everything := d.model.Everything()
			held := everything
			held.Environments = authz.Of(c.holds)
			by := &authn.Principal{
				Kind: authn.KindSession, ID: "ses_1", Account: account, User: ann, Environment: c.acts, Proved: d.now,
				Rights: d.model.Rights(authz.Active, []authz.Grant{everything}, []authz.Grant{held}),
			}
			ctx, may := t.Context(), c.holds == c.key
			for _, m := range []struct {
				name string
				call func() error
				want error // where they may not; nil: a *authz.DeniedError
			}{
				{"get", func() error { _, err := d.keys.Get(ctx, by, theirs.ID); return err }, store.ErrNotFound},
				{"disable", func() error {
					_, err := d.keys.Update(ctx, by, service.ID, apikey.Change{Disabled: new(true)}, d.now)
					return err
				}, store.ErrNotFound},
				{"enable", func() error {
					_, err := d.keys.Update(ctx, by, service.ID, apikey.Change{Disabled: new(false)}, d.now)
					return err
				}, store.ErrNotFound},
				{"rotate", func() error { _, _, err := d.keys.Rotate(ctx, by, service.ID, time.Hour, d.now); return err }, store.ErrNotFound},
				{"issue", func() error {
					_, _, err := d.keys.Issue(ctx, by, apikey.Spec{Name: "s", Environment: c.key, Grant: d.small(), Service: true}, d.now)
					return err
				}, nil},
				{"revoke", func() error { return d.keys.Revoke(ctx, by, theirs.ID, "", d.now) }, store.ErrNotFound},
			} {
				err := m.call()
				_, denied := errors.AsType[*authz.DeniedError](err)
				if may && err != nil || !may && err != m.want && !(m.want == nil && denied) {
					t.Errorf("%s: got %v, may: %v", m.name, err, may)
				}
			}
			if got := d.stored(service.ID).Disabled.IsZero(); !got {
				t.Error("the key was disabled, and not enabled again")
			}
			listed, err := d.keys.List(ctx, by, "", 10)
			sees := slices.ContainsFunc(listed, func(k store.Key) bool { return k.ID == service.ID })
			if err != nil || sees != may {
				t.Errorf("list: shown %v, %v; want %v", sees, err, may)
			}
			expiring, err := d.keys.Expiring(ctx, by, d.now.Add(2*time.Hour), 10, d.now)
			if err != nil || len(expiring) > 0 != may {
				t.Errorf("expiring: got %d, %v; want some: %v", len(expiring), err, may)
			}
		})
	}
}

// Many keys are revoked at once where each could be revoked alone. case A18
func TestRevokeAllDecidesInTheKeysEnvironment(t *testing.T) {
	for _, c := range []struct {
		name  string
		holds authz.Set
		f     store.Filter
		want  []string
	}{
		{"everywhere", authz.All(), store.Filter{}, []string{"ann live", "ann test", "bob live", "bob test", "live", "test"}},
		{"both by name", authz.Of("live", "test"), store.Filter{}, []string{"ann live", "ann test", "bob live", "bob test", "live", "test"}},
		{"test", authz.Of("test"), store.Filter{}, []string{"ann live", "ann test", "bob test", "test"}},
		{"test, of bob", authz.Of("test"), store.Filter{Owner: bob}, []string{"bob test"}},
		{"test, of oneself", authz.Of("test"), store.Filter{Owner: ann}, []string{"ann live", "ann test"}},
		{"test, in live", authz.Of("test"), store.Filter{Environment: "live"}, []string{"ann live"}},
		{"nowhere", authz.Of("moon"), store.Filter{}, []string{"ann live", "ann test"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDoor(t)
			d.hire()
			names := map[string]string{}
			for _, env := range []string{"live", "test"} {
				for _, tt := range []struct{ owner, name string }{{ann, "ann " + env}, {bob, "bob " + env}, {"", env}} {
					key, _ := d.issueBy(d.op, func(s *apikey.Spec) { s.Environment, s.Owner = env, tt.owner })
					names[key.ID] = tt.name
				}
			}
			everything := d.model.Everything()
			held := everything
			held.Environments = c.holds
			by := &authn.Principal{
				Kind: authn.KindSession, ID: "ses_1", Account: account, User: ann, Environment: "test",
				Rights: d.model.Rights(authz.Active, []authz.Grant{everything}, []authz.Grant{held}),
			}
			n, err := d.keys.RevokeAll(t.Context(), by, c.f, "gone", d.now)
			var got []string
			for id, name := range names {
				if !d.stored(id).Revoked.IsZero() {
					got = append(got, name)
				}
			}
			slices.Sort(got)
			if err != nil || n != len(c.want) || !slices.Equal(got, c.want) {
				t.Errorf("got %d %q, %v; want %q", n, got, err, c.want)
			}
		})
	}
}

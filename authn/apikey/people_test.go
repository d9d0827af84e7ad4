package apikey_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/internal/overlay"
	"medtwin.ai/tollgate/store"
)

// The members of the account: an admin, who manages keys, and two editors.
const ann, bob, eve = "user_ann", "user_bob", "user_eve"

// roles is what the application says about memberships. The role of an editor
// does not name projects where the membership does.
func (d *door) roles(m store.Membership) []authz.Grant {
	g := d.model.Everything()
	switch m.Role {
	case "admin":
	case "editor":
		g.Permissions = authz.Of("read", "write")
		g.Environments = authz.Of("live")
		g.Endpoints = authz.Of("projects.*")
	case "viewer":
		g.Permissions = authz.Of("read")
	default:
		return nil
	}
	if ids, ok := m.Scope["projects"]; ok {
		g.Scope["projects"] = ids
	}
	return []authz.Grant{g}
}

// hire adds the members.
func (d *door) hire() {
	d.t.Helper()
	for _, tt := range []struct{ user, role string }{{ann, "admin"}, {bob, "editor"}, {eve, "editor"}} {
		if err := d.store.Users().Create(d.t.Context(), store.User{ID: tt.user, Email: tt.user, Status: authz.Active, Created: d.now}); err != nil {
			d.t.Fatal(err)
		}
		d.join(tt.user, tt.role, "p1", "p2")
	}
}

// join gives a user a role, which admins have in all projects.
func (d *door) join(user, role string, projects ...string) {
	d.t.Helper()
	m := store.Membership{User: user, Account: account, Role: role, Created: d.now}
	if role != "admin" {
		m.Scope = map[string]authz.Set{"projects": authz.Of(projects...)}
	}
	if err := d.store.Memberships().Put(d.t.Context(), m); err != nil {
		d.t.Fatal(err)
	}
}

// person returns a session principal of the user, with what they may do at present.
func (d *door) person(user string) *authn.Principal {
	d.t.Helper()
	m, err := d.store.Memberships().Get(d.t.Context(), account, user)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		d.t.Fatal(err)
	}
	a, err := d.store.Accounts().Get(d.t.Context(), account)
	if err != nil {
		d.t.Fatal(err)
	}
	return &authn.Principal{
		Kind: authn.KindSession, ID: "ses_" + user, Account: account, User: user, Environment: "live", Proved: d.now,
		Rights: d.model.Rights(a.Status, []authz.Grant{d.model.Everything()}, d.roles(m)),
	}
}

// small is a grant that every editor may hand out.
func (d *door) small() authz.Grant {
	return authz.Grant{
		Version: authz.Version, Permissions: authz.Of("read"), Endpoints: authz.Of("projects.get"),
		Environments: authz.Of("live"), Scope: map[string]authz.Set{"projects": authz.Of("p1")},
	}
}

// issueBy makes a key by that caller with the small grant.
func (d *door) issueBy(by *authn.Principal, change ...func(*apikey.Spec)) (store.Key, string) {
	d.t.Helper()
	spec := apikey.Spec{Name: "script", Environment: "live", Grant: d.small()}
	for _, f := range change {
		f(&spec)
	}
	key, token, err := d.keys.Issue(d.t.Context(), by, spec, d.now)
	if err != nil {
		d.t.Fatal(err)
	}
	return key, token.Reveal()
}

// stored is the record as the store has it.
func (d *door) stored(id string) store.Key {
	d.t.Helper()
	key, err := d.store.KeyAdmin().Get(d.t.Context(), account, id)
	if err != nil {
		d.t.Fatal(err)
	}
	return key
}

// opens reports whether a request with the token to that project is allowed.
func (d *door) opens(token, permission, project string) bool {
	d.t.Helper()
	p, err := d.ask(token)
	return err == nil && p.Rights.Decide(authz.Request{
		Permission: permission, Endpoint: "projects.get", Environment: p.Environment,
		Resources: [4]authz.Resource{{Kind: "projects", ID: project}},
	}).Allowed
}

func TestPersonalKey(t *testing.T) {
	d := newDoor(t)
	d.hire()
	key, token := d.issueBy(d.person(bob))
	p, err := d.ask(token)
	if err != nil {
		t.Fatal(err)
	}
	if key.Owner != bob || key.CreatedBy != bob || p.User != bob || p.Kind != authn.KindKey || !p.Proved.IsZero() || p.Subject != account+"/live" {
		t.Errorf("key %+v, principal %+v", key, p)
	}
	if !d.opens(token, "read", "p1") || d.opens(token, "read", "p2") || d.opens(token, "write", "p1") {
		t.Error("the key does not open what it was given")
	}
}

// case A5: what its owner may do never widens a key.
func TestOwnerNeverWidens(t *testing.T) {
	d := newDoor(t)
	d.hire()
	_, token := d.issueBy(d.person(ann))
	if !d.opens(token, "read", "p1") {
		t.Fatal("the key opens nothing")
	}
	if d.opens(token, "write", "p1") || d.opens(token, "admin", "p1") || d.opens(token, "read", "p3") {
		t.Error("an admin's key for reading one project opens more")
	}
}

// The key of an owner who has no rights opens nothing.
func TestNobodysKeyOpensNothing(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*door) error
	}{
		{"no membership", func(d *door) error { return d.store.Memberships().Remove(d.t.Context(), account, bob) }},
		{"suspended user", func(d *door) error { return d.store.Users().SetStatus(d.t.Context(), bob, authz.Suspended) }},
		{"read-only user", func(d *door) error { return d.store.Users().SetStatus(d.t.Context(), bob, authz.ReadOnly) }},
		{"unknown role", func(d *door) error {
			return d.store.Memberships().Put(d.t.Context(), store.Membership{User: bob, Account: account, Role: "king"})
		}},
		{"no Roles", func(d *door) error {
			var err error
			d.keys, err = apikey.New(apikey.Config{Store: overlay.Keys(d.store, d.spy), Model: d.model, Formats: formats(d.t), Peppers: peppers(d.t)})
			return err
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDoor(t)
			d.hire()
			_, token := d.issueBy(d.person(bob))
			_, service := d.issueBy(d.person(ann), func(s *apikey.Spec) { s.Service = true })
			if !d.opens(token, "read", "p1") || !d.opens(service, "read", "p1") {
				t.Fatal("the keys open nothing to begin with")
			}
			if err := tt.change(d); err != nil {
				t.Fatal(err)
			}
			d.now = d.now.Add(d.keys.MaxRevocationDelay())
			p, err := d.ask(token)
			if err != nil {
				t.Errorf("%v: it authenticates, and is denied", err)
				return
			}
			d0 := p.Rights.Decide(authz.Request{Permission: "read", Endpoint: "projects.get", Environment: "live"})
			if d0.Allowed || d0.Layer != "owner" {
				t.Errorf("%+v", d0)
			}
			if !d.opens(service, "read", "p1") {
				t.Error("the account's own key suffered")
			}
		})
	}
}

// Without Roles nobody can say what a person may do, so no key of a person is made:
// it would be refused for ever, and nobody would know why.
func TestRolesForgotten(t *testing.T) {
	d := newDoor(t, func(k *apikey.Config, _ *authn.Config) {
		k.Roles = nil
		k.Verifiers = map[string]apikey.Verifier{"old": apikey.SHA256Hex("acme_")}
	})
	d.hire()
	const want = "Config.Roles is nil"
	owned := d.spec()
	owned.Owner = bob
	_, _, byPerson := d.keys.Issue(t.Context(), d.person(bob), d.spec(), d.now)
	_, _, byOperator := d.keys.Issue(t.Context(), d.op, owned, d.now)
	_, imported := d.keys.Import(t.Context(), d.op, owned, apikey.Foreign{Verifier: "old", Hash: strings.Repeat("ab", 32)}, d.now)
	for _, tt := range []struct {
		name string
		err  error
	}{{"a person's own", byPerson}, {"for a person", byOperator}, {"imported", imported}} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.err == nil || !strings.Contains(tt.err.Error(), want) || errors.Is(tt.err, authn.ErrInvalid) {
				t.Errorf("got %v, want %q, which is no mistake of the caller", tt.err, want)
			}
		})
	}
	if list := d.records(); len(list) != 0 {
		t.Errorf("%d keys were made", len(list))
	}
	if _, _, err := d.keys.Issue(t.Context(), d.op, d.spec(), d.now); err != nil {
		t.Errorf("a key of the account: %v", err)
	}
}

// Where Roles was forgotten later, the log tells why a person's key is denied, once.
func TestRolesForgottenLater(t *testing.T) {
	d := newDoor(t)
	d.hire()
	_, token := d.issueBy(d.person(bob))
	var log strings.Builder
	later := newDoor(t, func(k *apikey.Config, _ *authn.Config) {
		k.Store, k.Roles, k.Logger = d.store, nil, slog.New(slog.NewTextHandler(&log, nil))
	})
	for range 2 {
		later.now = later.now.Add(time.Hour) // it is read again
		if p, err := later.ask(token); err != nil || p.Rights.Decide(authz.Request{Permission: "read", Endpoint: "projects.get", Environment: "live"}).Allowed {
			t.Errorf("got %v, %v, want a caller who may do nothing", p, err)
		}
	}
	if got := strings.Count(log.String(), "Config.Roles is nil: set it"); got != 1 {
		t.Errorf("said %d times, want once: %s", got, &log)
	}
}

// An application whose Roles grants whatever it is asked gives nothing to who
// has left.
func TestGenerousRoles(t *testing.T) {
	var d *door
	d = newDoor(t, func(k *apikey.Config, _ *authn.Config) {
		k.Roles = func(store.Membership) []authz.Grant { return []authz.Grant{d.model.Everything()} }
	})
	d.hire()
	_, token := d.issueBy(d.person(bob))
	if !d.opens(token, "read", "p1") {
		t.Fatal("the key opens nothing to begin with")
	}
	if err := d.store.Memberships().Remove(t.Context(), account, bob); err != nil {
		t.Fatal(err)
	}
	d.now = d.now.Add(d.keys.MaxRevocationDelay())
	if d.opens(token, "read", "p1") {
		t.Error("the key of a removed member opens what it did")
	}
}

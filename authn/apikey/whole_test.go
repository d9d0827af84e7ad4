package apikey_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// case A2: a manager whose membership is limited to some resources is no manager
// of keys that open otown, neither to see, nor to revoke, nor to make.
func TestNarrowedManager(t *testing.T) {
	d := newDoor(t)
	d.hire()
	err := d.store.Memberships().Put(t.Context(), store.Membership{
		User: ann, Account: account, Role: "admin", Created: d.now, Scope: map[string]authz.Set{"projects": authz.Of("p1")},
	})
	if err != nil {
		t.Fatal(err)
	}
	by := d.person(ann)
	bobs, _ := d.issueBy(d.person(bob))
	service, _ := d.issueBy(d.op)
	own, _ := d.issueBy(by)
	for _, key := range []store.Key{bobs, service} {
		for _, method := range []string{"get", "update", "rotate", "revoke"} {
			if err := d.tryOne(method, by, key.ID); err != store.ErrNotFound {
				t.Errorf("%s: %v, want ErrNotFound", method, err)
			}
		}
	}
	list, err := d.keys.List(t.Context(), by, "", 10)
	if err != nil || len(list) != 1 || list[0].ID != own.ID {
		t.Errorf("%d keys listed, %v; want their own", len(list), err)
	}
	_, _, err = d.keys.Issue(t.Context(), by, apikey.Spec{Name: "k", Environment: "live", Grant: d.small(), Service: true}, d.now)
	if denied, ok := errors.AsType[*authz.DeniedError](err); !ok || denied.Decision.Code != "out_of_scope" || denied.Decision.Dimension != "scope.projects" {
		t.Errorf("a key of the account: %v", err)
	}
	if n, err := d.keys.RevokeAll(t.Context(), by, store.Filter{}, "leaked", d.now); err != nil || n != 1 {
		t.Errorf("%d revoked, %v; want their own", n, err)
	}
}

// Every kind counts, however many the model has: a request names four.
func TestManagersHoldEveryKind(t *testing.T) {
	var kinds []string
	for i := range 8 {
		kinds = append(kinds, fmt.Sprint("kind", i))
	}
	for n := range len(kinds) + 1 {
		model, err := authz.NewModel(authz.ModelConfig{Permissions: []string{"read", "admin"}, Kinds: kinds[:n]})
		if err != nil {
			t.Fatal(err)
		}
		d := newDoor(t, func(k *apikey.Config, _ *authn.Config) { k.Model = model })
		key, _ := d.issue(func(s *apikey.Spec) { s.Grant = model.Everything() })
		for _, narrow := range append(slices.Clone(kinds[:n]), "") {
			g := model.Everything()
			if narrow != "" {
				g.Scope[narrow] = authz.Of("x")
			}
			by := &authn.Principal{
				Kind: authn.KindSession, ID: "ses_1", Account: account, User: ann, Environment: "live",
				Rights: model.Rights(authz.Active, []authz.Grant{model.Everything()}, []authz.Grant{g}),
			}
			want := map[bool]error{true: nil, false: store.ErrNotFound}[narrow == ""]
			if _, err := d.keys.Get(t.Context(), by, key.ID); err != want {
				t.Errorf("%d kinds, limited in %q: %v, want %v", n, narrow, err, want)
			}
		}
	}
}

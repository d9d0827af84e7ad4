package apikey_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// tryAll calls every method of management.
func (d *door) tryAll(by *authn.Principal, id string) map[string]error {
	d.t.Helper()
	ctx := d.t.Context()
	errs := map[string]error{}
	for _, tt := range []struct {
		method string
		call   func() error
	}{
		{"issue", func() error { _, _, err := d.keys.Issue(ctx, by, d.spec(), d.now); return err }},
		{"import", func() error { _, err := d.keys.Import(ctx, by, d.spec(), apikey.Foreign{}, d.now); return err }},
		{"rotate", func() error { _, _, err := d.keys.Rotate(ctx, by, id, 0, d.now); return err }},
		{"update", func() error {
			_, err := d.keys.Update(ctx, by, id, apikey.Change{Name: new("x")}, d.now)
			return err
		}},
		{"revoke", func() error { return d.keys.Revoke(ctx, by, id, "", d.now) }},
		{"revoke all", func() error { _, err := d.keys.RevokeAll(ctx, by, store.Filter{}, "", d.now); return err }},
		{"get", func() error { _, err := d.keys.Get(ctx, by, id); return err }},
		{"list", func() error { _, err := d.keys.List(ctx, by, "", 10); return err }},
		{"expiring", func() error { _, err := d.keys.Expiring(ctx, by, d.now, 10, d.now); return err }},
	} {
		errs[tt.method] = tt.call()
	}
	return errs
}

// Who may do what with whose key.
func TestWhoManagesWhat(t *testing.T) {
	const (
		yes       = "yes"
		absent    = "absent"
		forbidden = "forbidden"
		denied    = "denied"
	)
	outcome := func(err error) string {
		_, isDenied := errors.AsType[*authz.DeniedError](err)
		switch {
		case err == nil:
			return yes
		case isDenied:
			return denied
		case errors.Is(err, authn.ErrForbidden):
			return forbidden
		case errors.Is(err, store.ErrNotFound):
			return absent
		}
		return err.Error()
	}
	for _, tt := range []struct {
		by, key                     string // of whom; "operator", "account"
		get, update, rotate, revoke string
	}{
		{bob, bob, yes, yes, yes, yes},
		{bob, eve, absent, absent, absent, absent},
		{bob, ann, absent, absent, absent, absent},
		{bob, "account", absent, absent, absent, absent},
		{ann, ann, yes, yes, yes, yes},
		{ann, bob, yes, forbidden, forbidden, yes},
		{ann, "account", yes, yes, yes, yes},
		{"operator", bob, yes, yes, yes, yes},
		{"operator", "account", yes, yes, yes, yes},
	} {
		for _, c := range []struct{ method, want string }{{"get", tt.get}, {"update", tt.update}, {"rotate", tt.rotate}, {"revoke", tt.revoke}} {
			d := newDoor(t)
			d.hire()
			key, _ := d.issueBy(d.op, func(s *apikey.Spec) {
				if tt.key != "account" {
					s.Owner = tt.key
				}
			})
			by := d.op
			if tt.by != "operator" {
				by = d.person(tt.by)
			}
			if c.method == "revoke" { // the others go first in tryAll, in no order
				if got := outcome(d.keys.Revoke(t.Context(), by, key.ID, "", d.now)); got != c.want {
					t.Errorf("%s, key of %s: revoke: %s, want %s", tt.by, tt.key, got, c.want)
				}
				if stored := d.stored(key.ID); stored.Revoked.IsZero() == (c.want == yes) {
					t.Errorf("%s, key of %s: revoked %v", tt.by, tt.key, stored.Revoked)
				}
				continue
			}
			before := d.records()
			call := map[string]func() error{
				"get": func() error { _, err := d.keys.Get(t.Context(), by, key.ID); return err },
				"update": func() error {
					_, err := d.keys.Update(t.Context(), by, key.ID, apikey.Change{Name: new("x")}, d.now)
					return err
				},
				"rotate": func() error { _, _, err := d.keys.Rotate(t.Context(), by, key.ID, 0, d.now); return err },
			}[c.method]
			if got := outcome(call()); got != c.want {
				t.Errorf("%s, key of %s: %s: %s, want %s", tt.by, tt.key, c.method, got, c.want)
			}
			if changed := !cmp.Equal(before, d.records(), printed); changed != (c.want == yes && c.method != "get") {
				t.Errorf("%s, key of %s: %s: changed %v", tt.by, tt.key, c.method, changed)
			}
		}
	}
}

// case K18: a key of another person, one of another account and one that there
// is not are told by the same bytes, whatever is tried.
func TestForeignKeyIsAbsent(t *testing.T) {
	d := newDoor(t)
	d.hire()
	if err := d.store.Accounts().Create(t.Context(), store.Account{ID: "acct_2", Status: authz.Active, Created: d.now}); err != nil {
		t.Fatal(err)
	}
	elsewhere, _ := d.issueBy(authn.Operator("acct_2"))
	eves, _ := d.issueBy(d.person(eve))
	for _, tt := range []struct {
		name    string
		by      *authn.Principal
		foreign []string
	}{
		{"member", d.person(bob), []string{elsewhere.ID, eves.ID}},
		{"manager", d.person(ann), []string{elsewhere.ID}},
		{"operator", d.op, []string{elsewhere.ID}},
		{"other operator", authn.Operator("acct_2"), []string{eves.ID}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, method := range []string{"rotate", "update", "revoke", "get"} {
				missing := d.tryAll(tt.by, "key_missing")[method]
				if missing != store.ErrNotFound {
					t.Errorf("%s of a missing key: %v", method, missing)
				}
				for _, id := range tt.foreign {
					err := d.tryOne(method, tt.by, id)
					if err != missing || err.Error() != missing.Error() {
						t.Errorf("%s of a foreign key: %v, of a missing one: %v", method, err, missing)
					}
				}
			}
		})
	}
	if key := d.stored(eves.ID); key.Name != eves.Name {
		t.Errorf("a foreign key was changed: %+v", key)
	}
}

func (d *door) tryOne(method string, by *authn.Principal, id string) (err error) {
	d.t.Helper()
	switch method {
	case "rotate":
		_, _, err = d.keys.Rotate(d.t.Context(), by, id, 0, d.now)
	case "update":
		_, err = d.keys.Update(d.t.Context(), by, id, apikey.Change{Name: new("x")}, d.now)
	case "revoke":
		err = d.keys.Revoke(d.t.Context(), by, id, "", d.now)
	case "get":
		_, err = d.keys.Get(d.t.Context(), by, id)
	}
	return err
}

// case A6: whose a key is follows from who asks for it.
// case A9: an owner is a member of the account, an environment is one there is.
func TestOwnerIsNotChosen(t *testing.T) {
	d := newDoor(t)
	d.hire()
	if err := d.store.Users().Create(t.Context(), store.User{ID: "user_stranger", Email: "s", Status: authz.Active}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		by     *authn.Principal
		change func(*apikey.Spec)
		owner  string
		err    error
	}{
		{"themselves", d.person(bob), func(*apikey.Spec) {}, bob, nil},
		{"themselves, by name", d.person(bob), func(s *apikey.Spec) { s.Owner = bob }, bob, nil},
		{"another", d.person(bob), func(s *apikey.Spec) { s.Owner = eve }, "", authn.ErrForbidden},
		{"another, by a manager", d.person(ann), func(s *apikey.Spec) { s.Owner = bob }, "", authn.ErrForbidden},
		{"a service of somebody", d.person(ann), func(s *apikey.Spec) { s.Service, s.Owner = true, ann }, "", authn.ErrInvalid},
		{"the account", d.person(ann), func(s *apikey.Spec) { s.Service = true }, "", nil},
		{"the operator, nobody", d.op, func(*apikey.Spec) {}, "", nil},
		{"the operator, a member", d.op, func(s *apikey.Spec) { s.Owner = bob }, bob, nil},
		{"the operator, a stranger", d.op, func(s *apikey.Spec) { s.Owner = "user_stranger" }, "", authn.ErrInvalid},
		{"the operator, no user", d.op, func(s *apikey.Spec) { s.Owner = "user_none" }, "", authn.ErrInvalid},
		{"no environment there is", d.person(bob), func(s *apikey.Spec) { s.Environment = "prod" }, "", authn.ErrInvalid},
	} {
		spec := apikey.Spec{Name: "k", Environment: "live", Grant: d.small()}
		tt.change(&spec)
		key, _, err := d.keys.Issue(t.Context(), tt.by, spec, d.now)
		if !errors.Is(err, tt.err) || key.Owner != tt.owner {
			t.Errorf("%s: of %q, %v; want %q, %v", tt.name, key.Owner, err, tt.owner, tt.err)
		}
	}
	_, _, err := d.keys.Issue(t.Context(), d.person(bob), apikey.Spec{Name: "k", Environment: "live", Grant: d.small(), Service: true}, d.now)
	if denied, ok := errors.AsType[*authz.DeniedError](err); !ok || denied.Permission != "admin" || denied.Decision.Code != "missing_permission" {
		t.Errorf("a service key by who may not manage: %v", err)
	}
}

// A bulk revocation reaches what its caller may see, and no more.
func TestRevokeAll(t *testing.T) {
	for _, tt := range []struct {
		name   string
		by     string
		filter store.Filter
		want   string // whose keys are revoked
		err    error
	}{
		{"a member", bob, store.Filter{}, "bob", nil},
		{"a member, their own", bob, store.Filter{Owner: bob}, "bob", nil},
		{"a member, another", bob, store.Filter{Owner: eve}, "", authn.ErrForbidden},
		{"a member, what another made", bob, store.Filter{CreatedBy: eve}, "", nil},
		{"a manager", ann, store.Filter{}, "account bob eve", nil},
		{"a manager, one member's", ann, store.Filter{Owner: bob}, "bob", nil},
		{"a manager, by maker", ann, store.Filter{CreatedBy: ann}, "account", nil},
		{"the operator", "operator", store.Filter{}, "account bob eve", nil},
	} {
		d := newDoor(t)
		d.hire()
		tokens := map[string]string{}
		_, tokens["bob"] = d.issueBy(d.person(bob))
		_, tokens["eve"] = d.issueBy(d.person(eve))
		_, tokens["account"] = d.issueBy(d.person(ann), func(s *apikey.Spec) { s.Service = true })
		for _, token := range tokens { // all are remembered
			if _, err := d.ask(token); err != nil {
				t.Fatal(err)
			}
		}
		by := d.op
		if tt.by != "operator" {
			by = d.person(tt.by)
		}
		n, err := d.keys.RevokeAll(t.Context(), by, tt.filter, "leaked", d.now)
		var revoked []string
		for whose, token := range tokens {
			if _, err := d.ask(token); errors.Is(err, authn.ErrRevoked) {
				revoked = append(revoked, whose)
			}
		}
		slices.Sort(revoked)
		if got := strings.Join(revoked, " "); got != tt.want || n != len(revoked) || !errors.Is(err, tt.err) {
			t.Errorf("%s: %d revoked, those of %q, %v; want %q, %v", tt.name, n, got, err, tt.want, tt.err)
		}
	}
}

// Pages are full for every caller: their own keys are found among the account's.
func TestPages(t *testing.T) {
	d := newDoor(t)
	d.hire()
	var bobs, all []string
	for i := range 500 {
		key, _ := d.issueBy(d.op, func(s *apikey.Spec) {
			s.Name, s.Expires = fmt.Sprint("k", i), d.now.Add(time.Duration(i+1)*time.Minute)
			if i%7 == 0 {
				s.Owner = bob
			}
		})
		d.now = d.now.Add(time.Millisecond) // ids sort by it
		all = append(all, key.ID)
		if i%7 == 0 {
			bobs = append(bobs, key.ID)
		}
	}
	slices.Reverse(all)
	slices.Reverse(bobs)
	for _, tt := range []struct {
		name string
		by   *authn.Principal
		want []string
	}{{"member", d.person(bob), bobs}, {"manager", d.person(ann), all}, {"operator", d.op, all}, {"who has none", d.person(eve), nil}} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for after := ""; ; {
				page, err := d.keys.List(t.Context(), tt.by, after, 30)
				if err != nil {
					t.Fatal(err)
				}
				if left := len(tt.want) - len(got); len(page) != min(30, left) {
					t.Fatalf("a page of %d with %d left", len(page), left)
				}
				if len(page) == 0 {
					break
				}
				for _, key := range page {
					got = append(got, key.ID)
				}
				after = got[len(got)-1]
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.name, diff)
			}
			for _, limit := range []int{0, 1, 30, 1000} {
				soon, err := d.keys.Expiring(t.Context(), tt.by, d.now.Add(400*time.Minute), limit, d.now)
				if err != nil {
					t.Fatal(err)
				}
				var ids, want []string
				for _, key := range soon {
					ids = append(ids, key.ID)
				}
				for _, id := range slices.Backward(tt.want) { // the oldest end first
					if key := d.stored(id); len(want) < limit && !key.Expires.After(d.now.Add(400*time.Minute)) {
						want = append(want, id)
					}
				}
				if diff := cmp.Diff(want, ids); diff != "" {
					t.Errorf("%d expiring (-want +got):\n%s", limit, diff)
				}
			}
		})
	}
}

// While the account is suspended or read-only, managers of keys list and revoke them,
// as somebody must, and make or change none.
func TestManagingWhileSuspended(t *testing.T) {
	for _, status := range []authz.Status{authz.Suspended, authz.ReadOnly} {
		d := newDoor(t)
		d.hire()
		service, _ := d.issueBy(d.person(ann), func(s *apikey.Spec) { s.Service = true })
		bobs, _ := d.issueBy(d.person(bob))
		if err := d.setStatus(status); err != nil {
			t.Fatal(err)
		}
		by := d.person(ann)
		if list, err := d.keys.List(t.Context(), by, "", 10); err != nil || len(list) != 2 {
			t.Errorf("%v: %d of 2 listed, %v", status, len(list), err)
		}
		for _, method := range []string{"update", "rotate"} {
			denied, ok := errors.AsType[*authz.DeniedError](d.tryOne(method, by, service.ID))
			if !ok || denied.Decision.Dimension != "status" {
				t.Errorf("%v, %s: %v", status, method, denied)
			}
		}
		if _, _, err := d.keys.Issue(t.Context(), by, d.spec(), d.now); err == nil {
			t.Errorf("%v: a key is made", status)
		}
		for _, key := range []store.Key{service, bobs} {
			if err := d.keys.Revoke(t.Context(), by, key.ID, "", d.now); err != nil {
				t.Errorf("%v, revoke: %v", status, err)
			}
		}
	}
}

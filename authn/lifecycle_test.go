package authn_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// case K19: a bad expiry is an error, never "no expiry"; so is every other bad
// field.
func TestIssueRefuses(t *testing.T) {
	d := newDoor(t)
	for name, change := range map[string]func(*authn.KeySpec){
		"past expiry":         func(s *authn.KeySpec) { s.Expires = d.now.Add(-time.Second) },
		"expiry now":          func(s *authn.KeySpec) { s.Expires = d.now },
		"no name":             func(s *authn.KeySpec) { s.Name = "" },
		"blank name":          func(s *authn.KeySpec) { s.Name = " " },
		"control character":   func(s *authn.KeySpec) { s.Name = "a\nb" },
		"not UTF-8":           func(s *authn.KeySpec) { s.Name = "a\xff" },
		"long name":           func(s *authn.KeySpec) { s.Name = strings.Repeat("é", 101) },
		"unknown environment": func(s *authn.KeySpec) { s.Environment = "prod" },
		"zero grant":          func(s *authn.KeySpec) { s.Grant = authz.Grant{} },
		"unknown permission":  func(s *authn.KeySpec) { s.Grant.Permissions = authz.Of("fly") },
		"zero prefix":         func(s *authn.KeySpec) { s.Addresses = []netip.Prefix{{}} },
		"host bits":           func(s *authn.KeySpec) { s.Addresses = []netip.Prefix{netip.MustParsePrefix("10.0.0.1/8")} },
	} {
		spec := d.spec()
		change(&spec)
		if _, _, err := d.keys.Issue(t.Context(), d.op, spec, d.now); !errors.Is(err, authn.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
	if list, err := d.store.KeyAdmin().List(t.Context(), account, "", 10); err != nil || len(list) != 0 {
		t.Errorf("keys were made all the same: %v, %v", list, err)
	}
}

// case A1: no principal; case A3: keys make, rotate and revoke no keys.
func TestKeysDoNotManageKeys(t *testing.T) {
	d := newDoor(t)
	key, token := d.issue()
	p, err := d.ask(token)
	if err != nil {
		t.Fatal(err)
	}
	for name, by := range map[string]*authn.Principal{"nil": nil, "zero": {}, "key": p, "operator of no account": authn.Operator("")} {
		_, _, issue := d.keys.Issue(t.Context(), by, d.spec(), d.now)
		_, _, rotate := d.keys.Rotate(t.Context(), by, key.ID, 0, d.now)
		revoke := d.keys.Revoke(t.Context(), by, key.ID, "", d.now)
		for _, err := range []error{issue, rotate, revoke} {
			if !errors.Is(err, authn.ErrForbidden) {
				t.Errorf("%s: %v, want ErrForbidden", name, err)
			}
		}
	}
	if _, err := d.ask(token); err != nil {
		t.Errorf("the key suffered: %v", err)
	}
}

// case K16: the successor is the same key, and the old one ends by its grace
// or its own expiry, whichever is first.
func TestRotate(t *testing.T) {
	d := newDoor(t)
	expires := d.now.Add(time.Hour)
	key, token := d.issue(func(s *authn.KeySpec) {
		s.Expires = expires
		s.Addresses = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	})
	next, successor, err := d.keys.Rotate(t.Context(), d.op, key.ID, 24*time.Hour, d.now)
	if err != nil {
		t.Fatal(err)
	}
	differ := cmpopts.IgnoreFields(store.Key{}, "ID", "Digest", "Hint", "Replaces")
	if diff := cmp.Diff(key, next, differ, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
		cmp.Comparer(func(a, b authz.Grant) bool { return a.Within(b) && b.Within(a) })); diff != "" {
		t.Errorf("the successor differs (-old +new):\n%s", diff)
	}
	for _, tok := range []string{token, successor.Reveal()} {
		if _, err := d.ask(tok); err != nil {
			t.Errorf("in the grace: %v", err)
		}
	}
	if _, _, err := d.keys.Rotate(t.Context(), d.op, key.ID, 0, d.now); !errors.Is(err, store.ErrConflict) {
		t.Errorf("rotated twice: %v, want ErrConflict", err)
	}
	d.now = expires
	for _, tok := range []string{token, successor.Reveal()} {
		if _, err := d.ask(tok); !errors.Is(err, authn.ErrExpired) {
			t.Errorf("past the old expiry: %v, want ErrExpired", err)
		}
	}
	if _, _, err := d.keys.Rotate(t.Context(), d.op, next.ID, 0, d.now); !errors.Is(err, store.ErrInactive) {
		t.Errorf("an expired key was rotated: %v", err)
	}
}

func TestRotateNow(t *testing.T) {
	d := newDoor(t)
	key, token := d.issue()
	if _, err := d.ask(token); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.keys.Rotate(t.Context(), d.op, key.ID, 0, d.now); err != nil {
		t.Fatal(err)
	}
	if _, err := d.ask(token); !errors.Is(err, authn.ErrExpired) {
		t.Errorf("grace 0: the old key gives %v, want ErrExpired", err)
	}
	for _, grace := range []time.Duration{-1, 7*24*time.Hour + 1} {
		if _, _, err := d.keys.Rotate(t.Context(), d.op, key.ID, grace, d.now); !errors.Is(err, authn.ErrInvalid) {
			t.Errorf("grace %v: %v, want ErrInvalid", grace, err)
		}
	}
}

func TestForeignKeyIsAbsent(t *testing.T) {
	d := newDoor(t)
	key, _ := d.issue()
	other := authn.Operator("acct_2")
	if err := d.keys.Revoke(t.Context(), other, key.ID, "", d.now); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("revoke: %v, want ErrNotFound", err)
	}
	if _, _, err := d.keys.Rotate(t.Context(), other, key.ID, 0, d.now); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("rotate: %v, want ErrNotFound", err)
	}
}

// Times and environments that would go unnoticed are errors.
func TestRotateRefuses(t *testing.T) {
	d := newDoor(t)
	key, _ := d.issue()
	if _, _, err := d.keys.Rotate(t.Context(), d.op, key.ID, 0, time.Time{}); !errors.Is(err, authn.ErrInvalid) {
		t.Errorf("at the zero time: %v", err)
	}
	live := formats(t)["live"]
	only, err := authn.NewKeys(authn.KeysConfig{Store: d.spy, Admin: d.store.KeyAdmin(), Model: d.model,
		Formats: map[string]keyfmt.Format{"other": live}, Peppers: peppers(t)})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := only.Rotate(t.Context(), d.op, key.ID, 0, d.now); !errors.Is(err, authn.ErrInvalid) {
		t.Errorf("an environment that is gone: %v", err)
	}
}

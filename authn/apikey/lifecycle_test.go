package apikey_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/internal/overlay"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// case K19: a bad expiry is an error, never "no expiry"; so is every other bad
// field.
func TestIssueRefuses(t *testing.T) {
	d := newDoor(t)
	for _, tt := range []struct {
		name   string
		change func(*apikey.Spec)
	}{
		{"past expiry", func(s *apikey.Spec) { s.Expires = d.now.Add(-time.Second) }},
		{"expiry now", func(s *apikey.Spec) { s.Expires = d.now }},
		{"no name", func(s *apikey.Spec) { s.Name = "" }},
		{"blank name", func(s *apikey.Spec) { s.Name = " " }},
		{"control character", func(s *apikey.Spec) { s.Name = "a\nb" }},
		{"not UTF-8", func(s *apikey.Spec) { s.Name = "a\xff" }},
		{"long name", func(s *apikey.Spec) { s.Name = strings.Repeat("é", 101) }},
		{"unknown environment", func(s *apikey.Spec) { s.Environment = "prod" }},
		{"zero grant", func(s *apikey.Spec) { s.Grant = authz.Grant{} }},
		{"unknown permission", func(s *apikey.Spec) { s.Grant.Permissions = authz.Of("fly") }},
		{"zero prefix", func(s *apikey.Spec) { s.Addresses = []netip.Prefix{{}} }},
		{"host bits", func(s *apikey.Spec) { s.Addresses = []netip.Prefix{netip.MustParsePrefix("10.0.0.1/8")} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spec := d.spec()
			tt.change(&spec)
			if _, _, err := d.keys.Issue(t.Context(), d.op, spec, d.now); !errors.Is(err, authn.ErrInvalid) {
				t.Errorf("%v, want ErrInvalid", err)
			}
		})
	}
	if list, err := d.store.KeyAdmin().List(t.Context(), account, "", 10); err != nil || len(list) != 0 {
		t.Errorf("keys were made all the same: %v, %v", list, err)
	}
}

// case A1: no principal.
// case A3: keys do not list, make or change keys.
func TestKeysDoNotManageKeys(t *testing.T) {
	d := newDoor(t)
	key, token := d.issue()
	p, err := d.ask(token)
	if err != nil {
		t.Fatal(err)
	}
	owned := *p // of a user who manages keys themselves
	owned.User = ann
	for _, tt := range []struct {
		name string
		by   *authn.Principal
	}{
		{"nil", nil}, {"zero", &authn.Principal{}}, {"key", p}, {"a manager's key", &owned}, {"operator of no account", authn.Operator("")},
		{"session of nobody", &authn.Principal{Kind: authn.KindSession, Account: account, Rights: p.Rights}},
		{"session of no account", &authn.Principal{Kind: authn.KindSession, User: ann, Rights: p.Rights}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for method, err := range d.tryAll(tt.by, key.ID) {
				if !errors.Is(err, authn.ErrForbidden) {
					t.Errorf("%s: %v, want ErrForbidden", method, err)
				}
			}
		})
	}
	if _, err := d.ask(token); err != nil {
		t.Errorf("the key suffered: %v", err)
	}
}

// case K16: the successor is the same key and no more.
func TestRotate(t *testing.T) {
	d := newDoor(t)
	key, _ := d.issue(func(s *apikey.Spec) {
		s.Expires = d.now.Add(time.Hour)
		s.Addresses = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	})
	next, _, err := d.keys.Rotate(t.Context(), d.op, key.ID, 24*time.Hour, d.now)
	if err != nil {
		t.Fatal(err)
	}
	differ := cmpopts.IgnoreFields(store.Key{}, "ID", "Digest", "Hint", "Replaces", "Grace")
	if diff := cmp.Diff(key, next, differ, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("the successor differs (-old +new):\n%s", diff)
	}
	again := func(want error) {
		t.Helper()
		_, _, err := d.keys.Rotate(t.Context(), d.op, key.ID, 0, d.now)
		rotated, ok := errors.AsType[*apikey.RotatedError](err)
		if !errors.Is(err, want) || !ok || rotated.Successor != next.ID || !strings.Contains(err.Error(), next.ID) {
			t.Errorf("rotated twice: got %v, want %v that names %s", err, want, next.ID)
		}
	}
	for range 450 { // more than one page of newer keys
		d.issue()
	}
	again(store.ErrConflict)
	d.now = d.now.Add(time.Hour)
	again(store.ErrInactive) // it has expired meanwhile
	if _, _, err := d.keys.Rotate(t.Context(), d.op, next.ID, 0, d.now); !errors.Is(err, store.ErrInactive) {
		t.Errorf("an expired key was rotated: %v", err)
	}
}

// case K16: the grace of the old key starts when the new one is first used,
// even if the process dies right after, and ends by the hard deadline and by
// the old expiry.
func TestGrace(t *testing.T) {
	const week = 7 * 24 * time.Hour
	for _, tt := range []struct {
		name    string
		expires time.Duration // of the key; 0: never
		used    time.Duration // when the new one is; 0: never
		ends    time.Duration // when the old one does
	}{
		{"from the first use", 0, 48 * time.Hour, 72 * time.Hour},
		{"never used", 0, 0, week},
		{"used late", 0, week - time.Hour, week},
		{"old expiry", 50 * time.Hour, 48 * time.Hour, 50 * time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDoor(t)
			born := d.now
			key, old := d.issue(func(s *apikey.Spec) {
				if tt.expires > 0 {
					s.Expires = born.Add(tt.expires)
				}
			})
			_, token, err := d.keys.Rotate(t.Context(), d.op, key.ID, 24*time.Hour, d.now)
			if err != nil {
				t.Fatal(err)
			}
			if tt.used > 0 {
				d.now = born.Add(tt.used)
				if _, err := d.ask(token.Reveal()); err != nil {
					t.Fatalf("the new key: %v", err)
				}
				d.now = d.now.Add(time.Minute) // later uses move nothing
				if _, err := d.ask(token.Reveal()); err != nil {
					t.Fatal(err)
				}
			}
			// Another process, which has only the store.
			after := newDoor(t, func(k *apikey.Config, _ *authn.Config) { k.Store = d.store })
			for _, door := range []*door{d, after} {
				door.now = born.Add(tt.ends - 1)
				if _, err := door.ask(old); err != nil {
					t.Errorf("the old key, at its last instant: %v", err)
				}
				door.now = born.Add(tt.ends)
				if _, err := door.ask(old); !errors.Is(err, authn.ErrExpired) {
					t.Errorf("the old key, at its end: %v, want ErrExpired", err)
				}
			}
		})
	}
}

// A store that cannot write lets keys in all the same, and what a use brings
// about is written at the next one.
func TestGraceWhileReadOnly(t *testing.T) {
	d := newDoor(t)
	key, _ := d.issue()
	next, token, err := d.keys.Rotate(t.Context(), d.op, key.ID, time.Hour, d.now)
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("disk full")
	d.spy.readOnly.Store(&full)
	if _, err := d.ask(token.Reveal()); err != nil {
		t.Errorf("read-only: %v", err)
	}
	d.spy.readOnly.Store(nil)
	if _, err := d.ask(token.Reveal()); err != nil {
		t.Error(err)
	}
	old, err := d.store.KeyAdmin().Get(t.Context(), account, key.ID)
	if err != nil || !old.Expires.Equal(d.now.Add(time.Hour)) {
		t.Errorf("the old key of %s ends %v, %v", next.ID, old.Expires, err)
	}
}

// case K6: after a change of pepper old keys verify, are rehashed by their use,
// and a count says how many remain.
func TestRehash(t *testing.T) {
	d := newDoor(t)
	_, first := d.issue()
	d.issue()
	later := newDoor(t, func(k *apikey.Config, _ *authn.Config) {
		k.Store, k.Peppers = d.store, peppers(t, "p2")
	})
	remain := func() int {
		n, err := d.store.KeyAdmin().Outdated(t.Context(), "p2", d.now)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := remain(); n != 2 {
		t.Errorf("%d remain at first, want 2", n)
	}
	for range 2 {
		if _, err := later.ask(first); err != nil {
			t.Fatal(err)
		}
	}
	if n := remain(); n != 1 {
		t.Errorf("%d remain after one was used, want 1", n)
	}
	only := newDoor(t, func(k *apikey.Config, _ *authn.Config) { // the old pepper is gone
		k.Store = d.store
		var err error
		if k.Peppers, err = keyfmt.NewKeyring(pepper("p2")); err != nil {
			t.Fatal(err)
		}
	})
	if _, err := only.ask(first); err != nil {
		t.Errorf("the rehashed key without the old pepper: %v", err)
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

// Times and environments that would go unnoticed are errors.
func TestRotateRefuses(t *testing.T) {
	d := newDoor(t)
	key, _ := d.issue()
	if _, _, err := d.keys.Rotate(t.Context(), d.op, key.ID, 0, time.Time{}); !errors.Is(err, authn.ErrInvalid) {
		t.Errorf("at the zero time: %v", err)
	}
	live := formats(t)["live"]
	only, err := apikey.New(apikey.Config{Store: overlay.Keys(d.store, d.spy), Model: d.model,
		Formats: map[string]keyfmt.Format{"other": live}, Peppers: peppers(t)})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := only.Rotate(t.Context(), d.op, key.ID, 0, d.now); !errors.Is(err, authn.ErrInvalid) {
		t.Errorf("an environment that is gone: %v", err)
	}
}

// A chain of rotations leaves no key behind whose grace nobody will start.
func TestGraceOfAChain(t *testing.T) {
	d := newDoor(t)
	a, first := d.issue()
	b, _, err := d.keys.Rotate(t.Context(), d.op, a.ID, time.Hour, d.now)
	if err != nil {
		t.Fatal(err)
	}
	_, token, err := d.keys.Rotate(t.Context(), d.op, b.ID, 0, d.now) // before b was ever used
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.ask(token.Reveal()); err != nil {
		t.Fatal(err)
	}
	d.now = d.now.Add(time.Hour)
	if _, err := d.ask(first); !errors.Is(err, authn.ErrExpired) {
		t.Errorf("the first key, an hour later: %v, want ErrExpired", err)
	}
}

// A request that is refused for its address is no use of the key.
func TestRefusedUseStartsNoGrace(t *testing.T) {
	d := newDoor(t)
	key, _ := d.issue(func(s *apikey.Spec) { s.Addresses = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} })
	_, token, err := d.keys.Rotate(t.Context(), d.op, key.ID, time.Minute, d.now)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := request("Bearer " + token.Reveal())
	elsewhere.RemoteAddr = "192.0.2.1:1"
	if rec, passed := d.knock(elsewhere); passed || rec.Code != 403 {
		t.Fatalf("from elsewhere: %d", rec.Code)
	}
	old, err := d.store.KeyAdmin().Get(t.Context(), account, key.ID)
	if err != nil || !old.Expires.After(d.now.Add(time.Minute)) {
		t.Errorf("the grace has begun: the old key ends %v, %v", old.Expires, err)
	}
	r := request("Bearer " + token.Reveal())
	r.RemoteAddr = "10.0.0.1:1"
	if rec, passed := d.knock(r); !passed {
		t.Fatalf("from its own network: %d", rec.Code)
	}
	if old, err = d.store.KeyAdmin().Get(t.Context(), account, key.ID); err != nil || !old.Expires.Equal(d.now.Add(time.Minute)) {
		t.Errorf("the grace has not begun: the old key ends %v, %v", old.Expires, err)
	}
}

// While the store cannot rehash, keys are let in and remembered.
func TestRehashHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t)
		_, token := d.issue()
		slow := &hungRehash{Keys: d.store.Keys()}
		later := newDoor(t, func(k *apikey.Config, _ *authn.Config) {
			k.Store, k.Peppers = overlay.Keys(d.store, slow), peppers(t, "p2")
		})
		later.now = d.now
		for range 3 {
			if _, err := later.ask(token); err != nil {
				t.Error(err)
			}
		}
		if slow.tried != 1 {
			t.Errorf("tried %d times for three requests", slow.tried)
		}
	})
}

type hungRehash struct {
	store.Keys
	tried int
}

func (h *hungRehash) Rehash(ctx context.Context, _ string, _, _ keyfmt.Digest) error {
	h.tried++
	<-ctx.Done()
	return ctx.Err()
}

// case T15: a text that no store can hold is the caller's mistake.
func TestTextThatCannotBeStored(t *testing.T) {
	d := newDoor(t)
	key, _ := d.issue()
	for _, tt := range []struct{ name, text string }{{"NUL", "a\x00b"}, {"not UTF-8", "\xff"}, {"1 MB", strings.Repeat("x", 1<<20)}} {
		t.Run(tt.name, func(t *testing.T) {
			if err := d.keys.Revoke(t.Context(), d.op, key.ID, tt.text, d.now); !errors.Is(err, authn.ErrInvalid) {
				t.Errorf("Revoke: %v, want authn.ErrInvalid", err)
			}
			if _, err := d.keys.RevokeAll(t.Context(), d.op, store.Filter{}, tt.text, d.now); !errors.Is(err, authn.ErrInvalid) {
				t.Errorf("RevokeAll: %v, want authn.ErrInvalid", err)
			}
			if _, err := d.keys.List(t.Context(), d.op, tt.text, 10); !errors.Is(err, authn.ErrInvalid) {
				t.Errorf("List: %v, want authn.ErrInvalid", err)
			}
			if err := d.keys.Revoke(t.Context(), d.op, tt.text, "", d.now); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("Revoke of such an id: %v, want store.ErrNotFound", err)
			}
			for _, f := range []store.Filter{{Owner: tt.text}, {CreatedBy: tt.text}} {
				if n, err := d.keys.RevokeAll(t.Context(), d.op, f, "", d.now); n != 0 || err != nil {
					t.Errorf("RevokeAll of %.20q: %d, %v; want 0", f, n, err)
				}
			}
		})
	}
	if d.stored(key.ID).Revoked != (time.Time{}) {
		t.Error("the key is revoked")
	}
}

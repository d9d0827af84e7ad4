package apikey_test

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/internal/overlay"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

func TestPrincipal(t *testing.T) {
	d := newDoor(t)
	key, token := d.issue()
	p, err := d.ask(token)
	if err != nil {
		t.Fatal(err)
	}
	if p.Kind != authn.KindKey || p.ID != key.ID || p.Account != account || p.Environment != "live" || p.Subject != account+"/live" {
		t.Errorf("principal %+v does not match key %+v", p, key)
	}
	p.Account = "acct_2" // case K13
	if again, err := d.ask(token); err != nil || again.Account != account {
		t.Errorf("a change that one caller made to the principal reached the next: %v, %v", again, err)
	}
	if n := d.spy.finds.Load(); n != 1 {
		t.Errorf("%d store look-ups for two requests, want 1", n)
	}
}

func TestKeyPlanIsASubjectThroughRotations(t *testing.T) {
	d := newDoor(t)
	key, token := d.issue(func(s *apikey.Spec) { s.Plan = "bulk" })
	next, successor, err := d.keys.Rotate(t.Context(), d.op, key.ID, time.Hour, d.now)
	if err != nil {
		t.Fatal(err)
	}
	a, err := d.ask(token)
	if err != nil {
		t.Fatal(err)
	}
	b, err := d.ask(successor.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	if a.Subject != b.Subject || a.Subject == account+"/live" || b.KeyPlan != "bulk" || next.Family != key.ID {
		t.Errorf("subjects %q and %q, plan %q, family %q", a.Subject, b.Subject, b.KeyPlan, next.Family)
	}
}

// case K3: any changed character, and test for live, fails without the store.
func TestChecksumIsOffline(t *testing.T) {
	d := newDoor(t)
	_, token := d.issue()
	tokens := []string{strings.Replace(token, "live", "test", 1), token[:len(token)-1], token + "A"}
	for i := len("mt_live_"); i < len(token); i++ {
		b := []byte(token)
		if b[i]++; b[i] == token[i] || b[i] == '{' || b[i] == '[' || b[i] == ':' {
			b[i] = '0'
		}
		tokens = append(tokens, string(b))
	}
	for _, bad := range tokens {
		if _, err := d.ask(bad); !errors.Is(err, authn.ErrRejected) {
			t.Errorf("%q: %v, want ErrRejected", bad, err)
		}
	}
	if n := d.spy.finds.Load(); n != 0 {
		t.Errorf("%d store look-ups, want none", n)
	}
}

// case K5: a row planted without the pepper does not authenticate, nor does a
// digest sent as a token.
func TestDatabaseOpensNothing(t *testing.T) {
	d := newDoor(t)
	token := formats(t)["live"].Generate()
	for i, digest := range []keyfmt.Digest{
		keyfmt.InsecureUnpeppered().Digest(token),
		{Pepper: "p1", Sum: keyfmt.InsecureUnpeppered().Digest(token).Sum},
	} {
		planted := store.Key{ID: "key_planted" + string(rune('a'+i)), Account: account, Environment: "live", Digest: digest,
			Grant: d.model.Everything(), Created: d.now}
		if err := d.store.KeyAdmin().Create(t.Context(), planted, 0, d.now); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.ask(token.Reveal()); !errors.Is(err, authn.ErrRejected) {
		t.Errorf("planted row: %v, want ErrRejected", err)
	}
	key, _ := d.issue()
	stored, err := d.store.KeyAdmin().Get(t.Context(), account, key.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(stored.Digest.Sum[:29]), hex.EncodeToString(stored.Digest.Sum[:])[:29]} {
		if _, err := d.ask("mt_live_" + text); !errors.Is(err, authn.ErrRejected) {
			t.Errorf("digest as token: %v, want ErrRejected", err)
		}
	}
}

// case K7: an unknown key and a wrong one cost the same work, one look-up by
// digest for every pepper and one more, and nothing can be aimed at a known id.
func TestUnknownAndWrongCostTheSame(t *testing.T) {
	d := newDoor(t, func(k *apikey.Config, _ *authn.Config) { k.Peppers = peppers(t, "p2") })
	key, _ := d.issue()
	for _, tt := range []struct{ name, token string }{
		{"unknown", formats(t)["live"].Generate().Reveal()},
		{"other", formats(t)["test"].Generate().Reveal()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := d.spy.finds.Load()
			if _, err := d.ask(tt.token); err != authn.ErrRejected {
				t.Error(err)
			}
			if n := d.spy.finds.Load() - before; n != 3 {
				t.Errorf("%d look-ups, want one per pepper and the newest again", n)
			}
		})
	}
	before := d.spy.finds.Load()
	if _, err := d.ask(key.ID); !errors.Is(err, authn.ErrNotMine) || d.spy.finds.Load() != before {
		t.Errorf("a key's id as a token: %v", err)
	}
}

func TestOldPeppersStillVerify(t *testing.T) {
	d := newDoor(t)
	_, token := d.issue()
	later := newDoor(t, func(k *apikey.Config, _ *authn.Config) {
		k.Store, k.Peppers = overlay.Keys(d.store, d.spy), peppers(t, "p2")
	})
	if _, err := later.ask(token); err != nil {
		t.Errorf("a key digested under an older pepper: %v", err)
	}
}

// case K8: revoking under concurrent load never comes back.
func TestRevokedUnderLoadStaysRevoked(t *testing.T) {
	d := newDoor(t)
	key, token := d.issue()
	stop := make(chan struct{})
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					d.ask(token)
				}
			}
		})
	}
	if err := d.keys.Revoke(t.Context(), d.op, key.ID, "", d.now); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if p, err := d.ask(token); !errors.Is(err, authn.ErrRevoked) {
			t.Fatalf("after the revocation returned: %v, %v", p, err)
		}
	}
	close(stop)
	load.Wait()
}

// case K10: a fill that read the record before the revocation does not put
// the key back, neither for itself later nor for those who wait for it.
func TestFillInFlightAcrossRevocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t)
		key, token := d.issue()
		goOn := make(chan struct{})
		var once sync.Once
		hold := func() { once.Do(func() { <-goOn }) }
		d.spy.read.Store(&hold)
		var both sync.WaitGroup
		both.Go(func() {
			if _, err := d.ask(token); err != nil {
				t.Errorf("the request that began before the revocation: %v", err)
			}
		})
		synctest.Wait() // it has read, and holds what it read
		if err := d.keys.Revoke(t.Context(), d.op, key.ID, "", d.now); err != nil {
			t.Fatal(err)
		}
		both.Go(func() { // joins the flight that began before
			if _, err := d.ask(token); !errors.Is(err, authn.ErrRevoked) {
				t.Errorf("a request that began after the revocation: %v, want ErrRevoked", err)
			}
		})
		synctest.Wait()
		close(goOn)
		both.Wait()
		if _, err := d.ask(token); !errors.Is(err, authn.ErrRevoked) {
			t.Errorf("a later request: %v, want ErrRevoked", err)
		}
	})
}

// A key answers only for the environment and the account of its record, and by
// the membership of its own user.
func TestRecordMustAgree(t *testing.T) {
	d := newDoor(t)
	for _, tt := range []struct {
		name   string
		change func(*store.Key, *store.Owner)
		want   error
	}{
		{"environment", func(k *store.Key, _ *store.Owner) { k.Environment = "test" }, authn.ErrRejected},
		{"account", func(_ *store.Key, o *store.Owner) { o.Account.ID = "acct_2" }, authn.ErrUnavailable},
		{"no id", func(k *store.Key, _ *store.Owner) { k.ID = "" }, authn.ErrUnavailable},
		{"another's membership", func(_ *store.Key, o *store.Owner) {
			o.Membership = store.Membership{User: bob, Account: account, Role: "admin"}
		}, authn.ErrUnavailable},
		{"a membership elsewhere", func(k *store.Key, o *store.Owner) {
			k.Owner, o.User, o.Membership = bob, authz.Active, store.Membership{User: bob, Account: "acct_2", Role: "admin"}
		}, authn.ErrUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, token := d.issue()
			keys, err := apikey.New(apikey.Config{Store: overlay.Keys(d.store, altered{d.spy, tt.change}), Model: d.model, Formats: formats(t), Peppers: peppers(t)})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := keys.Authenticate(t.Context(), authn.NewCredential("bearer", token), d.now); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

type altered struct {
	store.Keys
	change func(*store.Key, *store.Owner)
}

func (a altered) Find(ctx context.Context, d keyfmt.Digest) (store.Key, store.Owner, error) {
	k, owner, err := a.Keys.Find(ctx, d)
	a.change(&k, &owner)
	return k, owner, err
}

// case K12: the change is committed before anything is forgotten, and what is
// asked then reads the store that has it.
func TestCommitBeforeInvalidate(t *testing.T) {
	d := newDoor(t)
	key, token := d.issue()
	if _, err := d.ask(token); err != nil {
		t.Fatal(err)
	}
	var during error
	admin := hookedAdmin{KeyAdmin: d.store.KeyAdmin(), before: func() { _, during = d.ask(token) }}
	keys, err := apikey.New(apikey.Config{Store: overlay.KeyAdmin(overlay.Keys(d.store, d.spy), admin), Model: d.model, Formats: formats(t), Peppers: peppers(t)})
	if err != nil {
		t.Fatal(err)
	}
	d.keys = keys
	if err := keys.Revoke(t.Context(), d.op, key.ID, "", d.now); err != nil {
		t.Fatal(err)
	}
	if during != nil {
		t.Errorf("before the commit: %v", during)
	}
	if _, err := d.ask(token); !errors.Is(err, authn.ErrRevoked) {
		t.Errorf("after the commit: %v, want ErrRevoked", err)
	}
}

type hookedAdmin struct {
	store.KeyAdmin
	before func()
}

func (h hookedAdmin) Revoke(ctx context.Context, account, id, reason string, now time.Time) error {
	h.before()
	return h.KeyAdmin.Revoke(ctx, account, id, reason, now)
}

// case K14: a refusal is remembered for a second at most, is forgotten with
// any change, and an outage is not a refusal.
func TestNegatives(t *testing.T) {
	d := newDoor(t)
	token := formats(t)["live"].Generate()
	ask := func(want error, finds int64) {
		t.Helper()
		before := d.spy.finds.Load()
		if _, err := d.ask(token.Reveal()); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
		if n := d.spy.finds.Load() - before; n != finds {
			t.Errorf("%d look-ups, want %d", n, finds)
		}
	}
	down := errors.New("connection refused")
	d.spy.fail.Store(&down)
	ask(authn.ErrUnavailable, 1)
	d.spy.fail.Store(nil)
	ask(authn.ErrRejected, 1)
	ask(authn.ErrRejected, 0)
	d.now = d.now.Add(time.Second)
	ask(authn.ErrRejected, 1)
	d.issue() // any change
	ask(authn.ErrRejected, 1)
}

// case K14: made-up tokens do not push out real ones.
func TestNegativesAreBounded(t *testing.T) {
	d := newDoor(t, func(k *apikey.Config, _ *authn.Config) { k.CacheSize = 64 })
	_, token := d.issue()
	if _, err := d.ask(token); err != nil {
		t.Fatal(err)
	}
	for range 5000 {
		d.ask(formats(t)["live"].Generate().Reveal())
	}
	before := d.spy.finds.Load()
	if _, err := d.ask(token); err != nil || d.spy.finds.Load() != before {
		t.Errorf("the real key was pushed out: %v", err)
	}
}

// case K15: expiry is checked on every hit.
func TestExpiryOnEveryHit(t *testing.T) {
	d := newDoor(t)
	_, token := d.issue(func(s *apikey.Spec) { s.Expires = d.now.Add(2 * time.Second) })
	for range 2 {
		if _, err := d.ask(token); err != nil {
			t.Fatal(err)
		}
	}
	d.now = d.now.Add(2*time.Second - 1)
	if _, err := d.ask(token); err != nil {
		t.Errorf("one nanosecond early: %v", err)
	}
	d.now = d.now.Add(1)
	if _, err := d.ask(token); !errors.Is(err, authn.ErrExpired) {
		t.Errorf("at the instant of expiry: %v, want ErrExpired", err)
	}
}

// Requests that bring the same unknown token at once make one look-up.
func TestOneLookupForManyRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t)
		_, token := d.issue()
		goOn := make(chan struct{})
		hold := func() { <-goOn }
		d.spy.read.Store(&hold)
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if _, err := d.ask(token); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		close(goOn)
		all.Wait()
		if n := d.spy.finds.Load(); n != 1 {
			t.Errorf("%d look-ups for 50 requests at once, want 1", n)
		}
	})
}

// A store that panics does not leave others waiting for ever.
func TestLookupSurvivesAPanic(t *testing.T) {
	d := newDoor(t)
	_, token := d.issue()
	boom := func() { panic("boom") }
	d.spy.read.Store(&boom)
	func() {
		defer func() { recover() }()
		d.ask(token)
		t.Error("the panic was swallowed")
	}()
	d.spy.read.Store(nil)
	if _, err := d.ask(token); err != nil {
		t.Errorf("after the panic: %v", err)
	}
}

func TestNewKeysReportsEveryMistake(t *testing.T) {
	d := newDoor(t)
	for _, tt := range []struct {
		name   string
		config apikey.Config
		want   []string
	}{
		{"nothing", apikey.Config{Quota: -1}, []string{"Store", "Model", "Peppers", "Formats", "Quota"}},
		{"much", apikey.Config{
			Store: d.store, Model: d.model, Formats: formats(t), Peppers: peppers(t), Manage: "fly",
			Policies:  map[string]apikey.Policy{"prod": {}, "live": {MaxLifetime: -1}},
			Verifiers: map[string]apikey.Verifier{"Django": apikey.Bcrypt("."), "nobody": nil},
		}, []string{"Manage: fly", "Policies[prod]", "Policies[live]", "Verifiers: the name Django", "Verifiers[nobody]"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := apikey.New(tt.config)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not mention %s", err, want)
				}
			}
		})
	}
}

package apikey_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/internal/overlay"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

const (
	shaToken    = "acme_0123456789abcdef0123456789abcdef"
	bcryptToken = "Zx81QLw0.0123456789ABCDEFGHIJabcdefghij"
	bcryptHash  = "$2b$04$UC2t3jNoSsbrnJ3ybVYMSuYsP15KFFsTW6ADiHzQbAtukFzxs1Eo6" // of bcryptToken, by libxcrypt
)

func shaKey() apikey.Foreign {
	sum := sha256.Sum256([]byte(shaToken))
	return apikey.Foreign{Verifier: "acme", Hash: strings.ToUpper(hex.EncodeToString(sum[:])), Clear: "acme_0123"}
}

func bcryptKey() apikey.Foreign {
	return apikey.Foreign{Verifier: "django", Hash: bcryptHash, Clear: "Zx81QLw0"}
}

func imports(k *apikey.Config, _ *authn.Config) {
	k.Verifiers = map[string]apikey.Verifier{"acme": apikey.SHA256Hex("acme_"), "django": apikey.Bcrypt(".")}
}

// counted counts how often a Verifier does its slow work, and can hold it up.
type counted struct {
	apikey.Verifier
	verified atomic.Int64
	hold     chan struct{}
}

func (c *counted) Verify(token, proof string) bool {
	c.verified.Add(1)
	if c.hold != nil {
		<-c.hold
	}
	return c.Verifier.Verify(token, proof)
}

// bring imports a key and returns its record.
func (d *door) bring(f apikey.Foreign, change ...func(*apikey.Spec)) store.Key {
	d.t.Helper()
	spec := d.spec()
	for _, c := range change {
		c(&spec)
	}
	key, err := d.keys.Import(d.t.Context(), d.op, spec, f, d.now)
	if err != nil {
		d.t.Fatal(err)
	}
	return key
}

// case K6: an imported key works as it is, is rehashed by its first use, and a
// count says how many remain. Then it needs its verifier no more.
func TestImport(t *testing.T) {
	for _, tt := range []struct {
		name, token string
		foreign     apikey.Foreign
		slow        int64 // verifications at its first use
	}{
		{"SHA-256", shaToken, shaKey(), 0},
		{"bcrypt", bcryptToken, bcryptKey(), 1},
	} {
		slow := &counted{Verifier: apikey.Bcrypt(".")}
		d := newDoor(t, func(k *apikey.Config, c *authn.Config) {
			imports(k, c)
			k.Verifiers["django"] = slow
		})
		d.hire()
		key := d.bring(tt.foreign, func(s *apikey.Spec) { s.Owner, s.Grant = bob, d.small() })
		remain := func() int {
			n, err := d.store.KeyAdmin().Outdated(t.Context(), "p1", d.now)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		if key.Hint != tt.foreign.Clear+"…" || key.CreatedBy != "operator" || remain() != 1 {
			t.Errorf("%s: %+v, %d remain", tt.name, key, remain())
		}
		for range 2 {
			p, err := d.ask(tt.token)
			if err != nil || p.ID != key.ID || p.User != bob || p.Environment != "live" || !d.opens(tt.token, "read", "p1") || d.opens(tt.token, "write", "p1") {
				t.Errorf("%s: %+v, %v", tt.name, p, err)
			}
		}
		if recall(d.keys, authn.NewCredential("bearer", tt.token), d.now) == nil {
			t.Errorf("%s: not remembered", tt.name)
		}
		if remain() != 0 || slow.verified.Load() != tt.slow {
			t.Errorf("%s: %d remain, verified %d times", tt.name, remain(), slow.verified.Load())
		}
		d.now = d.now.Add(time.Hour) // no longer remembered
		if _, err := d.ask(tt.token); err != nil || slow.verified.Load() != tt.slow {
			t.Errorf("%s, after the lease: %v, verified %d times", tt.name, err, slow.verified.Load())
		}
		if stored := d.stored(key.ID); stored.Digest.Pepper != "p1" || stored.Import != "" {
			t.Errorf("%s: stored under %q with %q", tt.name, stored.Digest.Pepper, stored.Import)
		}
	}
}

// Nothing but the key itself is taken for it, and an import in no other way
// than any key is opened.
func TestImportRejects(t *testing.T) {
	d := newDoor(t, imports, func(k *apikey.Config, _ *authn.Config) {
		k.Verifiers["plain"] = apikey.BcryptSecret("-")
	})
	d.bring(shaKey())
	d.bring(bcryptKey())
	sum := sha256.Sum256([]byte(shaToken))
	const short = "acme_0123456789" // it could be guessed
	small := sha256.Sum256([]byte(short))
	d.bring(apikey.Foreign{Verifier: "acme", Hash: hex.EncodeToString(small[:])})
	for _, tt := range []struct{ name, token string }{
		{"another key", "acme_0123456789abcdef0123456789abcdee"},
		{"the hash", "acme_" + hex.EncodeToString(sum[:])},
		{"another prefix", "acma_0123456789abcdef0123456789abcdef"},
		{"wrong secret", bcryptToken[:len(bcryptToken)-1] + "k"},
		{"more secret", bcryptToken + "k"},
		{"no secret", "Zx81QLw0."},
		{"only the secret", bcryptToken[9:]},
		{"the clear part", "Zx81QLw0Zx81QLw0Zx81QLw0"},
		{"bcrypt's limit", "Zx81QLw0." + strings.Repeat("a", 64)},
		{"too short", short},
		{"too long", "acme_" + strings.Repeat("0", 124)},
		{"1 MB", "acme_" + strings.Repeat("0", 1<<20)},
		{"not token68", "acme_0123456789abcdef:0123456789abcdef"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if p, err := d.ask(tt.token); !errors.Is(err, authn.ErrRejected) && !errors.Is(err, authn.ErrNotMine) {
				t.Errorf("%v, %v", p, err)
			}
		})
	}
	for _, scheme := range []string{"session", "basic"} {
		if _, err := d.keys.Authenticate(t.Context(), authn.NewCredential(scheme, shaToken), d.now); !errors.Is(err, authn.ErrNotMine) {
			t.Errorf("as %s: %v", scheme, err)
		}
	}
	if _, err := d.ask(shaToken); err != nil {
		t.Errorf("the key itself: %v", err)
	}
	without := newDoor(t, func(k *apikey.Config, _ *authn.Config) { k.Store = d.store })
	for _, token := range []string{shaToken, bcryptToken} {
		if _, err := without.ask(token); !errors.Is(err, authn.ErrNotMine) {
			t.Errorf("without verifiers: %v", err)
		}
	}
}

// Where the hash is of the secret part alone.
func TestBcryptSecret(t *testing.T) {
	v := apikey.BcryptSecret("_")
	const token = "svc_live_abc123_0123456789abcdef"
	hash, err := bcrypt.GenerateFromPassword([]byte("0123456789abcdef"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	lookup, proof, err := v.Record(apikey.Foreign{Clear: "svc_live_abc123", Hash: string(hash)})
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := v.Lookup(token); !ok || got != lookup || !v.Verify(token, proof) {
		t.Errorf("found by %q, %v, want %q", got, ok, lookup)
	}
	if v.Verify(token+"0", proof) || apikey.Bcrypt("_").Verify(token, proof) {
		t.Error("another key is taken for it")
	}
	if hash, err = bcrypt.GenerateFromPassword(nil, bcrypt.MinCost); err != nil {
		t.Fatal(err)
	}
	if v.Verify("svc_live_abc123_", string(hash)) {
		t.Error("no secret is taken for one")
	}
}

// case S22, for keys: bcrypt does not look behind 72 bytes, so what has more is
// no key.
func TestBcryptLimit(t *testing.T) {
	v := apikey.Bcrypt(".")
	token := "abc." + strings.Repeat("x", 68)
	hash, err := bcrypt.GenerateFromPassword([]byte(token), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := v.Lookup(token); !ok || !v.Verify(token, string(hash)) {
		t.Error("72 bytes are refused")
	}
	if _, ok := v.Lookup(token + "y"); ok || v.Verify(token+"y", string(hash)) {
		t.Error("73 bytes, of which 72 are right, are taken")
	}
}

// Only the operator imports, and only what can be found and verified.
func TestImportRefuses(t *testing.T) {
	d := newDoor(t, imports, func(k *apikey.Config, _ *authn.Config) { k.Verifiers["empty"] = apikey.Bcrypt("") })
	d.hire()
	if _, err := d.keys.Import(t.Context(), d.person(ann), d.spec(), shaKey(), d.now); !errors.Is(err, authn.ErrForbidden) {
		t.Errorf("by an admin: %v, want ErrForbidden", err)
	}
	for _, tt := range []struct {
		name string
		f    apikey.Foreign
	}{
		{"no verifier", apikey.Foreign{Hash: shaKey().Hash}},
		{"unknown", apikey.Foreign{Verifier: "other", Hash: shaKey().Hash}},
		{"no hash", apikey.Foreign{Verifier: "acme"}},
		{"short hash", apikey.Foreign{Verifier: "acme", Hash: "abcd"}},
		{"the key itself", apikey.Foreign{Verifier: "acme", Hash: shaToken}},
		{"no clear part", apikey.Foreign{Verifier: "django", Hash: bcryptHash}},
		{"separator", apikey.Foreign{Verifier: "django", Hash: bcryptHash, Clear: "Zx81QLw0."}},
		{"clear part", apikey.Foreign{Verifier: "django", Hash: bcryptHash, Clear: "Zx81 QLw0"}},
		{"long clear part", apikey.Foreign{Verifier: "acme", Hash: shaKey().Hash, Clear: strings.Repeat("x", 65)}},
		{"SHA for bcrypt", apikey.Foreign{Verifier: "django", Hash: shaKey().Hash, Clear: "Zx81QLw0"}},
		{"cost 3", apikey.Foreign{Verifier: "django", Hash: strings.Replace(bcryptHash, "$04$", "$03$", 1), Clear: "Zx81QLw0"}},
		{"cost 15", apikey.Foreign{Verifier: "django", Hash: strings.Replace(bcryptHash, "$04$", "$15$", 1), Clear: "Zx81QLw0"}},
		{"cost 31", apikey.Foreign{Verifier: "django", Hash: strings.Replace(bcryptHash, "$04$", "$31$", 1), Clear: "Zx81QLw0"}},
		{"trailing text", apikey.Foreign{Verifier: "django", Hash: bcryptHash + "x", Clear: "Zx81QLw0"}},
		{"$2x$", apikey.Foreign{Verifier: "django", Hash: strings.Replace(bcryptHash, "$2b$", "$2x$", 1), Clear: "Zx81QLw0"}},
		{"no separator", apikey.Foreign{Verifier: "empty", Hash: bcryptHash, Clear: "Zx81QLw0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := d.keys.Import(t.Context(), d.op, d.spec(), tt.f, d.now)
			if !errors.Is(err, authn.ErrInvalid) {
				t.Errorf("%v, want ErrInvalid", err)
			} else if tt.f.Hash != "" && strings.Contains(err.Error(), tt.f.Hash) {
				t.Error("the error shows the hash")
			}
		})
	}
	d.bring(shaKey())
	if _, err := d.keys.Import(t.Context(), d.op, d.spec(), shaKey(), d.now); !errors.Is(err, store.ErrConflict) {
		t.Errorf("imported twice: %v, want ErrConflict", err)
	}
	spec := d.spec()
	spec.Expires = d.now
	if _, err := d.keys.Import(t.Context(), d.op, spec, bcryptKey(), d.now); !errors.Is(err, authn.ErrInvalid) {
		t.Errorf("an expiry in the past: %v", err)
	}
	if n := len(d.records()); n != 1 {
		t.Errorf("%d records, want 1", n)
	}
}

// case K5: an attacker who can write to the database, but has no pepper, cannot plant an
// imported key, and a row that was tampered with costs nobody minutes.
func TestPlantedImport(t *testing.T) {
	d := newDoor(t, imports)
	sum := sha256.Sum256([]byte(shaToken))
	clear := sha256.Sum256([]byte("Zx81QLw0"))
	for i, key := range []store.Key{
		{Digest: keyfmt.Digest{Pepper: "import:acme", Sum: sum}},
		{Digest: keyfmt.Digest{Pepper: "import:django", Sum: clear}, Import: bcryptHash},
		{Digest: keyfmt.Digest{Pepper: "p1", Sum: sum}},
	} {
		key.ID, key.Account, key.Environment, key.Grant, key.Created = fmt.Sprint("key_", i), account, "live", d.model.Everything(), d.now
		if err := d.store.KeyAdmin().Create(t.Context(), key, 0, d.now); err != nil {
			t.Fatal(err)
		}
	}
	for _, token := range []string{shaToken, bcryptToken} {
		if p, err := d.ask(token); err == nil {
			t.Errorf("a planted row lets %s in", p.ID)
		}
	}
	for _, proof := range []string{strings.Replace(bcryptHash, "$04$", "$31$", 1), "", "x", bcryptHash + bcryptHash} {
		if apikey.Bcrypt(".").Verify(bcryptToken, proof) {
			t.Errorf("verified by %q", proof)
		}
	}
}

// case K7: a client that knows the clear part of an imported key cannot force more
// than a few slow verifications at a time. Beyond a short queue the answer is 503.
// Keys of our own are not held up.
func TestImportsAreVerifiedFewAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &counted{Verifier: apikey.Bcrypt("."), hold: make(chan struct{})}
		d := newDoor(t, func(k *apikey.Config, _ *authn.Config) {
			k.Verifiers = map[string]apikey.Verifier{"django": slow}
			k.Timeout = time.Minute
		})
		d.bring(bcryptKey())
		_, ours := d.issue()
		places := max(1, runtime.GOMAXPROCS(0)/2)
		const many = 200
		var all sync.WaitGroup
		var busy, rejected atomic.Int64
		for i := range many {
			all.Go(func() {
				_, err := d.ask(fmt.Sprintf("Zx81QLw0.wrong-secret-%03d", i))
				switch {
				case errors.Is(err, authn.ErrUnavailable):
					busy.Add(1)
				case errors.Is(err, authn.ErrRejected):
					rejected.Add(1)
				default:
					t.Errorf("%v", err)
				}
			})
		}
		synctest.Wait()
		if n := slow.verified.Load(); n != int64(places) {
			t.Errorf("%d at once, want %d", n, places)
		}
		if n := busy.Load(); n != int64(many-places-8*places) {
			t.Errorf("%d sent away at once, want all beyond the queue", n)
		}
		if _, err := d.ask(ours); err != nil {
			t.Errorf("a key of our own: %v", err)
		}
		time.Sleep(time.Second) // the queue has waited long enough
		synctest.Wait()
		if n := busy.Load(); n != int64(many-places) {
			t.Errorf("%d sent away after a second, want all that were not verified", n)
		}
		for i := range 8 * places { // there is room to wait again
			all.Go(func() {
				if _, err := d.ask(fmt.Sprintf("Zx81QLw0.wrong-again-%03d", i)); !errors.Is(err, authn.ErrRejected) {
					t.Errorf("the second time: %v", err)
				}
			})
		}
		synctest.Wait()
		close(slow.hold)
		all.Wait()
		if rejected.Load() != int64(places) {
			t.Errorf("%d rejected", rejected.Load())
		}
		if _, err := d.ask(bcryptToken); err != nil {
			t.Errorf("the key itself, afterwards: %v", err)
		}
	})
}

// case K7: an address that tries is held up by its failures, as for any key.
func TestImportsHoldUpTheAddress(t *testing.T) {
	slow := &counted{Verifier: apikey.Bcrypt(".")}
	f := &failures{most: 3}
	d := newDoor(t, func(k *apikey.Config, c *authn.Config) {
		k.Verifiers, c.Failures = map[string]apikey.Verifier{"django": slow}, f
	})
	d.bring(bcryptKey())
	for i := range 50 {
		rec, passed := d.knock(request(fmt.Sprintf("Bearer Zx81QLw0.wrong-secret-%03d", i)))
		if want := map[bool]int{true: 401, false: 429}[i < 3]; passed || rec.Code != want {
			t.Errorf("try %d: %d, want %d", i, rec.Code, want)
		}
	}
	if n := slow.verified.Load(); n != 3 {
		t.Errorf("verified %d times for 50 tries, want 3", n)
	}
}

// failures blocks everybody after so many.
type failures struct {
	most, seen int
}

func (f *failures) Peek(string, time.Time) (int64, time.Duration) {
	if left := f.most - f.seen; left > 0 {
		return int64(left), 0
	}
	return 0, time.Minute
}

func (f *failures) Count(string, time.Time) { f.seen++ }

// case K7: for a key that has ended, or none, nothing slow is done.
func TestEndedImportCostsNothing(t *testing.T) {
	slow := &counted{Verifier: apikey.Bcrypt(".")}
	d := newDoor(t, func(k *apikey.Config, _ *authn.Config) { k.Verifiers = map[string]apikey.Verifier{"django": slow} })
	key := d.bring(bcryptKey())
	if err := d.keys.Revoke(t.Context(), d.op, key.ID, "", d.now); err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{bcryptToken, "Other000.0123456789ABCDEFGHIJabcdefghij"} {
		if _, err := d.ask(token); err == nil || errors.Is(err, authn.ErrRevoked) {
			t.Errorf("%v: a caller who has proved nothing learns nothing", err)
		}
	}
	if n := slow.verified.Load(); n != 0 {
		t.Errorf("verified %d times", n)
	}
}

// A slow verification leaves time for the rehash, so that it is the last; and a
// store that cannot write lets the key in all the same.
func TestSlowVerificationIsTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &counted{Verifier: apikey.Bcrypt("."), hold: make(chan struct{})}
		d := newDoor(t, func(k *apikey.Config, _ *authn.Config) {
			k.Store, k.Verifiers = overlay.Keys(k.Store, punctual{k.Store.Keys()}), map[string]apikey.Verifier{"django": slow}
		})
		key := d.bring(bcryptKey())
		go func() { time.Sleep(3 * time.Second); close(slow.hold) }() // longer than Config.Timeout
		if _, err := d.ask(bcryptToken); err != nil {
			t.Fatal(err)
		}
		if stored := d.stored(key.ID); stored.Import != "" {
			t.Error("not rehashed")
		}
	})
}

// punctual is a store.Keys that writes nothing once the context has ended.
type punctual struct{ store.Keys }

func (p punctual) Rehash(ctx context.Context, id string, old, next keyfmt.Digest) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return p.Keys.Rehash(ctx, id, old, next)
}

// Imported keys live together with sessions and other credentials: what no
// record is found for is left to the next authenticator, also where the keys
// have no prefix.
func TestUnknownForeignTokensAreLeftToOthers(t *testing.T) {
	d := newDoor(t, func(k *apikey.Config, c *authn.Config) {
		k.Verifiers = map[string]apikey.Verifier{"bare": apikey.SHA256Hex()}
	})
	mw, err := authn.New(authn.Config{Authenticators: []authn.Authenticator{d.keys, everybody{}}, Now: func() time.Time { return d.now }})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		r, err := mw.Check(request("Bearer sess_0123456789abcdef0123456789abc"))
		if err != nil {
			t.Fatal(err)
		}
		if p, _ := authn.FromContext(r.Context()); p.ID != "ses_1" {
			t.Errorf("principal %+v", p)
		}
	}
}

type everybody struct{}

func (everybody) Authenticate(context.Context, authn.Credential, time.Time) (*authn.Principal, error) {
	return &authn.Principal{ID: "ses_1"}, nil
}

// cases T1 and T2: neither a foreign key nor its hash is in a log line, an error
// or an answer.
func TestForeignKeysDoNotLeak(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	d := newDoor(t, imports, func(k *apikey.Config, c *authn.Config) { k.Logger, c.Logger = log, log })
	d.bring(bcryptKey())
	down := errors.New("disk full")
	for _, token := range []string{bcryptToken[:len(bcryptToken)-1] + "k", shaToken, bcryptToken} {
		rec, _ := d.knock(request("Bearer " + token))
		p, err := d.ask(token)
		fmt.Fprintf(&out, "%s %v %+v %#v %v\n", rec.Body, rec.Header(), p, p, err)
		d.spy.fail.Store(&down)
		d.now = d.now.Add(time.Minute)
		_, err = d.ask(token)
		_, look := d.keys.Lookup(t.Context(), token)
		fmt.Fprintln(&out, err, look)
		d.spy.fail.Store(nil)
	}
	for _, secret := range []string{bcryptToken[9:30], shaToken[5:], bcryptHash} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%s leaked:\n%s", secret, out.String())
		}
	}
	if !strings.Contains(out.String(), "request refused") {
		t.Error("nothing was logged: this test shows nothing")
	}
}

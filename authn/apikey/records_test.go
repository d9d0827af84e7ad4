package apikey_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/internal/overlay"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// case K20: expired keys stay as records, which their owner sees, and cleaning
// up reaches no key without an expiry.
func TestExpiredKeysStay(t *testing.T) {
	d := newDoor(t)
	d.hire()
	by := d.person(bob)
	short, _ := d.issueBy(by, func(s *apikey.Spec) { s.Expires = d.now.Add(time.Hour) })
	endless, token := d.issueBy(by)
	revoked, _ := d.issueBy(by)
	if err := d.keys.Revoke(t.Context(), by, revoked.ID, "", d.now); err != nil {
		t.Fatal(err)
	}
	d.now = d.now.Add(365 * 24 * time.Hour)
	if list, err := d.keys.List(t.Context(), by, "", 10); err != nil || len(list) != 3 {
		t.Errorf("%d of 3 keys are listed, %v", len(list), err)
	}
	if key, err := d.keys.Get(t.Context(), by, short.ID); err != nil || !key.Ended(d.now) {
		t.Errorf("the expired key: %+v, %v", key, err)
	}
	if n, err := d.store.KeyAdmin().Prune(t.Context(), d.now, 1000); err != nil || n != 2 {
		t.Errorf("%d pruned, want the expired and the revoked one; %v", n, err)
	}
	for _, tt := range []struct {
		id   string
		want error
	}{{short.ID, store.ErrNotFound}, {endless.ID, nil}, {revoked.ID, store.ErrNotFound}} {
		if _, err := d.keys.Get(t.Context(), by, tt.id); !errors.Is(err, tt.want) {
			t.Errorf("after cleaning up: %v, want %v", err, tt.want)
		}
	}
	if _, err := d.ask(token); err != nil {
		t.Errorf("the key without an expiry: %v", err)
	}
}

// case K21: a call that comes again makes one key and shows no secret again, and
// for another request its id is refused.
func TestCallComesAgain(t *testing.T) {
	d := newDoor(t)
	d.hire()
	by := d.person(bob)
	spec := apikey.Spec{Name: "k", Environment: "live", Grant: d.small(), Expires: d.now.Add(time.Hour), Call: apikey.Call{ID: "again", Request: [32]byte{1}}}
	first, token, err := d.keys.Issue(t.Context(), by, spec, d.now)
	if err != nil || token.IsZero() {
		t.Fatal(err)
	}
	d.now = d.now.Add(2 * time.Hour) // and whatever has become of it
	key, again, err := d.keys.Issue(t.Context(), by, spec, d.now)
	if err != nil || key.ID != first.ID || !again.IsZero() {
		t.Errorf("the same again: %s, a token %v, %v", key.ID, !again.IsZero(), err)
	}
	other := spec
	other.Call.Request = [32]byte{2}
	if _, _, err := d.keys.Issue(t.Context(), by, other, d.now); !errors.Is(err, apikey.ErrReused) {
		t.Errorf("another request: %v, want ErrReused", err)
	}
	if _, _, err := d.keys.RotateOnce(t.Context(), by, first.ID, 0, spec.Call, d.now); !errors.Is(err, apikey.ErrReused) {
		t.Errorf("a rotation: %v, want ErrReused", err)
	}
	spec.Expires = time.Time{}
	if key, token, err := d.keys.Issue(t.Context(), d.person(eve), spec, d.now); err != nil || key.ID == first.ID || token.IsZero() {
		t.Errorf("the same id from another person: %v, %v", key.ID, err)
	}
	for _, id := range []string{strings.Repeat("x", 201), "a\nb", "é"} {
		spec.Call.ID = id
		if _, _, err := d.keys.Issue(t.Context(), by, spec, d.now); !errors.Is(err, authn.ErrInvalid) {
			t.Errorf("call %q: %v", id, err)
		}
	}
	spec.Call = apikey.Call{ID: "for whatever comes"}
	if _, _, err := d.keys.Issue(t.Context(), by, spec, d.now); !errors.Is(err, authn.ErrInvalid) {
		t.Errorf("a call that does not say what was asked for: %v, want ErrInvalid", err)
	}
	if _, _, err := d.keys.RotateOnce(t.Context(), by, first.ID, 0, spec.Call, d.now); !errors.Is(err, authn.ErrInvalid) {
		t.Errorf("a rotation that does not: %v, want ErrInvalid", err)
	}
	spec.Call = apikey.Call{}
	for range 2 { // without an id every call makes one
		if _, token, err := d.keys.Issue(t.Context(), by, spec, d.now); err != nil || token.IsZero() {
			t.Error(err)
		}
	}
}

// case K21: a caller who made a key and may no longer see it does not see it by
// repeating the call.
func TestCallOfFormerManager(t *testing.T) {
	d := newDoor(t)
	d.hire()
	spec := apikey.Spec{Name: "k", Environment: "live", Grant: d.small(), Service: true, Call: apikey.Call{ID: "again", Request: [32]byte{1}}}
	if _, _, err := d.keys.Issue(t.Context(), d.person(ann), spec, d.now); err != nil {
		t.Fatal(err)
	}
	d.join(ann, "viewer", "p1")
	if key, _, err := d.keys.Issue(t.Context(), d.person(ann), spec, d.now); !errors.Is(err, authn.ErrForbidden) || key.ID != "" {
		t.Errorf("%v, %v", key.ID, err)
	}
}

// case K21: two calls that come so close that neither sees the other make one
// key all the same.
func TestCallsThatMeet(t *testing.T) {
	d := newDoor(t)
	d.hire()
	by := d.person(bob)
	blind := &blindAdmin{KeyAdmin: d.store.KeyAdmin()}
	keys, err := apikey.New(apikey.Config{Store: overlay.KeyAdmin(overlay.Keys(d.store, d.spy), blind), Model: d.model, Formats: formats(t), Peppers: peppers(t), Roles: d.roles})
	if err != nil {
		t.Fatal(err)
	}
	spec := apikey.Spec{Name: "k", Environment: "live", Grant: d.small(), Call: apikey.Call{ID: "one", Request: [32]byte{1}}}
	first, _, err := d.keys.Issue(t.Context(), by, spec, d.now)
	if err != nil {
		t.Fatal(err)
	}
	blind.next = true
	if key, token, err := keys.Issue(t.Context(), by, spec, d.now); err != nil || key.ID != first.ID || !token.IsZero() {
		t.Errorf("issued: %v, %v", key.ID, err)
	}
	for _, grace := range []time.Duration{0, time.Hour} {
		key, _ := d.issueBy(by)
		call := apikey.Call{ID: fmt.Sprint("rotation ", grace), Request: [32]byte{1}}
		race := racing{KeyAdmin: blind, before: func() {
			if _, _, err := d.keys.RotateOnce(t.Context(), by, key.ID, grace, call, d.now); err != nil {
				t.Error(err)
			}
		}}
		keys, err = apikey.New(apikey.Config{Store: overlay.KeyAdmin(overlay.Keys(d.store, d.spy), race), Model: d.model, Formats: formats(t), Peppers: peppers(t)})
		if err != nil {
			t.Fatal(err)
		}
		next, token, err := keys.RotateOnce(t.Context(), by, key.ID, grace, call, d.now)
		if err != nil || next.Replaces != key.ID || !token.IsZero() {
			t.Errorf("rotated with a grace of %v: %v, %v", grace, next.ID, err)
		}
	}
}

// blindAdmin does not see the next call.
type blindAdmin struct {
	store.KeyAdmin
	next bool
}

func (b *blindAdmin) ByIdempotency(ctx context.Context, account, id string) (store.Key, error) {
	if b.next {
		b.next = false
		return store.Key{}, store.ErrNotFound
	}
	return b.KeyAdmin.ByIdempotency(ctx, account, id)
}

// case K21, for rotations, where a repetition meets a key that is rotated
// already.
func TestRotationComesAgain(t *testing.T) {
	d := newDoor(t)
	d.hire()
	by := d.person(bob)
	key, _ := d.issueBy(by)
	another, _ := d.issueBy(by)
	call := apikey.Call{ID: "again", Request: [32]byte{1}}
	next, token, err := d.keys.RotateOnce(t.Context(), by, key.ID, time.Hour, call, d.now)
	if err != nil || token.IsZero() {
		t.Fatal(err)
	}
	if again, token, err := d.keys.RotateOnce(t.Context(), by, key.ID, time.Hour, call, d.now); err != nil || again.ID != next.ID || !token.IsZero() {
		t.Errorf("the same again: %s, %v, %v", again.ID, token, err)
	}
	if _, _, err := d.keys.RotateOnce(t.Context(), by, another.ID, time.Hour, call, d.now); !errors.Is(err, apikey.ErrReused) {
		t.Errorf("of another key: %v, want ErrReused", err)
	}
}

// case K21 and case K22: calls that come at once make one key, and different ones
// no more than the quota.
func TestManyAtOnce(t *testing.T) {
	const quota = 10
	d := newDoor(t, func(k *apikey.Config, _ *authn.Config) { k.Quota = quota })
	d.hire()
	spec := apikey.Spec{Name: "k", Environment: "live", Grant: d.small(), Call: apikey.Call{ID: "once", Request: [32]byte{1}}}
	var all sync.WaitGroup
	var mu sync.Mutex
	ids, tokens := map[string]bool{}, 0
	for range 20 {
		all.Go(func() {
			key, token, err := d.keys.Issue(t.Context(), d.person(bob), spec, d.now)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			ids[key.ID] = true
			if !token.IsZero() {
				tokens++
			}
		})
	}
	all.Wait()
	if len(ids) != 1 || tokens != 1 {
		t.Errorf("one call, 20 times: %d keys, shown %d times", len(ids), tokens)
	}
	refused := 0
	spec.Call = apikey.Call{}
	for range 20 {
		all.Go(func() {
			_, _, err := d.keys.Issue(t.Context(), d.person(eve), spec, d.now)
			if err != nil && !errors.Is(err, store.ErrQuota) {
				t.Error(err)
			}
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				refused++
			}
		})
	}
	all.Wait()
	if n := len(d.records()); n != quota || refused != 20-(quota-1) {
		t.Errorf("%d keys, %d refused; the quota is %d", n, refused, quota)
	}
}

// case K23: keys of every released format verify from their stored digests.
func TestReleasedFormats(t *testing.T) {
	text, err := os.ReadFile("../../keyfmt/testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Pepper struct {
			ID     string
			Secret string `json:"secret_hex"`
		}
		Vectors []struct {
			Prefix, Token string
			Valid         bool
			HMAC          string `json:"hmac_sha256"`
		}
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	secret, err := hex.DecodeString(v.Pepper.Secret)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyfmt.NewKeyring(keyfmt.Pepper{ID: v.Pepper.ID, Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	verified := 0
	for i, c := range v.Vectors {
		if !c.Valid {
			continue
		}
		f, err := keyfmt.New(c.Prefix)
		if err != nil {
			t.Fatal(err)
		}
		d := newDoor(t, func(k *apikey.Config, _ *authn.Config) {
			k.Formats, k.Peppers = map[string]keyfmt.Format{"live": f}, ring
		})
		sum, err := hex.DecodeString(c.HMAC)
		if err != nil {
			t.Fatal(err)
		}
		key := store.Key{ID: fmt.Sprint("key_", i), Account: account, Environment: "live", Grant: d.model.Everything(), Created: d.now,
			Digest: keyfmt.Digest{Pepper: v.Pepper.ID, Sum: [32]byte(sum)}}
		if err := d.store.KeyAdmin().Create(t.Context(), key, 0, d.now); err != nil {
			t.Fatal(err)
		}
		if p, err := d.ask(c.Token); err != nil || p.ID != key.ID {
			t.Errorf("%s: %v", c.Token, err)
		}
		verified++
	}
	if verified < 5 {
		t.Errorf("only %d vectors", verified)
	}
}

// case T4: no record that is given out holds a digest, a hash or a secret.
func TestRecordsHoldNoSecret(t *testing.T) {
	d := newDoor(t, imports)
	d.hire()
	by := d.person(bob)
	key, token, err := d.keys.Issue(t.Context(), by, apikey.Spec{Name: "k", Environment: "live", Grant: d.small(), Expires: d.now.Add(time.Hour)}, d.now)
	if err != nil {
		t.Fatal(err)
	}
	out := []any{key}
	add := func(v any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	foreign, err := d.keys.Import(t.Context(), d.op, d.spec(), bcryptKey(), d.now)
	add(foreign, err)
	add(d.keys.Get(t.Context(), by, key.ID))
	add(d.keys.Get(t.Context(), d.op, foreign.ID))
	add(d.keys.List(t.Context(), d.op, "", 10))
	add(d.keys.Expiring(t.Context(), by, d.now.Add(2*time.Hour), 10, d.now))
	add(d.keys.Update(t.Context(), by, key.ID, apikey.Change{Name: new("n")}, d.now))
	add(d.keys.Lookup(t.Context(), token.Reveal()))
	add(d.keys.Lookup(t.Context(), bcryptToken))
	stored := []store.Key{d.stored(key.ID), d.stored(foreign.ID)}
	next, second, err := d.keys.Rotate(t.Context(), by, key.ID, time.Hour, d.now)
	add(next, err)
	stored = append(stored, d.stored(next.ID))

	var text strings.Builder
	for _, v := range out {
		inJSON, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "%v %+v %#v %s\n", v, v, v, inJSON)
		for _, key := range append(list(v), store.Key{}) {
			if key.Digest.Sum != [32]byte{} || key.Import != "" {
				t.Errorf("%s was given out with what it is verified by", key.ID)
			}
		}
	}
	secrets := []string{token.Reveal(), second.Reveal(), bcryptToken, bcryptHash}
	for _, key := range stored {
		sum := key.Digest.Sum[:]
		secrets = append(secrets, hex.EncodeToString(sum), base64.StdEncoding.EncodeToString(sum), fmt.Sprint(sum)[1:20], fmt.Sprintf("%#v", sum)[7:40])
	}
	for _, secret := range secrets {
		if strings.Contains(text.String(), secret) {
			t.Errorf("a record shows %s", secret)
		}
	}
}

func list(v any) []store.Key {
	if key, ok := v.(store.Key); ok {
		return []store.Key{key}
	}
	return v.([]store.Key)
}

// case T5: looking a leaked key up is no use of it: nothing is recorded, begun,
// rehashed or remembered, and unknown ones learn nothing.
func TestLookup(t *testing.T) {
	d := newDoor(t)
	key, _ := d.issue()
	next, token, err := d.keys.Rotate(t.Context(), d.op, key.ID, time.Hour, d.now)
	if err != nil {
		t.Fatal(err)
	}
	later := newDoor(t, func(k *apikey.Config, _ *authn.Config) {
		k.Store, k.Peppers = overlay.Keys(d.store, d.spy), peppers(t, "p2")
	})
	before := d.records()
	for range 2 {
		got, err := later.keys.Lookup(t.Context(), token.Reveal())
		if err != nil || got.ID != next.ID {
			t.Fatalf("%s, %v", got.ID, err)
		}
	}
	if diff := cmp.Diff(before, d.records(), printed); diff != "" {
		t.Errorf("it was used:\n%s", diff)
	}
	if p := recall(later.keys, authn.NewCredential("bearer", token.Reveal()), later.now); p != nil {
		t.Error("it is remembered")
	}
	if err := d.keys.Revoke(t.Context(), d.op, next.ID, "", d.now); err != nil {
		t.Fatal(err)
	}
	if got, err := later.keys.Lookup(t.Context(), token.Reveal()); err != nil || got.Revoked.IsZero() {
		t.Errorf("a revoked key: %+v, %v", got, err)
	}
	for _, unknown := range []string{"", "mt_live_", formats(t)["live"].Generate().Reveal(), token.Reveal() + "x", "sess_x", strings.Repeat("a", 1<<20)} {
		if _, err := later.keys.Lookup(t.Context(), unknown); err != authn.ErrRejected {
			t.Errorf("%.20q: %v, want ErrRejected", unknown, err)
		}
	}
	other := newDoor(t, imports)
	foreign := other.bring(bcryptKey())
	if got, err := other.keys.Lookup(t.Context(), bcryptToken); err != nil || got.ID != foreign.ID || other.stored(foreign.ID).Import == "" {
		t.Errorf("an imported key: %s, %v; it must not be rehashed", got.ID, err)
	}
	if _, err := other.keys.Lookup(t.Context(), bcryptToken[:len(bcryptToken)-1]+"k"); err != authn.ErrRejected {
		t.Errorf("its clear part with another secret: %v, want ErrRejected", err)
	}
	down := errors.New("connection refused")
	d.spy.fail.Store(&down)
	if _, err := later.keys.Lookup(t.Context(), token.Reveal()); !errors.Is(err, authn.ErrUnavailable) {
		t.Errorf("with the store down: %v", err)
	}
}

package apikey_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"testing"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
)

// case K6: the keys of another system may begin as ours do. They pass no checksum
// of ours, so they are theirs where a verifier claims them.
func TestImportUnderOurPrefix(t *testing.T) {
	d := newDoor(t, func(k *apikey.Config, _ *authn.Config) {
		k.Verifiers = map[string]apikey.Verifier{"former": apikey.SHA256Hex("mt_live_")}
	})
	const token = "mt_live_0123456789abcdef0123456789abcdef"
	sum := sha256.Sum256([]byte(token))
	key := d.bring(apikey.Foreign{Verifier: "former", Hash: hex.EncodeToString(sum[:]), Clear: "mt_live_0123"})
	if got, err := d.keys.Lookup(t.Context(), token); err != nil || got.ID != key.ID {
		t.Errorf("looked up: %q, %v", got.ID, err)
	}
	for i := range 2 { // by its verifier, and rehashed
		if p, err := d.ask(token); err != nil || p.ID != key.ID {
			t.Fatalf("use %d: %v", i, err)
		}
		d.now = d.now.Add(d.keys.MaxRevocationDelay())
	}
	if _, err := d.ask(token); err != nil || recall(d.keys, authn.NewCredential("bearer", token), d.now) == nil {
		t.Errorf("not remembered: %v", err)
	}
	own, ours := d.issue() // goes on being ours
	if p, err := d.ask(ours); err != nil || p.ID != own.ID {
		t.Errorf("a key of our own: %v", err)
	}
	before := d.spy.finds.Load() // what no verifier claims is refused offline, as without any
	if _, err := d.ask("mt_test_0123456789abcdef0123456789abcdef"); !errors.Is(err, authn.ErrRejected) || d.spy.finds.Load() != before {
		t.Errorf("under the other prefix: %v, %d look-ups", err, d.spy.finds.Load()-before)
	}
	if rec, passed := d.knock(request("Bearer mt_live_0123456789abcdef0123456789abcdee")); passed || rec.Code != 401 {
		t.Errorf("one that nobody has imported: %d", rec.Code)
	}
}

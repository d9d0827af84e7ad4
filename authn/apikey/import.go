package apikey

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// A Verifier verifies the keys of another system by what that system has stored
// of them, so that they keep working here: see [SHA256Hex] and [Bcrypt]. It is
// used until the first use of a key. Then the key gets a digest like all
// others. It is safe for concurrent use.
type Verifier interface {
	// Record returns what finds the record of a key here, and what proves the
	// key. lookup has 1 to 64 characters of a token68 (RFC 9110 §11.2). An
	// empty proof means that finding the record proves the key. A hash that is
	// none of that system's is an error, whose text must not contain it.
	Record(f Foreign) (lookup, proof string, err error)
	// Lookup returns what finds the record of a token, as Record did. ok is
	// false if the token is none of that system's. It must be cheap, because it
	// runs for whatever strangers send: any text of 16 to 128 characters.
	Lookup(token string) (lookup string, ok bool)
	// Verify reports whether proof, which is not empty, is that of the token.
	// It may be slow, because only a few run at once.
	Verify(token, proof string) bool
}

// A Foreign is what another system has stored of a key.
type Foreign struct {
	Verifier string // its name in Config.Verifiers
	Hash     string // the key's hash, as that system writes it
	// Clear is the part of the key that is no secret. People recognize the key
	// by it, and a Verifier may find the key by it. It has at most 64
	// characters of a token68 (RFC 9110 §11.2).
	Clear string
}

// A verifier is a Verifier with its name in Config.Verifiers.
type verifier struct {
	name string
	Verifier
}

// minForeign is the length of the shortest key of another system. Shorter keys
// could be guessed.
const minForeign = 16

// importing begins the pepper id of an imported key's digest. A real pepper id
// has no colon, so the two cannot be confused.
const importing = "import:"

// Import makes a record for a key of another system, in the account of by, so
// that its holders can go on using it. Only the operator may. The environment
// is that of the spec, because the key itself does not tell. Errors are those
// of Issue, and store.ErrConflict if the key has been imported already. So an
// import can be repeated without a Spec.Call.
func (m *Manager) Import(ctx context.Context, by *authn.Principal, spec Spec, f Foreign, now time.Time) (store.Key, error) {
	if err := m.changes(by, now); err != nil {
		return store.Key{}, err
	}
	if by.Kind != authn.KindOperator {
		return store.Key{}, authn.ErrForbidden
	}
	key, err := m.plan(ctx, by, spec, now)
	if err != nil {
		return store.Key{}, err
	}
	v, ok := m.config.Verifiers[f.Verifier]
	if !ok {
		return store.Key{}, fmt.Errorf("%w: there is no verifier %q", authn.ErrInvalid, f.Verifier)
	}
	if _, err := keyfmt.Foreign(f.Clear); f.Clear != "" && (err != nil || len(f.Clear) > 64) {
		return store.Key{}, fmt.Errorf("%w: the clear part cannot be one of a key", authn.ErrInvalid)
	}
	lookup, proof, err := v.Record(f)
	if err != nil {
		return store.Key{}, fmt.Errorf("%w: %w", authn.ErrInvalid, err)
	}
	text, ok := sought(f.Verifier, lookup)
	if !ok {
		return store.Key{}, fmt.Errorf("%w: verifier %q finds nothing by that", authn.ErrInvalid, f.Verifier)
	}
	m.sign(&key, by, now)
	key.Family = key.ID
	key.Hint = f.Clear + "…"
	key.Digest = keyfmt.Digest{Pepper: importing + f.Verifier, Sum: m.config.Peppers.Digest(text).Sum}
	key.Import = proof
	if err := m.records.admin.Create(ctx, key, m.config.Quota, now); err != nil {
		return store.Key{}, err
	}
	m.memory.Forget(key.ID)
	return shown(key), nil
}

// sought returns what an imported key is found by, as a text to digest. The
// digest is under a pepper, so that nobody without the pepper can plant an
// imported key, or learn from the database which ones there are. The name of
// the verifier is part of the text, so that one system's lookup never finds
// another's key.
func sought(verifier, lookup string) (keyfmt.Token, bool) {
	t, err := keyfmt.Foreign(importing[:len(importing)-1] + "." + verifier + "." + lookup)
	return t, err == nil && lookup != "" && len(lookup) <= 64
}

// foreign returns the token of another system. ok is false if no Verifier
// recognizes it.
func (m *Manager) foreign(token string) (keyfmt.Token, bool) {
	if m.verifiers == nil || len(token) < minForeign {
		return keyfmt.Token{}, false
	}
	t, err := keyfmt.Foreign(token)
	if err != nil {
		return keyfmt.Token{}, false
	}
	for _, v := range m.verifiers {
		if _, ok := v.Lookup(token); ok {
			return t, true
		}
	}
	return keyfmt.Token{}, false
}

// digests yields the digests under which a token may be stored, the likeliest
// first.
func (m *Manager) digests(t parsedToken) iter.Seq[keyfmt.Digest] {
	if !t.foreign {
		return m.config.Peppers.Candidates(t.Token)
	}
	return func(yield func(keyfmt.Digest) bool) {
		for d := range m.config.Peppers.Candidates(t.Token) { // its digest once it has been used
			if !yield(d) {
				return
			}
		}
		for _, v := range m.verifiers {
			lookup, ok := v.Lookup(t.Reveal())
			text, fits := sought(v.name, lookup)
			if !ok || !fits {
				continue
			}
			for d := range m.config.Peppers.Candidates(text) {
				if !yield(keyfmt.Digest{Pepper: importing + v.name, Sum: d.Sum}) {
					return
				}
			}
		}
	}
}

// prove reports whether t is the imported key of that record. An error means
// that this is unknown at the moment.
func (m *Manager) prove(ctx context.Context, t parsedToken, key store.Key) (bool, error) {
	name, _ := strings.CutPrefix(key.Digest.Pepper, importing)
	v, ok := m.config.Verifiers[name]
	if !ok {
		return false, errors.New("the store returned an imported key that no verifier finds")
	}
	if err := m.verifying.enter(ctx); err != nil {
		return false, err
	}
	defer m.verifying.leave()
	return v.Verify(t.Reveal(), key.Import), nil
}

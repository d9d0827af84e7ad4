package keyfmt

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
)

// A Digest is what is stored instead of a token: its HMAC-SHA-256 (RFC 2104)
// under the pepper with that id, or its SHA-256 if the id is "". A digest does
// not parse as a token, so it opens nothing. It prints and marshals without its
// sum.
type Digest struct {
	Pepper string
	Sum    [sha256.Size]byte
}

// Format writes the id of the pepper under every verb, and nothing of the sum:
// a sum opens nothing, but it identifies a key.
func (d Digest) Format(w fmt.State, _ rune) { io.WriteString(w, "digest "+d.Pepper) }

// MarshalText returns what Format writes. Package json uses it too.
func (d Digest) MarshalText() ([]byte, error) { return []byte("digest " + d.Pepper), nil }

// A Keyring makes the digests of tokens: one under its newest pepper to store,
// and one under each pepper to look up. It is immutable, and safe for
// concurrent use.
type Keyring struct {
	peppers []*keyed // newest first; pointers, so that printing a Keyring shows no secret
	root    func() []byte
	made    string // the path of the secrets file, if OpenKeyring made it
}

// NewKeyring returns a keyring with copies of the peppers. The ids must differ.
// A secret that is too short, or too regular to be random, is refused. The
// error names every mistake.
func NewKeyring(newest Pepper, older ...Pepper) (*Keyring, error) {
	k := &Keyring{}
	var errs []error
	seen := map[string]bool{}
	for _, p := range append([]Pepper{newest}, older...) {
		if err := p.check(); err != nil {
			errs = append(errs, err)
		}
		if seen[p.ID] {
			errs = append(errs, fmt.Errorf("keyfmt: pepper id %q is used twice", p.ID))
		}
		seen[p.ID] = true
		k.peppers = append(k.peppers, newKeyed(p))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	k.root = k.peppers[len(k.peppers)-1].secret
	return k, nil
}

// InsecureUnpeppered returns a keyring whose digests are plain SHA-256. Nobody
// can guess a token from its digest, because tokens are random. But anybody who
// can write to the database can store the digest of a token of their own, and
// use that. What Derive returns differs in every process.
func InsecureUnpeppered() *Keyring {
	return &Keyring{peppers: []*keyed{newKeyed(Pepper{})}, root: sealed(GeneratePepper(rootID).Secret)}
}

// Digest returns the digest of t under the newest pepper.
func (k *Keyring) Digest(t Token) Digest { return k.peppers[0].digest(t) }

// Candidates yields the digests under which t may be stored, that of the newest
// pepper first. Each is computed only when it is asked for, so a token under
// the newest pepper costs one HMAC.
func (k *Keyring) Candidates(t Token) iter.Seq[Digest] {
	return func(yield func(Digest) bool) {
		for _, p := range k.peppers {
			if !yield(p.digest(t)) {
				return
			}
		}
	}
}

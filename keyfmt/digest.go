package keyfmt

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
)

// A Digest is what is stored in a token's place: its HMAC-SHA-256 (RFC 2104)
// under the pepper of that id, or its SHA-256 where the id is "". A digest is
// not a token and does not parse as one. It prints and marshals without its sum.
type Digest struct {
	Pepper string
	Sum    [sha256.Size]byte
}

// Format writes the pepper's id and nothing of the sum, whatever the verb: a
// digest opens no door, but it tells people apart.
func (d Digest) Format(w fmt.State, _ rune) { io.WriteString(w, "digest "+d.Pepper) }

// MarshalText returns what Format writes, in JSON too.
func (d Digest) MarshalText() ([]byte, error) { return []byte("digest " + d.Pepper), nil }

// A Keyring makes the digests of tokens: under its newest pepper for what is
// stored, under all of them for what is looked up. It is safe for concurrent
// use and never changes.
type Keyring struct {
	peppers []*keyed // newest first; pointers, so that printing shows none
	root    func() []byte
	made    string // the secrets file, if it did not exist before
}

// NewKeyring returns a keyring over copies of the peppers given. Ids are
// unique, and a secret too short or too plain to be random is refused; the
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

// InsecureUnpeppered returns a keyring whose digests are plain SHA-256. Tokens
// are too random to be guessed from those, but anyone who can write to the
// database can then plant a key of their own. What Derive returns is new in every
// process.
func InsecureUnpeppered() *Keyring {
	return &Keyring{peppers: []*keyed{newKeyed(Pepper{})}, root: sealed(GeneratePepper(rootID).Secret)}
}

// Digest returns the digest of t under the newest pepper.
func (k *Keyring) Digest(t Token) Digest { return k.peppers[0].digest(t) }

// Candidates yields the digests under which t may be stored, newest pepper
// first, each made only when it is asked for.
func (k *Keyring) Candidates(t Token) iter.Seq[Digest] {
	return func(yield func(Digest) bool) {
		for _, p := range k.peppers {
			if !yield(p.digest(t)) {
				return
			}
		}
	}
}

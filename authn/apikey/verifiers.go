package apikey

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"regexp"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// SHA256Hex verifies keys of which the other system has stored the SHA-256 of
// the whole key, in hex. They begin with one of the prefixes; without any,
// whatever has no better owner is looked up, so give prefixes where the keys
// have them.
func SHA256Hex(prefixes ...string) Verifier { return sha256Hex(prefixes) }

type sha256Hex []string

func (s sha256Hex) Record(f Foreign) (lookup, proof string, err error) {
	sum, err := hex.DecodeString(f.Hash)
	if err != nil || len(sum) != sha256.Size {
		return "", "", errors.New("the hash is not SHA-256 in hex")
	}
	return hex.EncodeToString(sum), "", nil // in lower case
}

func (s sha256Hex) Lookup(token string) (string, bool) {
	for _, prefix := range s {
		if strings.HasPrefix(token, prefix) {
			return s.sum(token), true
		}
	}
	return s.sum(token), len(s) == 0
}

func (sha256Hex) sum(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func (sha256Hex) Verify(string, string) bool { return false } // there are no proofs

// Bcrypt verifies keys of two parts, with the separator between: a clear one
// that they are found by, and a secret, where the other system has stored the
// bcrypt hash of the whole key. The last separator counts. A client that knows a
// clear part can make this verify a wrong key, until the right one has been
// used, and can tell that the clear part is known; how often is bounded.
func Bcrypt(separator string) Verifier { return bcrypted{separator: separator} }

// BcryptSecret is Bcrypt where the hash is of the secret part alone.
func BcryptSecret(separator string) Verifier { return bcrypted{separator: separator, secret: true} }

type bcrypted struct {
	separator string
	secret    bool // the hash is of the secret part alone
}

// bcryptForm admits the costs that end within about a second: each step takes
// twice as long. $2x$ marks hashes of a faulty implementation.
var bcryptForm = regexp.MustCompile(`^\$2[aby]\$(0[4-9]|1[0-4])\$[./A-Za-z0-9]{53}$`)

// maxBcrypt is how many bytes bcrypt looks at: what differs behind them would be
// the same key.
const maxBcrypt = 72

func (b bcrypted) Record(f Foreign) (lookup, proof string, err error) {
	switch {
	case b.separator == "":
		return "", "", errors.New("the verifier has no separator and finds no key")
	case f.Clear == "" || strings.HasSuffix(f.Clear, b.separator):
		return "", "", errors.New("the key is found by its clear part, without the separator")
	case !bcryptForm.MatchString(f.Hash):
		return "", "", errors.New("the hash is not bcrypt of a cost from 4 to 14")
	}
	return f.Clear, f.Hash, nil
}

func (b bcrypted) Lookup(token string) (string, bool) {
	clear, hashed, ok := b.split(token)
	return clear, ok && len(hashed) <= maxBcrypt
}

// Verify looks at the form again: a database that was written to must not take
// the minutes of a server.
func (b bcrypted) Verify(token, proof string) bool {
	_, hashed, ok := b.split(token)
	return ok && len(hashed) <= maxBcrypt && bcryptForm.MatchString(proof) &&
		bcrypt.CompareHashAndPassword([]byte(proof), []byte(hashed)) == nil
}

// split returns the clear part of a token and what its hash is of.
func (b bcrypted) split(token string) (clear, hashed string, ok bool) {
	i := strings.LastIndex(token, b.separator)
	if b.separator == "" || i <= 0 {
		return "", "", false
	}
	clear, hashed = token[:i], token[i+len(b.separator):]
	if hashed == "" {
		return "", "", false
	}
	if !b.secret {
		hashed = token
	}
	return clear, hashed, true
}

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
// the whole key in hex. The keys begin with one of the prefixes. Without
// prefixes, every token that no format recognizes is looked up, so give
// prefixes if the keys have some.
//
// Such a hash needs no pepper and no slow function, because the keys are long
// and random: nobody can guess one from its hash.
func SHA256Hex(prefixes ...string) Verifier { return sha256Hex(prefixes) }

// A sha256Hex is the list of prefixes.
type sha256Hex []string

// Record implements [Verifier]. The hash finds the key, and finding it proves
// the key.
func (s sha256Hex) Record(f Foreign) (lookup, proof string, err error) {
	sum, err := hex.DecodeString(f.Hash)
	if err != nil || len(sum) != sha256.Size {
		return "", "", errors.New("the hash is not SHA-256 in hex")
	}
	return hex.EncodeToString(sum), "", nil // in lower case, as sum returns it
}

// Lookup implements [Verifier].
func (s sha256Hex) Lookup(token string) (string, bool) {
	for _, prefix := range s {
		if strings.HasPrefix(token, prefix) {
			return s.sum(token), true
		}
	}
	return s.sum(token), len(s) == 0
}

// sum returns the hash of a key in lower-case hex.
func (sha256Hex) sum(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// Verify implements [Verifier]. It is never called with a proof, because Record
// returns none.
func (sha256Hex) Verify(string, string) bool { return false }

// Bcrypt verifies keys of two parts with a separator between them, of which the
// other system has stored the bcrypt hash of the whole key. The first part is
// no secret, and the key is found by it. The last separator counts.
//
// Until the right key has been used, a client that knows a clear part can cause
// slow verifications of wrong keys, and can tell from the time that the clear
// part is known. The number of such verifications at once is bounded.
func Bcrypt(separator string) Verifier { return bcrypted{separator: separator} }

// BcryptSecret is Bcrypt for systems that have hashed the secret part alone.
func BcryptSecret(separator string) Verifier { return bcrypted{separator: separator, secret: true} }

// A bcrypted is a Verifier of keys with a clear part.
type bcrypted struct {
	separator string
	secret    bool // the hash is of the secret part, not of the whole key
}

// bcryptForm admits the costs that take about a second at most. Each step up
// takes twice as long. It does not admit $2x$, which marks the hashes of a
// faulty implementation.
var bcryptForm = regexp.MustCompile(`^\$2[aby]\$(0[4-9]|1[0-4])\$[./A-Za-z0-9]{53}$`)

// maxBcrypt is how many bytes bcrypt looks at. Keys that differ only after them
// would be one key, so longer ones are refused.
const maxBcrypt = 72

// Record implements [Verifier]. The clear part finds the key, and its bcrypt
// hash proves it.
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

// Lookup implements [Verifier]. A key whose hashed text exceeds what bcrypt
// looks at is none.
func (b bcrypted) Lookup(token string) (string, bool) {
	clear, hashed, ok := b.split(token)
	return clear, ok && len(hashed) <= maxBcrypt
}

// Verify checks the form of the hash again. Somebody may have written into the
// database, and the cost of a hash there must not take the minutes of a server.
func (b bcrypted) Verify(token, proof string) bool {
	_, hashed, ok := b.split(token)
	return ok && len(hashed) <= maxBcrypt && bcryptForm.MatchString(proof) &&
		bcrypt.CompareHashAndPassword([]byte(proof), []byte(hashed)) == nil
}

// split returns the clear part of a token, and the text that its hash is of.
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

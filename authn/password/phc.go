package password

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/crypto/argon2"
)

// ErrHash: a stored password hash that cannot be one, or whose cost is beyond
// all reason. Either the database is damaged, or someone writes into it.
var ErrHash = errors.New("password: unusable hash")

// A cost is what Argon2id works with (RFC 9106 §3.1).
type cost struct {
	memory uint32 // KiB
	time   uint32 // passes over the memory
	lanes  uint8  // goroutines
}

// present is the cost of new hashes: the least memory of those that OWASP's
// Password Storage Cheat Sheet holds to be equally hard to guess.
var present = cost{memory: 19 * 1024, time: 2, lanes: 1}

const (
	saltSize, keySize = 16, 32 // bytes

	// Bounds of what is verified, lest a row of the database take the memory
	// or the minutes of a server. 64 MiB is what RFC 9106 §4 recommends and
	// what others' hashes are made with.
	maxMemory, maxTime, maxLanes = 64 * 1024, 10, 16
	maxPHC                       = 256 // bytes
)

// A phc is an Argon2id hash. It prints in the form of the PHC string format:
// $argon2id$v=19$m=19456,t=2,p=1$salt$key, with unpadded base64.
type phc struct {
	cost
	salt, key []byte
}

const phcForm = "$argon2id$v=19$m=%d,t=%d,p=%d$%s"

// String is parsePHC's inverse.
func (p phc) String() string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf(phcForm, p.memory, p.time, p.lanes, b64(p.salt)+"$"+b64(p.key))
}

// parsePHC refuses, with ErrHash, what no one would have printed, and costs
// out of bounds, before anything is allocated for them. What is wrong is said
// without showing the hash.
func parsePHC(s string) (phc, error) {
	if len(s) > maxPHC {
		return phc{}, fmt.Errorf("%w: %d bytes", ErrHash, len(s))
	}
	var h phc
	var rest string
	fmt.Sscanf(s, phcForm, &h.memory, &h.time, &h.lanes, &rest) // what it misses, or lets pass, prints otherwise
	salt, key, _ := strings.Cut(rest, "$")
	h.salt, _ = base64.RawStdEncoding.DecodeString(salt)
	h.key, _ = base64.RawStdEncoding.DecodeString(key)
	switch {
	case h.String() != s:
		return phc{}, fmt.Errorf("%w: not of the form %q", ErrHash, "$argon2id$v=19$m=…,t=…,p=…$salt$key")
	case h.time < 1 || h.time > maxTime || h.lanes < 1 || h.lanes > maxLanes ||
		h.memory < 8*uint32(h.lanes) || h.memory > maxMemory:
		return phc{}, fmt.Errorf("%w: a cost of m=%d,t=%d,p=%d", ErrHash, h.memory, h.time, h.lanes)
	case len(h.salt) < 8 || len(h.key) < 16: // the longest follow from maxPHC
		return phc{}, fmt.Errorf("%w: a salt of %d bytes and a key of %d", ErrHash, len(h.salt), len(h.key))
	}
	return h, nil
}

// outdated reports whether h is not as Hash makes them now. Dearer ones are,
// too: only where all cost the same does the time of a login tell nothing.
func (p phc) outdated() bool {
	return p.cost != present || len(p.salt) != saltSize || len(p.key) != keySize
}

func argon2id(password, salt []byte, c cost, size int) []byte {
	return argon2.IDKey(password, salt, c.time, c.memory, c.lanes, uint32(size))
}

// maxBcrypt is how many bytes of a password bcrypt looks at.
const maxBcrypt = 72

// Cost 14 takes about a second, and each step up twice as long. $2x$ marks
// hashes of a faulty implementation.
var bcryptForm = regexp.MustCompile(`^\$2[aby]\$(0[4-9]|1[0-4])\$[./A-Za-z0-9]{53}$`)

// checkBcrypt is for what package bcrypt lets pass: high costs, unknown
// versions and trailing text.
func checkBcrypt(s string) error {
	if !bcryptForm.MatchString(s) {
		return fmt.Errorf("%w: not bcrypt of a cost from 4 to 14", ErrHash)
	}
	return nil
}

package password

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/crypto/argon2"
)

// ErrHash says that a stored password hash is malformed, or that its cost is
// out of bounds. The database is damaged, or somebody writes into it.
var ErrHash = errors.New("password: unusable hash")

// A cost is the parameters of Argon2id (RFC 9106 §3.1).
type cost struct {
	memory uint32 // KiB
	time   uint32 // passes over the memory
	lanes  uint8  // degree of parallelism
}

// present is the cost of new hashes. OWASP's Password Storage Cheat Sheet lists
// several that are equally hard to guess, and this is the one with little
// memory.
var present = cost{memory: 19 * 1024, time: 2, lanes: 1}

const (
	saltSize, keySize = 16, 32 // bytes

	// Bounds of the costs that are verified. A row of the database chooses the
	// cost of its hash, and without bounds one row could take the memory or the
	// minutes of a server. 64 MiB is the second recommendation of RFC 9106 §4,
	// which many systems use.
	maxMemory, maxTime, maxLanes = 64 * 1024, 10, 16
	maxPHC                       = 256 // bytes
)

// A phc is an Argon2id hash. It prints in the PHC string format:
// $argon2id$v=19$m=19456,t=2,p=1$salt$key, with unpadded base64.
type phc struct {
	cost
	salt, key []byte
}

const phcForm = "$argon2id$v=19$m=%d,t=%d,p=%d$%s"

// String returns the text that parsePHC reads.
func (p phc) String() string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf(phcForm, p.memory, p.time, p.lanes, b64(p.salt)+"$"+b64(p.key))
}

// parsePHC reads a hash. It accepts only the text that String would print for
// it: no other order, no leading zeros, no trailing text. It checks the cost
// before anything is allocated for it. The error is an ErrHash, and does not
// contain the hash.
func parsePHC(s string) (phc, error) {
	if len(s) > maxPHC {
		return phc{}, fmt.Errorf("%w: %d bytes", ErrHash, len(s))
	}
	var h phc
	var rest string
	fmt.Sscanf(s, phcForm, &h.memory, &h.time, &h.lanes, &rest) // Sscanf is lenient; the comparison with h.String below is not
	salt, key, _ := strings.Cut(rest, "$")
	h.salt, _ = base64.RawStdEncoding.DecodeString(salt)
	h.key, _ = base64.RawStdEncoding.DecodeString(key)
	switch {
	case h.String() != s:
		return phc{}, fmt.Errorf("%w: not of the form %q", ErrHash, "$argon2id$v=19$m=…,t=…,p=…$salt$key")
	case h.time < 1 || h.time > maxTime || h.lanes < 1 || h.lanes > maxLanes ||
		h.memory < 8*uint32(h.lanes) || h.memory > maxMemory:
		return phc{}, fmt.Errorf("%w: a cost of m=%d,t=%d,p=%d", ErrHash, h.memory, h.time, h.lanes)
	case len(h.salt) < 8 || len(h.key) < 16: // maxPHC bounds them from above
		return phc{}, fmt.Errorf("%w: a salt of %d bytes and a key of %d", ErrHash, len(h.salt), len(h.key))
	}
	return h, nil
}

// outdated reports whether h differs from what Hash makes now. A more expensive
// hash is outdated too: if hashes had different costs, the time of a login would
// tell which one a user has.
func (p phc) outdated() bool {
	return p.cost != present || len(p.salt) != saltSize || len(p.key) != keySize
}

// argon2id computes the hash of a password, of size bytes.
func argon2id(password, salt []byte, c cost, size int) []byte {
	return argon2.IDKey(password, salt, c.time, c.memory, c.lanes, uint32(size))
}

// maxBcrypt is how many bytes of a password bcrypt looks at. Passwords that
// differ only after them have the same hash.
const maxBcrypt = 72

// bcryptForm admits costs that take about a second at most, which is cost 14;
// each step up takes twice as long. It does not admit $2x$, which marks the
// hashes of a faulty implementation.
var bcryptForm = regexp.MustCompile(`^\$2[aby]\$(0[4-9]|1[0-4])\$[./A-Za-z0-9]{53}$`)

// checkBcrypt refuses what package bcrypt accepts: high costs, unknown versions
// and trailing text.
func checkBcrypt(s string) error {
	if !bcryptForm.MatchString(s) {
		return fmt.Errorf("%w: not bcrypt of a cost from 4 to 14", ErrHash)
	}
	return nil
}

package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// ErrInvalid says that a text cannot be a password, or that nobody should have
// it.
var ErrInvalid = errors.New("password: invalid")

// Config of a Hasher.
type Config struct {
	// Hashes is how many hashes are computed at once. Each has a processor to
	// itself for some 30 ms, and 19 MiB. Default: half of the processors, at
	// least one. The other half is left to everything else.
	Hashes int
	// Queue is how many callers may wait for a turn, and how many more may wait
	// with priority. Default: 64 for each of Hashes, which is about as many as
	// get a turn within Wait.
	Queue int
	// Wait is the longest wait for a turn, and the longest call of Breached.
	// Default: 2 s.
	Wait time.Duration
	// Words that no password may consist of, such as the name of the service.
	// Default: none.
	Words []string
	// Breached reports whether a password is known to attackers, for example
	// from a list of breached passwords. If it returns an error, the password
	// is accepted and the error is logged, so the error must not contain the
	// password. Default: passwords are not looked up.
	Breached func(ctx context.Context, password string) (bool, error)
	// Logger records errors of Breached. Default: none.
	Logger *slog.Logger
}

// A Hasher hashes and verifies passwords, a bounded number at once. It is safe
// for concurrent use.
//
// It uses Argon2id (RFC 9106) with 19 MiB, two passes and one lane. It does not
// trim, fold or cut off anything of a password, but different ways to write the
// same characters are one password. What it hashes is NFC with every kind of
// space as U+0020, as in the OpaqueString profile of RFC 8265 §4.2. It does not
// apply that profile's ban on control characters. A password that is not UTF-8
// is hashed as it is.
type Hasher struct {
	config Config
	turns  entrance
	words  []string
	derive func(password, salt []byte, c cost, size int) []byte
	absent phc // stands in for a hash that does not exist or is damaged; nobody knows its password
}

// New returns a Hasher, or an error that says what is wrong with c.
func New(c Config) (*Hasher, error) {
	if c.Hashes < 0 || c.Queue < 0 || c.Wait < 0 {
		return nil, errors.New("password: Config.Hashes, Queue and Wait cannot be negative")
	}
	if c.Hashes == 0 {
		c.Hashes = max(1, runtime.GOMAXPROCS(0)/2)
	}
	if c.Queue == 0 {
		c.Queue = 64 * c.Hashes
	}
	if c.Wait == 0 {
		c.Wait = 2 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Hasher{
		config: c, words: append(habits(c.Words), common...),
		turns:  entrance{&semaphore{free: c.Hashes, maxQueue: c.Queue, wait: c.Wait}, ordinary},
		derive: argon2id, absent: phc{cost: present, salt: random(saltSize), key: random(keySize)},
	}, nil
}

// Priority returns a Hasher that shares the turns of p, for callers who have
// proved something already, such as a known device. They wait in a queue of
// their own, which is served first. While others wait too, those get every
// fourth turn.
func (p *Hasher) Priority() *Hasher {
	first := *p
	first.turns.queue = priority
	return &first
}

// Hash returns what to store of a password, as a PHC string. It does not judge
// the password: call Check first if a person has chosen it. Errors:
//
//   - ErrInvalid: the password is empty, or has more than 1,024 bytes.
//   - *BusyError: there was no turn in time.
func (p *Hasher) Hash(ctx context.Context, password string) (string, error) {
	n := len(password)
	if password = normal(password); password == "" {
		return "", fmt.Errorf("%w: %d bytes", ErrInvalid, n)
	}
	if err := p.turns.enter(ctx); err != nil {
		return "", err
	}
	defer p.turns.leave()
	h := phc{cost: present, salt: random(saltSize)}
	h.key = p.derive([]byte(password), h.salt, h.cost, keySize)
	return h.String(), nil
}

// Verify reports whether hash is that of password. If it is, rehash reports
// whether the caller should store a new Hash, because the stored one is an
// import or has another cost.
//
// An empty hash matches no password and takes the same work. Pass it if there
// is no such user or the user has no password. The work is exactly one
// Argon2id, or exactly two if the password is not in the form that is hashed
// now. The second one is of the password as it was sent, for hashes that were
// made before passwords were normalized. If that one matches, rehash is true.
// How many there are of a refused password depends on the password alone, so it
// tells nothing about the user.
//
// Imports are bcrypt ($2a$, $2b$ or $2y$, up to cost 14) and Argon2id of other
// costs, up to 64 MiB and ten passes. Bcrypt looks at 72 bytes only, so it
// never matches a longer password. Verifying an import takes the work that the
// import was made with. So until the first login of an imported user, the time
// of a refusal tells that the user exists.
//
// Errors:
//
//   - *BusyError: there was no turn in time.
//   - ErrHash: the stored hash is damaged. Treat it as a failed login, and
//     alert the operators.
//   - that of ctx.
func (p *Hasher) Verify(ctx context.Context, hash, password string) (ok, rehash bool, err error) {
	if err := p.turns.enter(ctx); err != nil {
		return false, false, err
	}
	defer p.turns.leave()
	form := normal(password)
	if form == "" {
		hash = "" // no such password was ever hashed, and the work is the same
	}
	ok, rehash, err = p.verify(hash, form)
	if !ok && form != "" && form != password && len(password) <= maxBytes {
		ok, _, err = p.verify(hash, password)
		rehash = ok
	}
	return ok, rehash, err
}

// verify compares one hash with one form of a password. Every path that does
// not compare with bcrypt ends in one Argon2id, so a damaged hash takes as long
// as a wrong password.
func (p *Hasher) verify(hash, password string) (ok, rehash bool, err error) {
	h := p.absent
	switch {
	case hash == "":
	case strings.HasPrefix(hash, "$2"):
		if err = checkBcrypt(hash); err == nil && len(password) <= maxBcrypt {
			ok = bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil
			return ok, ok, nil
		}
	default:
		if h, err = parsePHC(hash); err != nil {
			h = p.absent
		}
	}
	ok = p.matches(h, password)
	return ok, ok && h.outdated(), err
}

// matches compares in constant time: the number of equal leading bytes must not
// be measurable.
func (p *Hasher) matches(h phc, password string) bool {
	key := p.derive([]byte(password), h.salt, h.cost, len(h.key))
	return subtle.ConstantTimeCompare(key, h.key) == 1
}

// random returns n bytes of crypto/rand.
func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // it never fails: see crypto/rand
	return b
}

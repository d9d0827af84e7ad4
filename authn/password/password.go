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

// ErrInvalid: a password that cannot be one, or that nobody should have.
var ErrInvalid = errors.New("password: invalid")

// Config of a Hasher.
type Config struct {
	// Hashes is how many are worked out at once: each has a processor to
	// itself for some 30 ms, and 19 MiB. Default: half the processors, at least
	// one, so that a flood of logins leaves the other half to everyone else.
	Hashes int
	// Queue is how many callers may wait for their turn, and how many more may
	// with priority. Default: 64 for each of Hashes, about what Wait has time for.
	Queue int
	// Wait bounds the wait for a turn, and that for Breached. Default: 2 s.
	Wait time.Duration
	// Words that no password may be made of, such as the name of the service.
	// Default: none.
	Words []string
	// Breached reports whether a password is known to attackers, for example
	// from a list of breaches. An error is logged, so it must not show the
	// password, and does not refuse it. Default: nobody is asked.
	Breached func(ctx context.Context, password string) (bool, error)
	// Logger records errors of Breached. Default: none.
	Logger *slog.Logger
}

// A Hasher hashes and verifies passwords, a bounded number at once, with
// Argon2id (RFC 9106) at 19 MiB, two passes and one lane. Nothing of a password
// is trimmed, folded or cut off, but different ways to write the same characters
// are one password: what is hashed is NFC with every kind of space as U+0020, as
// the OpaqueString profile of RFC 8265 §4.2 has it. That profile's ban on control
// characters is not applied. What is not UTF-8 is hashed as it is. Safe for
// concurrent use.
type Hasher struct {
	config Config
	gate   entrance
	words  []string
	derive func(password, salt []byte, c cost, size int) []byte
	absent phc // stands in for a hash that cannot be compared with; no password is known for it
}

// New checks the configuration.
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
		gate:   entrance{&gate{free: c.Hashes, maxQueue: c.Queue, wait: c.Wait}, ordinary},
		derive: argon2id, absent: phc{cost: present, salt: random(saltSize), key: random(keySize)},
	}, nil
}

// Priority returns the same Hasher for callers who have proved something
// already, as by the token of a known device. They wait in a queue of their
// own, which is served first; where others wait too, these get every fourth
// turn.
func (p *Hasher) Priority() *Hasher {
	first := *p
	first.gate.queue = priority
	return &first
}

// Hash returns what to store of a password, as a PHC string. It has no opinion
// on the password: ask Check first, where a person chooses one. Errors:
// ErrInvalid for an empty one or one of more than 1,024 bytes, *BusyError.
func (p *Hasher) Hash(ctx context.Context, password string) (string, error) {
	n := len(password)
	if password = normal(password); password == "" {
		return "", fmt.Errorf("%w: %d bytes", ErrInvalid, n)
	}
	if err := p.gate.enter(ctx); err != nil {
		return "", err
	}
	defer p.gate.leave()
	h := phc{cost: present, salt: random(saltSize)}
	h.key = p.derive([]byte(password), h.salt, h.cost, keySize)
	return h.String(), nil
}

// Verify reports whether hash is of password, and if so whether it should be
// replaced by a new Hash, being of another cost or an import. An empty hash
// (there is no such user, or the user has no password) matches no password and
// takes the same work: exactly one Argon2id, or exactly two if the password is
// not in the form that is hashed now. The second one, of the password as it was
// sent, is for older hashes; if it is the one that matches, rehash is true. How
// many there are of a refused password depends on the password alone.
//
// Imports are bcrypt ($2a$, $2b$ or $2y$, up to cost 14; no password over 72
// bytes, which is all that bcrypt looks at) and Argon2id of other costs, to 64
// MiB and ten passes. Verifying one takes the work that it was made with, so
// until its owner's first login the time of a refusal shows that the user exists.
//
// Errors: *BusyError; ErrHash, to the client a failed login like any other, and
// an alarm to operators of the service; that of ctx.
func (p *Hasher) Verify(ctx context.Context, hash, password string) (ok, rehash bool, err error) {
	if err := p.gate.enter(ctx); err != nil {
		return false, false, err
	}
	defer p.gate.leave()
	form := normal(password)
	if form == "" {
		hash = "" // no such password was ever hashed
	}
	ok, rehash, err = p.verify(hash, form)
	if !ok && form != "" && form != password && len(password) <= maxBytes {
		ok, _, err = p.verify(hash, password)
		rehash = ok
	}
	return ok, rehash, err
}

// verify compares one hash with one form of a password.
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

func (p *Hasher) matches(h phc, password string) bool {
	key := p.derive([]byte(password), h.salt, h.cost, len(h.key))
	return subtle.ConstantTimeCompare(key, h.key) == 1
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}

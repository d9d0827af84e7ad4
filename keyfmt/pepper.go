package keyfmt

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

const (
	minSecret   = 32 // bytes; as many as the digest has
	minDistinct = 8  // different bytes; 32 random bytes never have fewer
	maxPepperID = 32
)

// A Pepper is the key of digests: a secret that is kept apart from the
// database. Without it, a copy of the database proves nothing about any token.
// It prints, logs and marshals as its id alone.
//
// Do not put one into an unexported field of a struct that is printed: package
// fmt cannot call methods there, and prints the bytes.
type Pepper struct {
	ID     string // stored with every digest: 1 to 32 of [a-z0-9-]
	Secret []byte // 32 random bytes or more
}

// GeneratePepper returns a pepper with 32 bytes of crypto/rand.
func GeneratePepper(id string) Pepper {
	p := Pepper{ID: id, Secret: make([]byte, minSecret)}
	rand.Read(p.Secret) // never fails
	return p
}

// check returns everything that is wrong with p in one error.
func (p Pepper) check() error {
	var errs []error
	if len(p.ID) < 1 || len(p.ID) > maxPepperID ||
		strings.Trim(p.ID, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		errs = append(errs, fmt.Errorf("keyfmt: pepper id %q: want 1 to %d of [a-z0-9-]", p.ID, maxPepperID))
	}
	if p.ID == rootID {
		errs = append(errs, fmt.Errorf("keyfmt: pepper id %q: that is the name of the root; choose another", p.ID))
	}
	const remedy = "make one with: openssl rand -hex 32"
	seen := map[byte]bool{}
	for _, b := range p.Secret {
		seen[b] = true
	}
	if len(p.Secret) < minSecret {
		errs = append(errs, fmt.Errorf("keyfmt: pepper %q is weak: %d bytes, want %d or more; %s", p.ID, len(p.Secret), minSecret, remedy))
	} else if len(seen) < minDistinct {
		errs = append(errs, fmt.Errorf("keyfmt: pepper %q is weak: only %d different bytes; %s", p.ID, len(seen), remedy))
	}
	return errors.Join(errs...)
}

// String returns the id without the secret, such as "pepper 2026-01".
func (p Pepper) String() string { return "pepper " + p.ID }

// Format writes what String returns, under every verb.
func (p Pepper) Format(w fmt.State, _ rune) { io.WriteString(w, p.String()) }

// LogValue returns what String returns.
func (p Pepper) LogValue() slog.Value { return slog.StringValue(p.String()) }

// MarshalText returns what String returns. Package json uses it too.
func (p Pepper) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

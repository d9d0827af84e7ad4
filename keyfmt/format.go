// Package keyfmt makes, parses and redacts prefixed tokens such as
// mt_live_4h9d…, and makes the digests that stand for them in a database.
//
// A token is a prefix and 29 characters of [0-9A-Za-z]. 23 of them are drawn
// from crypto/rand (136.9 bits). The last 6 are the CRC-32 (IEEE) of everything
// before them in base 62, most significant digit first.
//
// The checksum covers the prefix. So a test key that was edited into a live one
// is refused without a look-up, as is every mistyped key. The checksum does not
// protect from forgery: anybody can compute it. The random part does.
package keyfmt

import (
	"errors"
	"fmt"
	"strings"
)

const (
	randomLen = 23
	sumLen    = 6
	bodyLen   = randomLen + sumLen

	// Parse computes the checksum of the random characters together with the
	// last two of the prefix: package crc32 processes 25 bytes a quarter faster
	// than 23.
	summed = 2 + randomLen

	minPrefix = 2
	maxPrefix = 40
	maxLen    = maxPrefix + bodyLen
)

// ErrMalformed is wrapped by all errors of [Format.Parse] and [Foreign].
var ErrMalformed = errors.New("keyfmt: malformed token")

// A Format is a family of tokens with a common prefix. Make one with [New]. The
// zero Format parses nothing.
type Format struct {
	prefix string
	sum    uint32 // CRC-32 of the prefix without its last two characters
}

// New returns the format of the tokens that begin with prefix, such as
// "mt_live_" or "sess_". A prefix has 2 to 40 characters of [a-z0-9_]. It
// begins with a letter, and ends with an underscore.
func New(prefix string) (Format, error) {
	if len(prefix) < minPrefix || len(prefix) > maxPrefix {
		return Format{}, fmt.Errorf("keyfmt: prefix has %d characters, want %d to %d", len(prefix), minPrefix, maxPrefix)
	}
	if strings.Trim(prefix, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" ||
		prefix[0] < 'a' || prefix[len(prefix)-1] != '_' {
		return Format{}, fmt.Errorf("keyfmt: prefix %q: want [a-z0-9_], the first a letter and the last an underscore", prefix)
	}
	return Format{prefix, crc(0, prefix[:len(prefix)+randomLen-summed])}, nil
}

// Prefix returns the prefix, such as "mt_live_".
func (f Format) Prefix() string { return f.prefix }

// Pattern returns an RE2 expression for secret scanners. It matches a token
// that stands in a text as a word of its own. It looks at the shape only: give
// what it finds to [Format.Parse], which checks the checksum.
func (f Format) Pattern() string {
	return fmt.Sprintf(`\b%s[0-9A-Za-z]{%d}\b`, f.prefix, bodyLen)
}

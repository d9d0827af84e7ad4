package keyfmt

import (
	"fmt"
	"hash/crc32"
	"unsafe"
)

// These are allocated once, so that refusing a token costs no more than
// accepting it.
var (
	errLength   = fmt.Errorf("%w: length", ErrMalformed)
	errPrefix   = fmt.Errorf("%w: prefix", ErrMalformed)
	errAlphabet = fmt.Errorf("%w: alphabet", ErrMalformed)
	errChecksum = fmt.Errorf("%w: checksum", ErrMalformed)
)

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

const noDigit = 0x80 // greater than every digit, so that or-ing digits shows whether all are valid

// digits maps a byte to its index in the alphabet.
var digits = func() (d [256]byte) {
	for i := range d {
		d[i] = noDigit
	}
	for i := range len(alphabet) {
		d[alphabet[i]] = byte(i)
	}
	return d
}()

// Parse returns s as a token, or an error that wraps [ErrMalformed] and
// contains nothing of s. s must be exactly one token. Parse looks at the length
// first, so a large text costs nothing. It allocates nothing.
//
// It is not constant in time, and does not have to be: prefix and checksum are
// no secrets.
func (f Format) Parse(s string) (Token, error) {
	n := len(f.prefix)
	if n == 0 || len(s) != n+bodyLen {
		return Token{}, errLength
	}
	if s[:n] != f.prefix {
		return Token{}, errPrefix
	}
	seen := byte(0)
	for i := n; i < len(s); i++ {
		seen |= digits[s[i]]
	}
	if seen&noDigit != 0 {
		return Token{}, errAlphabet
	}
	n += randomLen
	sum := uint64(0) // 62^6 > 2^32: a checksum that is too large differs like any other
	for i := n; i < len(s); i++ {
		sum = sum*62 + uint64(digits[s[i]])
	}
	if sum != uint64(crc(f.sum, s[n-summed:n])) {
		return Token{}, errChecksum
	}
	return newToken(s), nil
}

// crc continues sum, the CRC-32 (IEEE) of what came before s, over s.
// crc32.Update neither keeps nor changes its argument. So the bytes of the
// string can be used without a copy.
func crc(sum uint32, s string) uint32 {
	return crc32.Update(sum, crc32.IEEETable, unsafe.Slice(unsafe.StringData(s), len(s)))
}

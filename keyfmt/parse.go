package keyfmt

import (
	"fmt"
	"hash/crc32"
	"unsafe"
)

// Preallocated, so that refusing costs no more than accepting.
var (
	errLength   = fmt.Errorf("%w: length", ErrMalformed)
	errPrefix   = fmt.Errorf("%w: prefix", ErrMalformed)
	errAlphabet = fmt.Errorf("%w: alphabet", ErrMalformed)
	errChecksum = fmt.Errorf("%w: checksum", ErrMalformed)
)

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

const noDigit = 0x80 // above every digit, so that digits can be checked by or-ing

// digits maps a byte to its place in the alphabet.
var digits = func() (d [256]byte) {
	for i := range d {
		d[i] = noDigit
	}
	for i := range len(alphabet) {
		d[alphabet[i]] = byte(i)
	}
	return d
}()

// Parse returns the token that s spells, all of it, or an error that wraps
// [ErrMalformed] and repeats nothing of s. It looks at the length first and
// allocates nothing.
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
	sum := uint64(0) // 62^6 > 2^32: what does not fit is a mismatch like any other
	for i := n; i < len(s); i++ {
		sum = sum*62 + uint64(digits[s[i]])
	}
	if sum != uint64(crc(f.sum, s[n-summed:n])) {
		return Token{}, errChecksum
	}
	return newToken(s), nil
}

// crc returns sum, the CRC-32 (IEEE) of what came before s, continued over s.
// crc32.Update neither keeps nor changes its argument, so that the copy of a
// conversion to []byte can be saved.
func crc(sum uint32, s string) uint32 {
	return crc32.Update(sum, crc32.IEEETable, unsafe.Slice(unsafe.StringData(s), len(s)))
}

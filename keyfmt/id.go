package keyfmt

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"time"
)

// crockford is Douglas Crockford's base 32: no I, L, O or U, and in the order
// of the bytes, so that ids sort as the numbers they spell.
var crockford = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// NewID returns a public id: prefix, such as "key_", and 26 characters that
// spell 48 bits of Unix milliseconds and 80 of crypto/rand. Ids sort as text
// by their millisecond; within one their order is random.
func NewID(prefix string, now time.Time) string {
	// 26 characters hold 130 bits: the last of 160, which base32 takes whole.
	var b [20]byte
	binary.BigEndian.PutUint64(b[2:10], uint64(max(now.UnixMilli(), 0)))
	rand.Read(b[10:])
	s := crockford.EncodeToString(b[:])
	return prefix + s[len(s)-26:]
}

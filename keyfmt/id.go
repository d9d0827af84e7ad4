package keyfmt

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"time"
)

// crockford is Douglas Crockford's base 32. It has no I, L, O and U. Its digits
// are in the order of their bytes, so ids sort like the numbers that they stand
// for.
var crockford = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// NewID returns a public id: a prefix such as "key_", and 26 characters for 48
// bits of Unix milliseconds and 80 bits of crypto/rand. Ids sort as text by
// their millisecond. Those of one millisecond are in random order.
func NewID(prefix string, now time.Time) string {
	// 26 characters hold 130 bits. Base 32 encodes groups of 40 bits, so the id
	// is the end of 160 bits.
	var b [20]byte
	binary.BigEndian.PutUint64(b[2:10], uint64(max(now.UnixMilli(), 0)))
	rand.Read(b[10:])
	s := crockford.EncodeToString(b[:])
	return prefix + s[len(s)-26:]
}

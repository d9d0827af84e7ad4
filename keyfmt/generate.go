package keyfmt

import (
	"crypto/rand"
	"hash/crc32"
)

// Generate returns a new token from crypto/rand. It panics on the zero Format,
// because nothing could parse such a token.
func (f Format) Generate() Token { return f.generate(rand.Read) }

// generate is Generate with a source of random bytes. read fills its argument
// and never fails, as crypto/rand.Read does.
func (f Format) generate(read func([]byte) (int, error)) Token {
	if f.prefix == "" {
		panic("keyfmt: Generate on the zero Format")
	}
	b := make([]byte, 0, maxLen)
	b = append(b, f.prefix...)
	end := len(b) + randomLen
	for random := make([]byte, 32); len(b) < end; {
		read(random)
		b = sample(b, random, end)
	}
	b = appendSum(b, crc32.ChecksumIEEE(b))
	return newToken(string(b))
}

// sample appends a character for each random byte until b has end bytes. It
// passes over bytes of 248 and more: 256 is no multiple of 62, and the
// remainders of those bytes would make the first eight characters more likely
// than the others.
func sample(b, random []byte, end int) []byte {
	const fair = 256 / 62 * 62
	for _, r := range random {
		if len(b) == end {
			break
		}
		if r < fair {
			b = append(b, alphabet[r%62])
		}
	}
	return b
}

// appendSum appends sum in base 62: six digits with leading zeros, the most
// significant one first.
func appendSum(b []byte, sum uint32) []byte {
	var d [sumLen]byte
	for i := sumLen - 1; i >= 0; i-- {
		d[i] = alphabet[sum%62]
		sum /= 62
	}
	return append(b, d[:]...)
}

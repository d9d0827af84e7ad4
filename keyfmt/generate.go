package keyfmt

import (
	"crypto/rand"
	"hash/crc32"
)

// Generate returns a new token from crypto/rand. It panics on the zero
// Format, whose tokens nothing could parse.
func (f Format) Generate() Token { return f.generate(rand.Read) }

// generate draws from read, which fills its argument and never fails.
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

// sample appends a character for every random byte until b has end bytes.
// Bytes of 248 and more are passed over: 256 is no multiple of 62, and taking
// them modulo 62 would favour the first eight characters.
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

// appendSum appends sum in base 62: six digits, zero padded, the most
// significant first.
func appendSum(b []byte, sum uint32) []byte {
	var d [sumLen]byte
	for i := sumLen - 1; i >= 0; i-- {
		d[i] = alphabet[sum%62]
		sum /= 62
	}
	return append(b, d[:]...)
}

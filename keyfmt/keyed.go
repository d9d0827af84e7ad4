package keyfmt

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"slices"
	"sync"
)

// A keyed makes the digests under one pepper. Only one goroutine can use a hash
// at a time, and making one takes several allocations. So hashes are kept in a
// pool.
type keyed struct {
	id     string
	secret func() []byte
	pool   sync.Pool // of *hasher
}

// A hasher is a hash with room for what goes in and comes out, so that a digest
// allocates nothing.
type hasher struct {
	hash.Hash
	buf [maxForeign]byte // the token, and then its digest
}

// newKeyed copies the secret of p. Without a secret, the digest is plain
// SHA-256.
func newKeyed(p Pepper) *keyed {
	secret := slices.Clone(p.Secret)
	k := &keyed{id: p.ID, secret: sealed(secret)}
	k.pool.New = func() any {
		if secret == nil {
			return &hasher{Hash: sha256.New()}
		}
		return &hasher{Hash: hmac.New(sha256.New, secret)}
	}
	return k
}

// digest returns the digest of t. It leaves nothing of t in the pool.
func (k *keyed) digest(t Token) Digest {
	h := k.pool.Get().(*hasher)
	h.Reset()
	n := copy(h.buf[:], t.Reveal())
	h.Write(h.buf[:n])
	h.Sum(h.buf[:0])
	d := Digest{Pepper: k.id, Sum: [sha256.Size]byte(h.buf[:])}
	clear(h.buf[:max(n, sha256.Size)]) // the pool lives longer than the token
	k.pool.Put(h)
	return d
}

package keyfmt

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"slices"
	"sync"
)

// keyed makes the digests of one pepper. A hash in use belongs to one
// goroutine and takes several allocations to make, so they are pooled.
type keyed struct {
	id     string
	secret func() []byte
	pool   sync.Pool // of *hasher
}

type hasher struct {
	hash.Hash
	buf [maxForeign]byte // the token, then its digest
}

// newKeyed copies the secret of p; without one the digest is plain SHA-256.
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

func (k *keyed) digest(t Token) Digest {
	h := k.pool.Get().(*hasher)
	h.Reset()
	n := copy(h.buf[:], t.Reveal())
	h.Write(h.buf[:n])
	h.Sum(h.buf[:0])
	d := Digest{Pepper: k.id, Sum: [sha256.Size]byte(h.buf[:])}
	clear(h.buf[:max(n, sha256.Size)]) // the pool outlives the token
	k.pool.Put(h)
	return d
}

package authn

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"
)

// An entry is one verified key: immutable but for when it was last seen.
type entry struct {
	sum       [32]byte // SHA-256 of the token
	principal *Principal
	err       error     // a refusal that is remembered, instead of a principal
	stamp     stamp     // what the answer is about, and how old it is
	read      time.Time // when the store was asked
	seen      atomic.Int64
}

const ways = 8

// A cache holds entries by the digest of their token in a table of fixed
// size. A lookup takes no lock. Nobody can choose where an entry lands:
// whoever knows tokens with chosen digests has the tokens.
type cache struct {
	sets [][ways]atomic.Pointer[entry]
	mu   sync.Mutex // of writers
}

func newCache(entries int) *cache {
	n := 1
	for n*ways < entries {
		n *= 2
	}
	return &cache{sets: make([][ways]atomic.Pointer[entry], n)}
}

func (c *cache) set(sum *[32]byte) *[ways]atomic.Pointer[entry] {
	return &c.sets[binary.LittleEndian.Uint64(sum[:])&uint64(len(c.sets)-1)]
}

func (c *cache) get(sum *[32]byte) *entry {
	set := c.set(sum)
	for i := range set {
		if e := set[i].Load(); e != nil && e.sum == *sum {
			return e
		}
	}
	return nil
}

// put adds e in the place of an older answer about the same token, else of
// nothing, else of what has gone unseen for longest.
func (c *cache) put(e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	set := c.set(&e.sum)
	victim, oldest := 0, int64(1<<63-1)
	for i := range set {
		old := set[i].Load()
		if old != nil && old.sum == e.sum {
			victim = i
			break
		}
		seen := int64(-1 << 63)
		if old != nil {
			seen = old.seen.Load()
		}
		if seen < oldest {
			victim, oldest = i, seen
		}
	}
	set[victim].Store(e)
}

// drop removes e, if it is still there.
func (c *cache) drop(e *entry) {
	set := c.set(&e.sum)
	for i := range set {
		set[i].CompareAndSwap(e, nil)
	}
}

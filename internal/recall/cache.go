package recall

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
)

const ways = 8

// A cache holds entries by the digest of their token in a table of fixed
// size. A lookup takes no lock. Nobody can choose where an entry lands:
// whoever knows tokens with chosen digests has the tokens.
type cache[V any] struct {
	sets [][ways]atomic.Pointer[Entry[V]]
	mu   sync.Mutex // of writers
}

func newCache[V any](entries int) *cache[V] {
	n := 1
	for n*ways < entries {
		n *= 2
	}
	return &cache[V]{sets: make([][ways]atomic.Pointer[Entry[V]], n)}
}

func (c *cache[V]) set(sum *[32]byte) *[ways]atomic.Pointer[Entry[V]] {
	return &c.sets[binary.LittleEndian.Uint64(sum[:])&uint64(len(c.sets)-1)]
}

func (c *cache[V]) get(sum *[32]byte) *Entry[V] {
	set := c.set(sum)
	for i := range set {
		if e := set[i].Load(); e != nil && e.sum == *sum {
			return e
		}
	}
	return nil
}

// put adds e in the place of an older answer about the same token, else of
// nothing, else of what has gone unused for longest.
func (c *cache[V]) put(e *Entry[V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	set := c.set(&e.sum)
	victim := 0
	for i := range set {
		old := set[i].Load()
		if old != nil && old.sum == e.sum {
			victim = i
			break
		}
		if old.before(set[victim].Load()) {
			victim = i
		}
	}
	set[victim].Store(e)
}

// drop removes e, if it is still there.
func (c *cache[V]) drop(e *Entry[V]) {
	set := c.set(&e.sum)
	for i := range set {
		set[i].CompareAndSwap(e, nil)
	}
}

package authn

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"
)

// An entry is an answer about one token: immutable but for when it was used.
type entry struct {
	sum       [32]byte     // SHA-256 of the token
	principal *Principal   // who it proves
	err       error        // a refusal that is remembered, instead of a principal
	about     [2]uint16    // buckets of the ids it is about: the key, its account
	number    uint64       // of the newest change when the store was asked
	read      time.Time    // when that was
	used      atomic.Int64 // the minute it was last recorded in
}

func (e *entry) expired(now time.Time) bool { return e.principal.expired(now) }

// before orders entries for eviction: nothing, then by the last use, then by
// age.
func (e *entry) before(o *entry) bool {
	switch {
	case e == nil || o == nil:
		return e == nil && o != nil
	case e.used.Load() != o.used.Load():
		return e.used.Load() < o.used.Load()
	}
	return e.read.Before(o.read)
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
// nothing, else of what has gone unused for longest.
func (c *cache) put(e *entry) {
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

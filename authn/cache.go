package authn

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"
)

// An entry is an answer about one token: immutable but for when it was used.
type entry struct {
	sum        [32]byte     // SHA-256 of the token
	principal  *Principal   // who it proves
	err        error        // a refusal that is remembered, instead of a principal
	about      [3]uint16    // buckets of the ids it is about
	number     uint64       // of the newest change when the store was asked
	read       time.Time    // when that was
	used, last atomic.Int64 // the grain it was last recorded in; Unix ns of the last use

	// Of sessions alone.
	principals []Principal // the same, by the environment it acts in
	cookie     bool        // its transport
	idle       time.Duration
}

// is notes what the answer is about: up to three ids.
func (e *entry) is(ids ...string) {
	for i := range e.about {
		e.about[i] = bucket(ids[min(i, len(ids)-1)])
	}
}

func (e *entry) expired(now time.Time) bool {
	return e.principal.expired(now) || e.idle > 0 && now.UnixNano() >= e.last.Load()+int64(e.idle)
}

// seen moves the last use on, never back.
func (e *entry) seen(now time.Time) {
	for {
		old := e.last.Load()
		if now.UnixNano() <= old || e.last.CompareAndSwap(old, now.UnixNano()) {
			return
		}
	}
}

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

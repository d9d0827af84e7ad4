package recall

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"
)

// ways is the number of places in a set.
const ways = 8

// A cache holds entries by the digest of their token, in a table of fixed size.
// A look-up takes no lock. A set has eight places. To push out the entries of
// others on purpose takes valid tokens whose digests fall into the same set,
// because only verified answers are stored.
type cache[V any] struct {
	sets [][ways]atomic.Pointer[Entry[V]]
	mu   sync.Mutex // of writers
}

// newCache returns a cache with places for at least that many entries. The
// number of sets is a power of two.
func newCache[V any](entries int) *cache[V] {
	n := 1
	for n*ways < entries {
		n *= 2
	}
	return &cache[V]{sets: make([][ways]atomic.Pointer[Entry[V]], n)}
}

// set returns the set that a digest belongs to. SHA-256 spreads tokens evenly.
func (c *cache[V]) set(sum *[32]byte) *[ways]atomic.Pointer[Entry[V]] {
	return &c.sets[binary.LittleEndian.Uint64(sum[:])&uint64(len(c.sets)-1)]
}

// get returns the entry of a digest, or nil. It compares the whole digest.
func (c *cache[V]) get(sum *[32]byte) *Entry[V] {
	set := c.set(sum)
	for i := range set {
		if e := set[i].Load(); e != nil && e.sum == *sum {
			return e
		}
	}
	return nil
}

// put stores e. It takes the place of an older answer about the same token, or
// else an empty place, or else that of the entry that has not been used for
// longest.
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

// drop removes e, if it is still in its place.
func (c *cache[V]) drop(e *Entry[V]) {
	set := c.set(&e.sum)
	for i := range set {
		set[i].CompareAndSwap(e, nil)
	}
}

// An Entry is an answer about one token. It is immutable, except for the times
// of its uses.
type Entry[V any] struct {
	Value   V             // what the token proves
	Err     error         // a refusal, which is cached instead of a value
	Expires time.Time     // zero: never
	Idle    time.Duration // how long it may go unused; 0: until Expires
	Once    bool          // it is used once, and the store is asked again the next time

	mark
}

// A mark is what every answer has, whatever it says.
type mark struct {
	sum        [32]byte     // SHA-256 of the token
	id         string       // the id that uses are recorded under
	about      [3]uint16    // the buckets of the ids that the answer depends on
	number     uint64       // of the newest change that was known when the store was asked
	Read       time.Time    // when the store was asked
	used, last atomic.Int64 // the grain it was last recorded in; Unix ns of the last use
}

// About sets what the answer depends on: up to three ids, and first that of the
// credential itself.
func (m *mark) About(ids ...string) {
	m.id = ids[0]
	for i := range m.about {
		m.about[i] = bucket(ids[min(i, len(ids)-1)])
	}
}

// Expired reports whether the token has ended by time, absolute or idle.
func (e *Entry[V]) Expired(now time.Time) bool {
	return !e.Expires.IsZero() && !now.Before(e.Expires) || e.Idle > 0 && now.UnixNano() >= e.last.Load()+int64(e.Idle)
}

// Seen moves the last use forward, and never back.
func (m *mark) Seen(now time.Time) {
	for {
		old := m.last.Load()
		if now.UnixNano() <= old || m.last.CompareAndSwap(old, now.UnixNano()) {
			return
		}
	}
}

// before orders entries for eviction: an empty place first, then by the last
// use, and then by age.
func (e *Entry[V]) before(o *Entry[V]) bool {
	switch {
	case e == nil || o == nil:
		return e == nil && o != nil
	case e.used.Load() != o.used.Load():
		return e.used.Load() < o.used.Load()
	}
	return e.Read.Before(o.Read)
}

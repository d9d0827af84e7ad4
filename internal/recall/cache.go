package recall

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"
)

const ways = 8

// A cache holds entries by the digest of their token in a table of fixed size. A
// lookup takes no lock. Crowding out verified entries on purpose takes valid tokens
// whose digests fall into the same set.
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

// An Entry is an answer about one token: immutable but for when it was used.
type Entry[V any] struct {
	Value   V             // what the token proves
	Err     error         // a refusal that is remembered, instead of a value
	Expires time.Time     // zero: never
	Idle    time.Duration // how long it may go unseen; 0: until Expires
	Once    bool          // true now, but to be asked again the next time

	mark
}

// A mark is what an answer has, whatever it says.
type mark struct {
	sum        [32]byte     // SHA-256 of the token
	id         string       // whose uses are recorded
	about      [3]uint16    // buckets of the ids it is about
	number     uint64       // of the newest change when the store was asked
	Read       time.Time    // when that was
	used, last atomic.Int64 // the grain it was last recorded in; Unix ns of the last use
}

// About notes what the answer is about: up to three ids, first that of the
// credential itself.
func (m *mark) About(ids ...string) {
	m.id = ids[0]
	for i := range m.about {
		m.about[i] = bucket(ids[min(i, len(ids)-1)])
	}
}

// Expired reports whether the token has ended with time.
func (e *Entry[V]) Expired(now time.Time) bool {
	return !e.Expires.IsZero() && !now.Before(e.Expires) || e.Idle > 0 && now.UnixNano() >= e.last.Load()+int64(e.Idle)
}

// Seen moves the last use on, never back.
func (m *mark) Seen(now time.Time) {
	for {
		old := m.last.Load()
		if now.UnixNano() <= old || m.last.CompareAndSwap(old, now.UnixNano()) {
			return
		}
	}
}

// before orders entries for eviction: nothing, then by the last use, then by
// age.
func (e *Entry[V]) before(o *Entry[V]) bool {
	switch {
	case e == nil || o == nil:
		return e == nil && o != nil
	case e.used.Load() != o.used.Load():
		return e.used.Load() < o.used.Load()
	}
	return e.Read.Before(o.Read)
}

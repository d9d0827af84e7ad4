package recall

import (
	"sync/atomic"
	"time"
)

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

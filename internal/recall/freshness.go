package recall

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// freshness decides which answers of the store may still be used. It is the
// store.Watcher of a cache.
//
// Every change gets the next number, and leaves it in the bucket of the id that
// it is about. An answer carries the number that was current *before* the store
// was asked. It holds while its buckets have no newer number. So an answer that
// was on its way while a change was committed is stale on arrival. Two ids may
// share a bucket, which costs a needless read and nothing else.
//
// Independently of that, an answer ends with its lease. The lease begins when
// the store was asked, and every sign of life of the stream renews it. So a
// stream that hangs half-open cannot break the bound.
//
// No sign of life renews an answer beyond its greatest age. A stream may be
// alive and not tell of a change, for example of one that was written with the
// triggers of the database disabled.
type freshness struct {
	lease   time.Duration
	age     time.Duration // the greatest age of an answer
	outage  time.Duration // the lease while the store is down, from the same beginning
	base    time.Time
	last    atomic.Uint64 // the number of the newest change
	gap     atomic.Uint64 // the number of the newest gap
	floor   atomic.Uint64 // the number of the newest gap in which something has changed
	alive   atomic.Int64  // since base: all changes before are known; 0: there was no sign of life
	buckets [numBuckets]atomic.Uint64

	mu   sync.Mutex
	gaps []gap // the newest ones, oldest first
}

// A gap is a time for which the stream was not whole.
type gap struct {
	number uint64
	alive  int64 // until when the stream was whole before it
}

// mostGaps bounds how many gaps are kept.
const mostGaps = 64

var seed = maphash.MakeSeed()

// numBuckets of 8 bytes take 128 KiB. A change makes about one in 5,000
// unrelated answers be read again.
const numBuckets = 16_384

// bucket returns the bucket of an id. The hash is seeded, so nobody can choose
// ids that share the bucket of another.
func bucket(id string) uint16 { return uint16(maphash.String(seed, id) % numBuckets) }

// Forget implements store.Watcher. The change has been committed before Forget
// is called. So a read that begins after Forget has taken its number sees the
// change.
func (f *freshness) Forget(id string) { raise(&f.buckets[bucket(id)], f.last.Add(1)) }

// Gap implements store.Watcher. Something may have changed, and answers from
// before are read again.
func (f *freshness) Gap() { f.beginGap() }

// Change is a Gap in which something has changed, and it is unknown what.
func (f *freshness) Change() { raise(&f.floor, f.beginGap()) }

// beginGap records that a gap begins now, and returns its number.
func (f *freshness) beginGap() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.last.Add(1)
	f.gaps = append(f.gaps, gap{n, f.alive.Load()})
	if len(f.gaps) > mostGaps { // what was read between the oldest two gaps is taken for older than it is
		f.gaps[1].alive = f.gaps[0].alive
		f.gaps = slices.Delete(f.gaps, 0, 1)
	}
	raise(&f.gap, n)
	return n
}

// Alive implements store.Watcher. All changes before at have been reported.
func (f *freshness) Alive(at time.Time) {
	d := int64(at.Sub(f.base))
	for {
		old := f.alive.Load()
		if d <= old || f.alive.CompareAndSwap(old, d) {
			return
		}
	}
}

// raise never lowers a number: two changes may arrive here in either order.
func raise(a *atomic.Uint64, to uint64) {
	for {
		old := a.Load()
		if to <= old || a.CompareAndSwap(old, to) {
			return
		}
	}
}

// changed reports whether a change is known that is newer than e, of what e
// depends on.
func (f *freshness) changed(e *mark) bool {
	for _, b := range e.about {
		if f.buckets[b].Load() > e.number {
			return true
		}
	}
	return false
}

// ageOf returns the greatest age of e. It is between three quarters of the
// configured age and all of it, but at least a lease. It depends on the digest
// of the token, so answers that were read together are not all read again
// together.
func (f *freshness) ageOf(e *mark) time.Duration {
	part := time.Duration(e.sum[len(e.sum)-1]) // the first bytes choose the place in the cache
	return max(f.lease, f.age-f.age/1024*part) // at most 255/1024 less
}

// holds reports whether e may be used at now. Every condition can only say no.
func (f *freshness) holds(e *mark, now time.Time) bool {
	if f.changed(e) {
		return false
	}
	if f.gap.Load() > e.number {
		return false
	}
	age := now.Sub(e.Read)
	if age >= f.ageOf(e) {
		return false
	}
	if age < f.lease {
		return true
	}
	alive := f.alive.Load()
	return alive > 0 && int64(now.Sub(f.base)) < alive+int64(f.lease)
}

// holdsDuringOutage reports whether e may be used at now while the store is
// down. A gap in which something may have changed does not prevent that,
// because a stream breaks together with its store. A change that was heard of
// does.
func (f *freshness) holdsDuringOutage(e *mark, now time.Time) bool {
	return f.outage > 0 && !f.changed(e) && f.floor.Load() <= e.number && now.Sub(f.held(e)) < f.outage
}

// held returns the last moment at which e is known to have held: when it was
// read, or at a later sign of life of the stream. A sign of life after a gap
// says nothing about what was read before the gap. The result is never later
// than the greatest age of e.
func (f *freshness) held(e *mark) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	alive := f.alive.Load()
	for _, g := range f.gaps {
		if g.number > e.number {
			alive = g.alive
			break
		}
	}
	at := f.base.Add(time.Duration(alive))
	if alive <= 0 || !at.After(e.Read) {
		return e.Read
	}
	if oldest := e.Read.Add(f.age); at.After(oldest) {
		return oldest
	}
	return at
}

// untouched reports whether nothing at all has changed since e was read.
// Refusals are used again only then, because a key that did not exist has no id
// by which a change could name it.
func (f *freshness) untouched(e *mark, now time.Time) bool {
	return f.last.Load() == e.number && now.Sub(e.Read) < min(f.lease, negativeLease)
}

// negativeLease is the longest time for which a refusal is used again.
const negativeLease = time.Second

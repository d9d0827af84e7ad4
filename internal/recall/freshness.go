package recall

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// freshness knows which answers of the store still hold. It is the
// store.Watcher behind a cache.
//
// Every change gets the next number and leaves it in the bucket of the id it
// is about. An answer carries the number that was current *before* the store
// was asked, and holds while its buckets show nothing newer: so an answer that
// was on its way while a change was committed is stale on arrival. Two ids
// that share a bucket cost a needless read, no more.
//
// Independently of that an answer ends with its lease, which begins when the
// store was asked and is renewed by every sign of life of the stream, so that
// a stream that hangs half-open cannot break the bound.
//
// No sign of life renews an answer beyond its greatest age. A stream may be
// alive and yet not tell of a change, for instance of one that was written with
// the triggers of the database disabled.
type freshness struct {
	lease   time.Duration
	age     time.Duration // greatest age of an answer
	outage  time.Duration // instead of that, from the same beginning, while the store is down
	base    time.Time
	last    atomic.Uint64 // number of the newest change
	gap     atomic.Uint64 // number of the newest gap
	floor   atomic.Uint64 // and of the newest in which something has changed
	alive   atomic.Int64  // since base: all changes before are known; 0: never
	buckets [numBuckets]atomic.Uint64

	mu   sync.Mutex
	gaps []gap // the latest, oldest first
}

// A gap is one in the stream.
type gap struct {
	number uint64
	alive  int64 // until when the stream was whole
}

const mostGaps = 64

var seed = maphash.MakeSeed()

// numBuckets is 128 KiB of them: a change makes about one in 5,000 answers be
// read anew that it has nothing to do with.
const numBuckets = 16_384

func bucket(id string) uint16 { return uint16(maphash.String(seed, id) % numBuckets) }

// Forget implements store.Watcher.
func (f *freshness) Forget(id string) { raise(&f.buckets[bucket(id)], f.last.Add(1)) }

// Gap implements store.Watcher: something may have changed.
func (f *freshness) Gap() { f.beginGap() }

// Change is a Gap in which something has, nobody knows what.
func (f *freshness) Change() { raise(&f.floor, f.beginGap()) }

// beginGap records a gap that begins here, and returns its number.
func (f *freshness) beginGap() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.last.Add(1)
	f.gaps = append(f.gaps, gap{n, f.alive.Load()})
	if len(f.gaps) > mostGaps { // what was read between the oldest two is taken for older than it is
		f.gaps[1].alive = f.gaps[0].alive
		f.gaps = slices.Delete(f.gaps, 0, 1)
	}
	raise(&f.gap, n)
	return n
}

// Alive implements store.Watcher.
func (f *freshness) Alive(at time.Time) {
	d := int64(at.Sub(f.base))
	for {
		old := f.alive.Load()
		if d <= old || f.alive.CompareAndSwap(old, d) {
			return
		}
	}
}

// raise never lowers: two changes may arrive here in either order.
func raise(a *atomic.Uint64, to uint64) {
	for {
		old := a.Load()
		if to <= old || a.CompareAndSwap(old, to) {
			return
		}
	}
}

// changed reports whether something newer than e is known of what it is about.
func (f *freshness) changed(e *mark) bool {
	for _, b := range e.about {
		if f.buckets[b].Load() > e.number {
			return true
		}
	}
	return false
}

// ageOf returns the greatest age of the answer e: between three quarters of the
// configured age and all of it, but a lease at least. It depends on the digest of
// the token, so that answers that were read together are not all read again
// together.
func (f *freshness) ageOf(e *mark) time.Duration {
	part := time.Duration(e.sum[len(e.sum)-1]) // the first bytes say where e is in the cache
	return max(f.lease, f.age-f.age/1024*part) // at most 255/1024 less
}

// holds reports whether e may be used at now.
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

// holdsDuringOutage reports whether e may be used at now if the store is down. A gap
// in which something may have changed does not prevent that, because the stream
// breaks together with the store.
func (f *freshness) holdsDuringOutage(e *mark, now time.Time) bool {
	return f.outage > 0 && !f.changed(e) && f.floor.Load() <= e.number && now.Sub(f.held(e)) < f.outage
}

// held returns when e held for sure: when it was read, or at a later sign of
// life of the stream, which after a gap says nothing about what was read before,
// and never later than e's greatest age.
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

// untouched reports whether nothing at all has changed since e: the condition
// of a remembered refusal, because a key that did not exist has no id to be
// forgotten by.
func (f *freshness) untouched(e *mark, now time.Time) bool {
	return f.last.Load() == e.number && now.Sub(e.Read) < min(f.lease, negativeLease)
}

const negativeLease = time.Second

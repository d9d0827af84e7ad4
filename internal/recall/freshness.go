package recall

import (
	"hash/maphash"
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
type freshness struct {
	lease   time.Duration
	base    time.Time
	last    atomic.Uint64 // number of the newest change
	gap     atomic.Uint64 // number of the newest gap
	alive   atomic.Int64  // since base: all changes before are known; 0: never
	buckets [1024]atomic.Uint64
}

var seed = maphash.MakeSeed()

func bucket(id string) uint16 { return uint16(maphash.String(seed, id) % 1024) }

// Forget implements store.Watcher.
func (f *freshness) Forget(id string) { raise(&f.buckets[bucket(id)], f.last.Add(1)) }

// Gap implements store.Watcher.
func (f *freshness) Gap() { raise(&f.gap, f.last.Add(1)) }

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

// holds reports whether e may be used at now.
func (f *freshness) holds(e *mark, now time.Time) bool {
	for _, b := range e.about {
		if f.buckets[b].Load() > e.number {
			return false
		}
	}
	if f.gap.Load() > e.number {
		return false
	}
	if now.Sub(e.Read) < f.lease {
		return true
	}
	alive := f.alive.Load()
	return alive > 0 && int64(now.Sub(f.base)) < alive+int64(f.lease)
}

// untouched reports whether nothing at all has changed since e: the condition
// of a remembered refusal, because a key that did not exist has no id to be
// forgotten by.
func (f *freshness) untouched(e *mark, now time.Time) bool {
	return f.last.Load() == e.number && now.Sub(e.Read) < min(f.lease, negativeLease)
}

const negativeLease = time.Second

package ratelimit

import "time"

// Buckets count the uses of a rolling window with a quota above maxRing. They
// cut time into sub-windows of a sixteenth of the period, and have a counter
// for the present one and for each of the 16 before it:
//
//	word 0    description
//	word 1    index of the newest sub-window, counted from the store's base
//	words 2…  18 counters of 32 bits: the sum, then one for each index mod 17
//
// A use in sub-window i counts while the present sub-window is i+16 or earlier.
// So it counts until 16 whole sub-windows have passed after its own, which is
// between 1 and 17/16 periods after the use.
//
// From that follows that the quota is never exceeded in any period: of uses
// within one period, the first and the last are at most 16 sub-windows apart.
// So when the last is decided, all of them are in the sum.
//
// A step is rounded up to whole nanoseconds, so 16 of them are never shorter
// than a period.
//
// For example, 100 a minute has sub-windows of 3.75 seconds. A use 1 second
// after the beginning of a sub-window counts for 62.75 seconds. A client that
// takes all it can get receives 100 in 63.75 seconds at the least, which is 94
// % of the quota.
const (
	buckets     = 16
	subWindows  = buckets + 1
	bucketWords = 2 + (1+subWindows)/2
)

// counter returns counter i: 0 is the sum, and the others are those of the
// sub-windows. Two counters share a word.
func counter(st []uint64, i int64) int64 {
	return int64(uint32(st[2+i/2] >> (i % 2 * 32)))
}

// setCounter writes counter i. The quota of a rolling window is less than
// 1<<32, so v fits.
func setCounter(st []uint64, i, v int64) {
	shift := i % 2 * 32
	st[2+i/2] = st[2+i/2]&^(0xffffffff<<shift) | uint64(v)<<shift
}

// readBuckets returns the uses that count at t. It writes nothing: sub-windows
// that have passed since the last charge are subtracted from the sum here, and
// are cleared by the next charge.
func (w *window) readBuckets(st []uint64, t *instant) reading {
	newest := int64(st[1])
	r := reading{pos: t.at / w.step}
	// If more sub-windows have passed, every use has ended and nothing is read.
	if r.pos-newest < subWindows {
		r.used = counter(st, 0)
		for i := newest + 1; i <= r.pos; i++ {
			r.used -= counter(st, 1+i%subWindows)
		}
	}
	return r
}

// chargeBuckets adds cost to the present sub-window. First it clears the
// counters of the sub-windows that have begun since the last charge: a counter
// is used again for every 17th sub-window, and still has an old count. r.used is
// the sum without those counts.
func (w *window) chargeBuckets(st []uint64, r *reading, cost int64) {
	for i := max(int64(st[1])+1, r.pos-buckets); i <= r.pos; i++ {
		setCounter(st, 1+i%subWindows, 0)
	}
	r.used += cost
	st[1] = uint64(r.pos)
	setCounter(st, 0, r.used)
	i := 1 + r.pos%subWindows
	setCounter(st, i, counter(st, i)+cost)
}

// bucketReturns returns the time until n of the uses no longer count. It adds
// up the counters from the oldest on. Counters that readBuckets would subtract
// lie before i, so they are not added.
func (w *window) bucketReturns(st []uint64, t *instant, r *reading, n int64) time.Duration {
	newest := int64(st[1])
	i := r.pos - buckets
	for ; i < newest; i++ {
		if n -= counter(st, 1+i%subWindows); n <= 0 {
			break
		}
	}
	return time.Duration((i+subWindows)*w.step - t.now)
}

// eachBucket calls f for all uses, oldest first. It takes each use to be at the
// end of its sub-window, which is not before the use, but not after the last
// charge.
func (w *window) eachBucket(st []uint64, last int64, f func(at, cost int64)) {
	newest := int64(st[1])
	for i := newest - buckets; i <= newest; i++ {
		if n := counter(st, 1+i%subWindows); n > 0 {
			f(min((i+1)*w.step, last), n)
		}
	}
}

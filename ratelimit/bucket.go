package ratelimit

import "time"

// Buckets count the uses of a rolling window with a quota above maxRing in
// sub-windows of a sixteenth of the period, the present one and the 16 before:
//
//	word 0    description
//	word 1    index of the newest sub-window, counted from the store's base
//	words 2…  18 counters of 32 bits: the sum, then one for each index mod 17
//
// A use counts until sixteen whole sub-windows have passed after its own, so
// for 1 to 17/16 periods.
const (
	buckets     = 16
	subWindows  = buckets + 1
	bucketWords = 2 + (1+subWindows)/2
)

func counter(st []uint64, i int64) int64 {
	return int64(uint32(st[2+i/2] >> (i % 2 * 32)))
}

func setCounter(st []uint64, i, v int64) {
	shift := i % 2 * 32
	st[2+i/2] = st[2+i/2]&^(0xffffffff<<shift) | uint64(v)<<shift
}

func (w *window) readBuckets(st []uint64, t *instant) reading {
	newest := int64(st[1])
	r := reading{pos: t.at / w.step}
	if r.pos-newest < subWindows {
		r.used = counter(st, 0)
		for i := newest + 1; i <= r.pos; i++ {
			r.used -= counter(st, 1+i%subWindows)
		}
	}
	return r
}

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

// eachBucket calls f for all uses, oldest first, each at the end of its
// sub-window but not after the last charge.
func (w *window) eachBucket(st []uint64, last int64, f func(at, cost int64)) {
	newest := int64(st[1])
	for i := newest - buckets; i <= newest; i++ {
		if n := counter(st, 1+i%subWindows); n > 0 {
			f(min((i+1)*w.step, last), n)
		}
	}
}

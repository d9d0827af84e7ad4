package ratelimit

import (
	"math/bits"
	"time"
)

// A ring holds the times of the last uses of a rolling window whose quota is at
// most maxRing. The times are ticks of 16 bits since the phase. The phase is
// the exact time of the first use after the window was empty:
//
//	word 0   description, with the index of the next entry and the count
//	word 1   phase, ns since the store's base
//	words 2… entries, four to a word
//
// A period has `ticks` ticks, which is a multiple of the quota. A use is
// rounded up to a tick, and the present is rounded down. So a use never looks
// older than it is, and no unit returns early: the quota is never exceeded in
// any period.
//
// Rounding loses nothing for a client that makes a request exactly every
// period/quota, beginning when the window is empty. Its uses after the phase are
// at multiples of a whole number of ticks, where nothing is rounded. So such a
// client is never refused. After an earlier use at another time, its uses lie
// between ticks, and each of them may return up to a tick late, which is at most
// 1/30000 of the period. So a client with an earlier use within the last period
// may be refused up to that long.
//
// For example, 10 a minute has 60,000 ticks of a millisecond. A client that
// makes a request every 6 seconds has its uses at the ticks 0, 6000, 12000 and
// so on. At 60 seconds the use at tick 0 is exactly 60,000 ticks old, and no
// longer counts. 7 a minute has 59,997 ticks, whose length is no whole number
// of nanoseconds: position and ns then multiply and divide in 128 bits, so that
// nothing is lost there either.
//
// An entry is counted modulo 1<<16, which is unambiguous. At a charge, all
// entries lie within one period, which is less than 1<<16 ticks. Afterwards
// each entry is read relative to the newest one, and the newest one relative to
// the last use, which is known exactly.
const (
	maxRing   = 64
	maxTicks  = 60000
	ringWords = 3 // before the entries
)

// readRing returns how many uses count at t. Uses are in order, so it drops the
// oldest ones until one is younger than a period. It writes nothing.
func (w *window) readRing(st []uint64, t *instant) reading {
	n := int(uint8(st[0] >> countShift))
	if n == 0 || t.at-int64(st[2]) >= w.period {
		return reading{}
	}
	var r reading
	r.pos, r.past = w.position(t.at - int64(st[1]))
	// The oldest entry is looked at first. When one is young enough, the rest
	// is younger still.
	for ; n > 0; n-- {
		if w.age(st, &r, n) < int64(w.ticks) {
			break
		}
	}
	r.used = int64(n)
	return r
}

// chargeRing appends cost entries with the present tick. The first use after
// the window was empty becomes the phase.
func (w *window) chargeRing(st []uint64, t *instant, r *reading, cost int64) {
	if r.used == 0 {
		st[1] = uint64(t.at)
		r.pos, r.past = 0, false
	}
	st[2] = uint64(t.at)
	tick := uint16(r.pos)
	if r.past {
		tick++
	}
	size := int(w.shape &^ ringShape)
	head := int(uint8(st[0] >> headShift))
	// A replay may charge more than the ring has room for. Then every entry is
	// this one, and the ring is full.
	cost = min(cost, int64(size))
	for range cost {
		word, shift := ringWords+head/4, head%4*16
		st[word] = st[word]&^(0xffff<<shift) | uint64(tick)<<shift
		if head++; head == size {
			head = 0
		}
	}
	r.used = min(r.used+cost, int64(size))
	st[0] = w.desc | uint64(head)<<headShift | uint64(r.used)<<countShift
}

// age returns how many ticks before r.pos the n-th newest entry is. It is -1
// for an entry that was rounded up beyond r.pos.
func (w *window) age(st []uint64, r *reading, n int) int64 {
	head := int(uint8(st[0] >> headShift))
	newest := w.entry(st, head-1)
	// The newest entry is -1 to ticks-1 old, and the others are up to ticks
	// older than it.
	sinceNewest := int64(uint16(r.pos)-newest+1) - 1
	return sinceNewest + int64(newest-w.entry(st, head-n))
}

// entry returns entry i. A negative i counts from the end of the ring.
func (w *window) entry(st []uint64, i int) uint16 {
	if i < 0 {
		i += int(w.shape &^ ringShape)
	}
	return uint16(st[ringWords+i/4] >> (i % 4 * 16))
}

// time returns the time of the n-th newest use, rounded up to a tick, but not
// after the last charge, whose time is known exactly.
func (w *window) time(st []uint64, r *reading, n int) int64 {
	tick := r.pos - w.age(st, r, n)
	return min(int64(st[1])+w.ns(tick), int64(st[2]))
}

// position converts nanoseconds to ticks, rounded down. past reports whether
// something was lost.
func (w *window) position(ns int64) (tick int64, past bool) {
	if w.tick > 0 {
		tick = ns / w.tick
		return tick, tick*w.tick != ns
	}
	// It cannot overflow, because ticks < 1<<16 and period ≥ 1e6.
	hi, lo := bits.Mul64(uint64(ns), w.ticks)
	q, rest := bits.Div64(hi, lo, uint64(w.period))
	return int64(q), rest > 0
}

// ns converts ticks to nanoseconds, rounded up.
func (w *window) ns(tick int64) int64 {
	if w.tick > 0 {
		return tick * w.tick
	}
	hi, lo := bits.Mul64(uint64(tick), uint64(w.period))
	ns, rest := bits.Div64(hi, lo, w.ticks)
	if rest > 0 {
		ns++
	}
	return int64(ns)
}

// ringReturns returns the time until n of the uses no longer count.
func (w *window) ringReturns(st []uint64, t *instant, r *reading, n int64) time.Duration {
	// The n-th oldest use returns one period after it. The result is on a tick,
	// because a period is a whole number of ticks, or it is the time when the
	// whole ring ends.
	return time.Duration(w.time(st, r, int(r.used-n+1)) + w.period - t.now)
}

// eachInRing calls f for all uses, oldest first.
func (w *window) eachInRing(st []uint64, f func(at, cost int64)) {
	t := instant{at: int64(st[2])}
	r := w.readRing(st, &t)
	for n := int(r.used); n > 0; n-- {
		f(w.time(st, &r, n), 1)
	}
}

package ratelimit

import (
	"math/bits"
	"time"
)

// A ring holds the times of the last uses of a rolling window whose quota is
// at most maxRing, as 16-bit ticks since its phase, the exact time of the
// first use after it was empty:
//
//	word 0   description, with the index of the next entry and the count
//	word 1   phase, ns since the store's base
//	words 2… entries, four to a word
//
// A period has `ticks` ticks, a multiple of the quota. A use is rounded up to
// a tick and the present is rounded down, so a unit never returns early; and
// uses at exact multiples of period/quota after the phase fall on ticks, where
// nothing is rounded, so they are never refused.
//
// An entry counts modulo 1<<16. That is unambiguous: at a charge the entries
// lie within one period, which is less than 1<<16 ticks, and from then on they
// are told from the newest of them.
const (
	maxRing  = 64
	maxTicks = 60000
)

func (w *window) readRing(st []uint64, t *instant) reading {
	n := int(uint8(st[0] >> countShift))
	if n == 0 || t.at-t.last >= w.period {
		return reading{}
	}
	var r reading
	r.pos, r.past = w.position(t.at - int64(st[1]))
	for ; n > 0; n-- {
		if w.age(st, &r, n) < int64(w.ticks) {
			break
		}
	}
	r.used = int64(n)
	return r
}

func (w *window) chargeRing(st []uint64, t *instant, r *reading, cost int64) {
	if r.used == 0 {
		st[1] = uint64(t.at)
		r.pos, r.past = 0, false
	}
	tick := uint16(r.pos)
	if r.past {
		tick++
	}
	size := int(w.shape &^ ringShape)
	head := int(uint8(st[0] >> headShift))
	cost = min(cost, int64(size))
	for range cost {
		word, shift := 2+head/4, head%4*16
		st[word] = st[word]&^(0xffff<<shift) | uint64(tick)<<shift
		if head++; head == size {
			head = 0
		}
	}
	r.used = min(r.used+cost, int64(size))
	st[0] = w.desc | uint64(head)<<headShift | uint64(r.used)<<countShift
}

// age returns how many ticks before r.pos the n-th newest entry lies; -1 for
// one that was rounded up beyond it.
func (w *window) age(st []uint64, r *reading, n int) int64 {
	head := int(uint8(st[0] >> headShift))
	newest := w.entry(st, head-1)
	// The newest is -1 to ticks-1 old, and the others up to ticks older.
	sinceNewest := int64(uint16(r.pos)-newest+1) - 1
	return sinceNewest + int64(newest-w.entry(st, head-n))
}

// entry returns entry i, where i may be negative by less than the size.
func (w *window) entry(st []uint64, i int) uint16 {
	if i < 0 {
		i += int(w.shape &^ ringShape)
	}
	return uint16(st[2+i/4] >> (i % 4 * 16))
}

// time returns when the n-th newest use was, rounded up to a tick but not
// beyond the last charge, which is known exactly.
func (w *window) time(st []uint64, t *instant, r *reading, n int) int64 {
	tick := r.pos - w.age(st, r, n)
	return min(int64(st[1])+w.ns(tick), t.last)
}

// position converts ns to ticks, rounded down, and tells whether it rounded.
func (w *window) position(ns int64) (tick int64, past bool) {
	if w.tick > 0 {
		tick = ns / w.tick
		return tick, tick*w.tick != ns
	}
	// Cannot overflow: ticks < 1<<16 and period ≥ 1e6.
	hi, lo := bits.Mul64(uint64(ns), w.ticks)
	q, rest := bits.Div64(hi, lo, uint64(w.period))
	return int64(q), rest > 0
}

// ns converts ticks to ns, rounded up.
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

func (w *window) ringReturns(st []uint64, t *instant, r *reading, n int64) time.Duration {
	// The n-th oldest returns a period after its use. That falls on a tick, as
	// a period does, or it is when the whole ring is forgotten.
	return time.Duration(w.time(st, t, r, int(r.used-n+1)) + w.period - t.now)
}

// eachInRing calls f for all uses, oldest first.
func (w *window) eachInRing(st []uint64, last int64, f func(at, cost int64)) {
	t := instant{at: last, last: last}
	r := w.readRing(st, &t)
	for n := int(r.used); n > 0; n-- {
		f(w.time(st, &t, &r, n), 1)
	}
}

package ratelimit

import "math"

// A table holds records of one size, in sets of eight. A set has the tags of
// its eight places in one cache line, and then the eight places. A place has
// the second half of the identity, and then the record.
//
// An identity may be in one of two sets, and a new one goes to the emptier of
// them. With one set for each, a table for n keys would lose one in seven of n
// live keys, because some sets overflow while others have room. With two, and a
// quarter more places than keys or a little more, it loses fewer than one in a thousand: see
// TestHoldsItsKeys.
//
// The two sets are in the same stripe, so that one lock guards both. A table
// contains no pointers to records, so the garbage collector does not scan it.
// The system provides memory only for the pages that have been used.
type table struct {
	stripes [][]uint64 // nil until it is used
	slot    int        // words of a place
	sets    int        // of a stripe
}

// ways is the number of places in a set.
const ways = 8

// An identity is a seeded hash of 128 bits. tag is never 0, because that marks
// a free place.
type identity struct{ tag, rest uint64 }

// grow makes a stripe, if it is not there.
func (t *table) grow(stripe int) {
	if t.stripes[stripe] == nil {
		t.stripes[stripe] = make([]uint64, t.sets*ways*(1+t.slot))
	}
}

// pair returns the numbers of the two sets that id may be in. They are one set if
// a stripe has only one.
func (t *table) pair(id identity) (first, second int) {
	sets := uint64(t.sets)
	i, j := id.tag>>32*sets>>32, id.rest>>32*sets>>32
	if i == j {
		if j++; j == sets {
			j = 0
		}
	}
	return int(i), int(j)
}

func (t *table) set(stripe, i int) []uint64 {
	size := ways * (1 + t.slot)
	return t.stripes[stripe][i*size : (i+1)*size : (i+1)*size]
}

// find returns the record of id, the set that it is in and its place there, or
// nil. Both halves of the identity must match.
func (t *table) find(stripe int, id identity) (rec, set []uint64, way int) {
	if t.stripes[stripe] == nil {
		return nil, nil, 0
	}
	first, second := t.pair(id)
	set = t.set(stripe, first)
	if way := t.place(set, id); way >= 0 {
		return t.record(set, way), set, way
	}
	set = t.set(stripe, second)
	if way := t.place(set, id); way >= 0 {
		return t.record(set, way), set, way
	}
	return nil, nil, 0
}

// place returns the place of id in a set, or -1.
func (t *table) place(set []uint64, id identity) int {
	for way, tag := range set[:ways] {
		// A tag that is equal by accident is told apart by the other half.
		if tag == id.tag && set[ways+way*t.slot] == id.rest {
			return way
		}
	}
	return -1
}

// record returns the words of a place behind the second half of the identity.
func (t *table) record(set []uint64, way int) []uint64 {
	i := ways + way*t.slot
	return set[i+1 : i+t.slot : i+t.slot]
}

// remove frees the place of id.
func (t *table) remove(stripe int, id identity) {
	if rec, set, way := t.find(stripe, id); rec != nil {
		set[way] = 0
	}
}

// add returns a record for id, which must not be in the table. The record still
// contains what its former owner left there.
//
// In two full sets, the new record takes the place of the one with the least
// pressure. So a flood of new identities does not push out those that are at
// their limit.
func (t *table) add(stripe int, id identity, now *instant) []uint64 {
	t.grow(stripe)
	first, second := t.pair(id)
	var set []uint64
	way, live, least := 0, ways+1, uint64(math.MaxUint64)
	for _, i := range [2]int{first, second} {
		s := t.set(stripe, i)
		w, l, p := t.victim(s, now)
		// The emptier set, or of two full sets that with the lesser pressure.
		if l < live || l == live && p < least {
			set, way, live, least = s, w, l, p
		}
	}
	// The record of the victim is forgotten, and the caller writes the new one
	// over it.
	set[way], set[ways+way*t.slot] = id.tag, id.rest
	return t.record(set, way)
}

// victim returns the place of a set that a new record may have, how many places
// still count something, and the pressure of the victim.
func (t *table) victim(set []uint64, now *instant) (way, live int, least uint64) {
	least = math.MaxUint64
	for w := range ways {
		p := uint64(0)
		if set[w] != 0 {
			p = pressure(t.record(set, w), now)
		}
		if p > 0 {
			live++
		}
		if p < least {
			way, least = w, p
		}
	}
	return way, live, least
}

// pressure orders records for eviction. It is 0 if nothing in rec counts any
// more. Otherwise it is ordered by how little the tightest limit had left at
// the last charge (bits 56–63 of word 1), and then by the time of that charge.
func pressure(rec []uint64, now *instant) uint64 {
	for at := 1; at < len(rec); {
		w, ok := describedBy(rec[at])
		if !ok {
			break
		}
		if w.alive(rec[at:], now) {
			const timeBits = 63 - 8 // drops the lowest 8 of a time below 1<<63
			return 1 + rec[1]>>pressureShift<<timeBits + rec[0]>>8
		}
		at += w.words
	}
	return 0
}

// alive reports whether the window may still have uses that count.
func (w *window) alive(st []uint64, now *instant) bool {
	switch {
	case w.shape >= ringShape:
		return st[0]>>countShift&0xff > 0 && now.now-int64(st[2]) < w.period
	case w.shape == bucketShape:
		return counter(st, 0) > 0 && now.now/w.step-int64(st[1]) < subWindows
	}
	return st[2] > 0 && now.second < int64(st[1])
}

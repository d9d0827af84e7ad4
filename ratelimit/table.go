package ratelimit

// A table holds records of one size, in sets of eight. A set has the tags of
// its eight places in one cache line, and then the eight places. A place has
// the second half of the identity, and then the record.
//
// A table contains no pointers, so the garbage collector does not scan it. The
// system provides memory only for the pages that have been used. A table has no
// lock of its own: see Memory.locks.
type table struct {
	words []uint64
	slot  int // words of a slot
	mask  uint64
}

// ways is the number of places in a set.
const ways = 8

// newTable returns an empty table. sets is a power of two.
func newTable(sets, slot int) *table {
	return &table{make([]uint64, sets*ways*(1+slot)), slot, uint64(sets - 1)}
}

// An identity is a seeded hash of 128 bits. tag is never 0, because that marks
// a free place.
type identity struct{ tag, rest uint64 }

// set returns the words of the set that id belongs to.
func (t *table) set(id identity) []uint64 {
	size := ways * (1 + t.slot)
	i := int(id.tag&t.mask) * size
	return t.words[i : i+size : i+size]
}

// find returns the record of id and its place, or nil. Both halves of the
// identity must match.
func (t *table) find(id identity) (rec []uint64, way int) {
	set := t.set(id)
	for way := range ways {
		// A tag that is equal by accident is told apart by the other half.
		if set[way] == id.tag {
			i := ways + way*t.slot
			if set[i] == id.rest {
				return set[i+1 : i+t.slot : i+t.slot], way
			}
		}
	}
	return nil, 0
}

// remove frees the place of id.
func (t *table) remove(id identity) {
	if rec, way := t.find(id); rec != nil {
		t.set(id)[way] = 0
	}
}

// add returns a record for id, which must not be in the table. The record still
// contains what its former owner left there.
//
// In a full set, the new record takes the place of the one with the least
// pressure: one whose windows have all passed, if there is one. So a flood of
// new identities does not push out those that are at their limit.
func (t *table) add(id identity, now *instant) []uint64 {
	set := t.set(id)
	victim, least := 0, ^uint64(0)
	for way := range ways {
		if set[way] == 0 {
			victim = way
			break
		}
		i := ways + way*t.slot
		if p := pressure(set[i+1:i+t.slot], now); p < least {
			victim, least = way, p
		}
	}
	i := ways + victim*t.slot
	// The record of the victim is forgotten, and the caller writes the new one
	// over it.
	set[victim], set[i] = id.tag, id.rest
	return set[i+1 : i+t.slot]
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
		if w.alive(rec[at:], int64(rec[0]), now) {
			const timeBits = 63 - 8 // drops the lowest 8 of a time below 1<<63
			return 1 + rec[1]>>pressureShift<<timeBits + rec[0]>>8
		}
		at += w.words
	}
	return 0
}

// alive reports whether the window may still have uses that count.
func (w *window) alive(st []uint64, last int64, now *instant) bool {
	if w.period > 0 {
		return now.now-last < w.period+w.step
	}
	return now.second-int64(st[1]) < w.length()
}

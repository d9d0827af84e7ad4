package ratelimit

// A table holds records of one size in sets of eight: first the eight tags of
// a set in one cache line, then the eight slots. It holds no pointers, so the
// garbage collector does not look at it, and the system backs only the pages
// that have been used. Its owner locks.
//
// A slot is the second half of the identity, then the record.
type table struct {
	words []uint64
	slot  int // words of a slot
	mask  uint64
}

const ways = 8

func newTable(sets, slot int) *table {
	return &table{make([]uint64, sets*ways*(1+slot)), slot, uint64(sets - 1)}
}

// An identity is a 128-bit keyed hash. tag is never 0, which marks a free slot.
type identity struct{ tag, rest uint64 }

func (t *table) set(id identity) []uint64 {
	size := ways * (1 + t.slot)
	i := int(id.tag&t.mask) * size
	return t.words[i : i+size : i+size]
}

// find returns the record of id and its way, or nil.
func (t *table) find(id identity) (rec []uint64, way int) {
	set := t.set(id)
	for way := range ways {
		if set[way] == id.tag {
			i := ways + way*t.slot
			if set[i] == id.rest {
				return set[i+1 : i+t.slot : i+t.slot], way
			}
		}
	}
	return nil, 0
}

// remove forgets id.
func (t *table) remove(id identity) {
	if rec, way := t.find(id); rec != nil {
		t.set(id)[way] = 0
	}
}

// add returns a record for id, which the table does not hold, with whatever a
// former owner left in it. In a full set it takes the place of a record whose
// windows have all passed, else of the one under the least pressure, so that a
// flood of new identities does not push out those it is there to stop.
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
	set[victim], set[i] = id.tag, id.rest
	return set[i+1 : i+t.slot]
}

// pressure orders records for eviction: 0 if nothing in rec counts any more;
// else above all by how little its tightest limit had left at the last charge
// (bits 56–63 of word 1), then by the time of that charge.
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

// alive reports whether the window may still hold usage.
func (w *window) alive(st []uint64, last int64, now *instant) bool {
	if w.period > 0 {
		return now.now-last < w.period+w.step
	}
	return now.second-int64(st[1]) < w.length()
}

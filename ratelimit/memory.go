package ratelimit

import (
	"context"
	"errors"
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// Memory is a [Store] inside the process. It has a fixed size: 192 bytes for
// each key, which is enough for plans such as 60 a minute and 10,000 a day.
// Plans with more state, such as three windows with small quotas, use a second
// table with another 608 bytes for each key. That table is made when the first
// such plan is used. Take does not allocate.
//
// Keys are spread over sets of eight places. In a full set, a new key takes the
// place of a key that has nothing left to count, or else of the key that has
// used the smallest share of its quota. So a flood of new identities does not
// make the store forget those that are at their limit, which would let them
// pass.
type Memory struct {
	base  time.Time // has a monotonic reading
	seeds [2]maphash.Seed
	locks []lock
	sets  int

	narrow *table
	once   sync.Once
	wide   atomic.Pointer[table] // nil until a plan needs it
}

const (
	defaultKeys = 1 << 16
	mostKeys    = 1 << 26
	narrowSlot  = 23 // words; with its tag, 192 bytes
	wideSlot    = 75 // words; a record of four full rings
	mostLocks   = 512
)

// A lock fills a cache line, so that neighbouring locks do not slow each other
// down.
type lock struct {
	sync.Mutex
	_ [56]byte
}

// NewMemory returns an empty store for about maxKeys keys. The number is
// rounded up to a power of two, and is at most 1<<26. 0 means 65,536.
func NewMemory(maxKeys int) *Memory {
	if maxKeys <= 0 {
		maxKeys = defaultKeys
	}
	sets := 1 << bits.Len(uint((min(maxKeys, mostKeys)-1)/ways))
	m := &Memory{
		base:   time.Now(),
		locks:  make([]lock, min(sets, mostLocks)),
		sets:   sets,
		narrow: newTable(sets, narrowSlot),
	}
	for i := range m.seeds {
		m.seeds[i] = maphash.MakeSeed()
	}
	return m
}

var (
	errNoPlan  = errors.New("ratelimit: take without a plan")
	errNoValue = errors.New("ratelimit: take with a negative cost")
)

// Take implements [Store]. It fails only if the plan is nil or the cost is
// negative.
func (m *Memory) Take(_ context.Context, t Take, now time.Time) (d Decision, err error) {
	if t.Plan == nil {
		return d, errNoPlan
	}
	if t.Cost < 0 {
		return d, errNoValue
	}
	// The identity is a hash, so a long subject takes no more memory than a
	// short one.
	id := m.identify(t.Scope, t.Subject)
	at := m.instant(now)
	table := m.table(t.Plan)

	// The tables have equal numbers of sets, so one lock guards a subject in
	// both. Everything below is one step for other takes of this subject:
	// reading all windows, deciding, and charging.
	l := &m.locks[id.tag&uint64(len(m.locks)-1)]
	l.Lock()
	defer l.Unlock()
	if rec, _ := table.find(id); rec != nil && t.Plan.describes(rec) {
		t.Plan.decide(rec, &at, t.Cost, &d)
		return d, nil
	}
	m.admit(table, id, t, &at, &d)
	return d, nil
}

// admit decides for a subject that is new, or was last charged under another
// layout. It decides on a copy of the record, and stores it only if something
// was charged. So a refused request takes no place from others.
func (m *Memory) admit(to *table, id identity, t Take, at *instant, d *Decision) {
	from := to
	old, _ := to.find(id)
	if old == nil {
		if from = m.other(to); from != nil {
			old, _ = from.find(id)
		}
	}
	// This is on the stack. Until something is charged, nothing in a table has
	// changed.
	var fresh [wideSlot - 1]uint64
	rec := fresh[:to.slot-1]
	t.Plan.adopt(rec, old)
	if !t.Plan.decide(rec, at, t.Cost, d) {
		return
	}
	switch {
	case old == nil:
		old = to.add(id, at)
	// Under the new plan the subject needs a record of the other size. It is in
	// one table at a time, because its lock is held.
	case from != to:
		from.remove(id)
		old = to.add(id, at)
	}
	copy(old, rec)
}

// table returns the table whose records are large enough for p.
func (m *Memory) table(p *Plan) *table {
	if p.words < narrowSlot {
		return m.narrow
	}
	if m.wide.Load() == nil {
		m.once.Do(func() { m.wide.Store(newTable(m.sets, wideSlot)) })
	}
	return m.wide.Load()
}

// other returns the table that t is not, or nil if there is only one.
func (m *Memory) other(t *table) *table {
	if t == m.narrow {
		return m.wide.Load()
	}
	return m.narrow
}

// identify hashes scope and subject separately, so that ("a:b", "c") and ("a",
// "b:c") differ. A client may influence the subject. It is hashed under seeds
// of this process, so no client can choose subjects that fill one set. Scopes
// are few, and the program chooses them, so a hash without a seed is enough.
//
// Two halves make 128 bits, so no two subjects ever share a counter by
// accident.
func (m *Memory) identify(scope, subject string) identity {
	const odd = 0x9e3779b97f4a7c15
	s := fnv(scope)
	id := identity{
		tag:  maphash.String(m.seeds[0], subject) + s,
		rest: maphash.String(m.seeds[1], subject) ^ s*odd,
	}
	if id.tag == 0 {
		id.tag = 1
	}
	return id
}

// fnv returns the FNV-1a hash of s. Package hash/fnv has it for writers only.
func fnv(s string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 0x100000001b3
	}
	return h
}

// instant converts now to nanoseconds since 146 years before the base. It uses
// the monotonic clock if now has a reading of it, so a stepped wall clock frees
// nothing. Instants further than 146 years from the base stand still, and do
// not overflow.
func (m *Memory) instant(now time.Time) instant {
	const century, margin = 1 << 62, 1 << 54 // margin is more than any period
	d := int64(now.Sub(m.base))
	d = max(min(d, century-margin), margin-century)
	return instant{now: d + century, second: now.Unix(), nano: int64(now.Nanosecond())}
}

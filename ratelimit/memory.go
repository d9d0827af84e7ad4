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

// Memory is a [Store] inside the process, of fixed size: it takes 192 bytes a
// key for plans like 60 a minute and 10,000 a day, and another 608 in a second
// table that is made when the first plan with more state is used (three
// windows with small quotas, say). Take does not allocate.
//
// Keys are spread over sets of eight. In a full set a new key takes the place
// of one that has nothing left to count, else of the one that has used the
// smallest share of its quota; a subject at its limit is the last to go.
type Memory struct {
	base  time.Time // with a monotonic reading
	seeds [2]maphash.Seed
	locks []lock
	sets  int

	narrow *table
	once   sync.Once
	wide   atomic.Pointer[table] // nil until needed
}

const (
	defaultKeys = 1 << 16
	mostKeys    = 1 << 26
	narrowSlot  = 23 // with its tag, 192 bytes
	wideSlot    = 75 // a record of four full rings
	mostLocks   = 512
)

// A lock is alone on its cache line.
type lock struct {
	sync.Mutex
	_ [56]byte
}

// NewMemory returns an empty store for about maxKeys keys, rounded up to a
// power of two, at most 1<<26; 0 means 65,536.
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

// Take implements [Store]. It fails only for a nil plan or a negative cost.
func (m *Memory) Take(_ context.Context, t Take, now time.Time) (d Decision, err error) {
	if t.Plan == nil {
		return d, errNoPlan
	}
	if t.Cost < 0 {
		return d, errNoValue
	}
	id := m.identify(t.Scope, t.Subject)
	at := m.instant(now)
	table := m.table(t.Plan)

	// Tables have equal numbers of sets, so one lock guards a subject in both.
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
// layout. It writes only what was charged.
func (m *Memory) admit(to *table, id identity, t Take, at *instant, d *Decision) {
	from := to
	old, _ := to.find(id)
	if old == nil {
		if from = m.other(to); from != nil {
			old, _ = from.find(id)
		}
	}
	var fresh [wideSlot - 1]uint64
	rec := fresh[:to.slot-1]
	t.Plan.adopt(rec, old)
	if !t.Plan.decide(rec, at, t.Cost, d) {
		return
	}
	switch {
	case old == nil:
		old = to.add(id, at)
	case from != to:
		from.remove(id)
		old = to.add(id, at)
	}
	copy(old, rec)
}

// table returns the table for records of p.
func (m *Memory) table(p *Plan) *table {
	if p.words < narrowSlot {
		return m.narrow
	}
	if m.wide.Load() == nil {
		m.once.Do(func() { m.wide.Store(newTable(m.sets, wideSlot)) })
	}
	return m.wide.Load()
}

// other returns the other table, or nil.
func (m *Memory) other(t *table) *table {
	if t == m.narrow {
		return m.wide.Load()
	}
	return m.narrow
}

// identify hashes scope and subject apart, so that ("a:b", "c") and
// ("a", "b:c") differ. Nobody can aim at a set without the seeds; scopes are
// the program's own and few, so a hash without a key tells them apart.
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

// fnv is FNV-1a, which package hash/fnv has for writers.
func fnv(s string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 0x100000001b3
	}
	return h
}

// instant converts now to ns since 146 years before the base, by the monotonic
// clock where now has one, which a stepped wall clock does not move. Instants
// beyond 146 years of the base stand still.
func (m *Memory) instant(now time.Time) instant {
	const century, margin = 1 << 62, 1 << 54 // margin is more than any period
	d := int64(now.Sub(m.base))
	d = max(min(d, century-margin), margin-century)
	return instant{now: d + century, second: now.Unix(), nano: int64(now.Nanosecond())}
}

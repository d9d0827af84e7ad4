package ratelimit

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"
	"time"
)

// Memory is a [Store] inside the process. Its size is fixed when it is made: 254
// bytes for each key, which is enough for plans such as 60 a minute and 10,000 a
// day. It holds that many live keys, and forgets at most one in a thousand of
// them. Subjects with more state, as under a plan of three windows with small
// quotas, or under several plans in turn, are in a second table with another 810
// bytes for each key, which grows in steps as it is used. Take does not allocate
// but for these steps. It has room for four windows with quotas of 64 or more of
// other kinds; of a subject with more, the shortest windows are forgotten.
//
// Keys are spread over sets of eight places, two for each key. In full sets, a
// new key takes the place of a key that has nothing left to count, or else of
// the key that has used the smallest share of its quota. So a flood of new
// identities does not make the store forget those that are at their limit, which
// would let them pass. What can be forgotten is bounded by what that costs: a
// subject that has used a third of its quota, by about as many new identities as
// the table has places; one at its limit, only by identities that use up theirs.
type Memory struct {
	base         time.Time // has a monotonic reading
	seeds        [2]maphash.Seed
	locks        []lock // one for each stripe of the tables
	narrow, wide table

	mu     sync.Mutex
	scopes map[string]bool // that a limiter has
}

const (
	defaultKeys = 1 << 16
	mostKeys    = 1 << 26
	narrowSlot  = 24 // words; with its tag, 200 bytes
	wideSlot    = 79 // words; a record of four full rings
	mostLocks   = 512
	stripeKeys  = 1024 // at least, so that stripes fill alike
)

// A lock fills a cache line, so that neighbouring locks do not slow each other
// down.
type lock struct {
	sync.Mutex
	_ [56]byte
}

// NewMemory returns an empty store for maxKeys keys, at most 1<<26. 0 means
// 65,536.
func NewMemory(maxKeys int) *Memory {
	if maxKeys <= 0 {
		maxKeys = defaultKeys
	}
	maxKeys = min(maxKeys, mostKeys)
	stripes := 1
	for stripes < mostLocks && maxKeys/(2*stripes) >= stripeKeys {
		stripes *= 2
	}
	places := maxKeys + (maxKeys*27+99)/100
	sets := (places + ways*stripes - 1) / (ways * stripes)
	m := &Memory{
		base:   time.Now(),
		locks:  make([]lock, stripes),
		narrow: table{make([][]uint64, stripes), narrowSlot, sets},
		wide:   table{make([][]uint64, stripes), wideSlot, sets},
		scopes: make(map[string]bool),
	}
	for i := range stripes {
		m.narrow.grow(i)
	}
	for i := range m.seeds {
		m.seeds[i] = maphash.MakeSeed()
	}
	return m
}

var (
	errNoPlan    = errors.New("ratelimit: take without a plan: make one with ParsePlan or NewPlan")
	errNoSubject = errors.New("ratelimit: take without a subject: all callers would share one counter")
	errNoValue   = errors.New("ratelimit: take with a negative cost")
)

// Check returns why no store may decide a take, or nil: it has no plan, no subject, or a
// negative cost.
func (t *Take) Check() error {
	switch {
	case t.Plan == nil || len(t.Plan.limits) == 0:
		return errNoPlan
	case t.Subject == "":
		return errNoSubject
	case t.Cost < 0:
		return errNoValue
	}
	return nil
}

// Take implements [Store]. It fails only if there is no plan or no subject, or
// the cost is negative.
func (m *Memory) Take(_ context.Context, t Take, now time.Time) (d Decision, err error) {
	if err := t.Check(); err != nil {
		return d, err
	}
	// The identity is a hash, so a long subject takes no more memory than a
	// short one.
	id := m.identify(t.Scope, t.Subject)
	at := m.instant(now)
	stripe := int(id.tag & uint64(len(m.locks)-1))

	// The tables have equal stripes, so one lock guards a subject in both.
	// Everything below is one step for other takes of this subject: reading all
	// windows, deciding, and charging.
	l := &m.locks[stripe]
	l.Lock()
	defer l.Unlock()
	rec, in := m.find(stripe, id)
	if rec != nil && t.Plan.describes(rec) {
		t.Plan.decide(rec, &at, t.Cost, &d)
		return d, nil
	}
	m.admit(stripe, id, rec, in, t, &at, &d)
	return d, nil
}

// find returns the record of a subject and its table, or nil.
func (m *Memory) find(stripe int, id identity) ([]uint64, *table) {
	if rec, _, _ := m.narrow.find(stripe, id); rec != nil {
		return rec, &m.narrow
	}
	if rec, _, _ := m.wide.find(stripe, id); rec != nil {
		return rec, &m.wide
	}
	return nil, nil
}

// admit decides for a subject that is new, or was last charged under another
// layout. It decides on a copy of the record, and stores it only if something
// was charged. So a refused request takes no place from others.
func (m *Memory) admit(stripe int, id identity, old []uint64, from *table, t Take, at *instant, d *Decision) {
	// This is on the stack. Until something is charged, nothing in a table has
	// changed.
	var fresh [wideSlot - 1]uint64
	to := from
	if words := t.Plan.adopt(fresh[:], old, at); words >= narrowSlot {
		to = &m.wide
	} else if from == nil {
		to = &m.narrow
	}
	rec := fresh[:to.slot-1]
	if !t.Plan.decide(rec, at, t.Cost, d) {
		return
	}
	m.put(stripe, id, rec, old, from, to, at)
}

// raise makes the windows of a subject hold at least what a decision of another
// store says has been used. It charges the difference at now, so the uses return
// here no earlier than there. It never lowers a count: what was admitted here
// while the other store did not answer stays counted.
func (m *Memory) raise(t *Take, d *Decision, now time.Time) {
	id, at := m.identify(t.Scope, t.Subject), m.instant(now)
	stripe := int(id.tag & uint64(len(m.locks)-1))
	l := &m.locks[stripe]
	l.Lock()
	defer l.Unlock()
	old, from := m.find(stripe, id)
	var fresh [wideSlot - 1]uint64
	words := t.Plan.adopt(fresh[:], old, &at)
	if !t.Plan.raise(fresh[:], &at, d) {
		return
	}
	to := from
	if words >= narrowSlot {
		to = &m.wide
	} else if from == nil {
		to = &m.narrow
	}
	m.put(stripe, id, fresh[:to.slot-1], old, from, to, &at)
}

// put stores the record of a subject, whose old one is in from, if it has one.
func (m *Memory) put(stripe int, id identity, rec, old []uint64, from, to *table, at *instant) {
	// The subject is in one table at a time, because its lock is held.
	if from != to {
		if from != nil {
			from.remove(stripe, id)
		}
		old = to.add(stripe, id, at)
	}
	copy(old, rec)
}

// claim notes that a limiter counts in a scope. It reports false if another one
// does: the two would charge the same counters.
func (m *Memory) claim(scope string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	taken := m.scopes[scope]
	m.scopes[scope] = true
	return !taken
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

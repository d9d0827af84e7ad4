package ratelimit

import "time"

// A window is one limit in the form that Memory keeps: a few words of a record.
// The first word describes the others, so that a record can be read without its
// plan, for example after the plan has changed:
//
//	bits  0–31  period in milliseconds; 0 for calendars
//	bits 32–39  shape
//	bits 40–47  rings: index of the next entry
//	bits 48–55  rings: number of entries
//	bits 56–63  first window only: the record's pressure (record.go)
type window struct {
	desc   uint64 // bits 0–39
	shape  uint8
	start  int // of its words in the record
	words  int
	quota  int64
	period int64 // ns

	ticks uint64    // rings: per period
	tick  int64     // rings: ns of a tick; 0: not a whole number
	step  int64     // buckets: ns of a sub-window
	cal   *calendar // calendars: where they begin
}

// The shapes of windows. A ring of n entries has the shape ringShape|n.
const (
	noShape uint8 = iota
	dayShape
	monthShape
	bucketShape
	ringShape uint8 = 0x80
)

const (
	descMask      = 1<<40 - 1
	shapeShift    = 32
	headShift     = 40
	countShift    = 48
	pressureShift = 56
)

// compile lays out the limits as the windows of one record.
func (p *Plan) compile() {
	p.words = 1 // the time of the last charge
	for i := range p.limits {
		l := &p.limits[i]
		shape := bucketShape
		switch {
		case l.Kind == Calendar:
			shape = dayShape
		case l.Kind == Monthly:
			shape = monthShape
		case l.Quota <= maxRing:
			shape = ringShape | uint8(l.Quota)
		}
		w := newWindow(shape, l.Window.Milliseconds())
		w.start, w.quota = p.words, l.Quota
		if w.period == 0 {
			w.cal = &calendar{zone: l.Zone, anchor: l.Anchor}
		}
		p.windows = append(p.windows, w)
		p.words += w.words
	}
}

// newWindow returns the window of a shape. ms is its period in milliseconds, if
// it is a rolling one.
func newWindow(shape uint8, ms int64) window {
	w := window{shape: shape}
	switch {
	case shape == dayShape, shape == monthShape:
		ms, w.words = 0, 3
	case shape == bucketShape:
		w.words = bucketWords
	default:
		n := uint64(shape &^ ringShape)
		// A multiple of the quota, so that a client at exactly the quota falls
		// on ticks.
		w.ticks = n * (maxTicks / n)
		w.words = ringWords + int(n+3)/4
	}
	w.desc = uint64(shape)<<shapeShift | uint64(ms)
	w.period = ms * int64(time.Millisecond)
	if w.ticks > 0 && w.period%int64(w.ticks) == 0 {
		w.tick = w.period / int64(w.ticks)
	}
	// Rounded up, so that 16 sub-windows are never shorter than the period.
	w.step = (w.period + buckets - 1) / buckets
	return w
}

// describedBy returns the window that the first word of a window describes.
func describedBy(word uint64) (w window, ok bool) {
	shape := uint8(word >> shapeShift)
	if shape == noShape {
		return window{}, false
	}
	return newWindow(shape, int64(uint32(word))), true
}

// An instant is the now of a take, in the units of the windows.
type instant struct {
	now    int64 // ns since the store's base; see Memory.instant
	at     int64 // now, but never before last
	last   int64 // the last charge of the record
	second int64 // Unix
	nano   int64 // nanoseconds of the second
}

// A reading is what a window contains at an instant.
type reading struct {
	used int64
	pos  int64 // rings: ticks since the phase; buckets: index of the sub-window; calendars: end
	past bool  // rings: the instant is after the tick pos, not on it
}

// read returns what counts at t. It writes nothing, so a decision can still
// refuse.
func (w *window) read(st []uint64, t *instant) reading {
	switch {
	case w.shape >= ringShape:
		return w.readRing(st, t)
	case w.shape == bucketShape:
		return w.readBuckets(st, t)
	}
	return w.readCalendar(st, t)
}

// charge adds cost, which is 1 or more, to what was read at the same instant.
func (w *window) charge(st []uint64, t *instant, r *reading, cost int64) {
	switch {
	case w.shape >= ringShape:
		w.chargeRing(st, t, r, cost)
	case w.shape == bucketShape:
		w.chargeBuckets(st, r, cost)
	default:
		w.chargeCalendar(st, r, cost)
	}
}

// returns tells how long after t.now the window has given back n of what is
// used; 1 ≤ n ≤ used.
func (w *window) returns(st []uint64, t *instant, r *reading, n int64) time.Duration {
	switch {
	case w.shape >= ringShape:
		return w.ringReturns(st, t, r, n)
	case w.shape == bucketShape:
		return w.bucketReturns(st, t, r, n)
	}
	return w.calendarReturns(t, r)
}

// replay charges to st what an old window that counts the same contains.
// So a limit keeps its usage when its quota changes and its window gets another
// shape. Times are only rounded up, so nothing returns early.
func (w *window) replay(st []uint64, old *window, from []uint64, last int64) {
	if w.desc == old.desc {
		copy(st, from[:old.words])
		return
	}
	event := func(at, cost int64) {
		t := instant{now: at, at: at}
		r := w.read(st, &t)
		w.charge(st, &t, &r, cost)
	}
	if old.shape == bucketShape {
		old.eachBucket(from, last, event)
	} else {
		old.eachInRing(from, event)
	}
}

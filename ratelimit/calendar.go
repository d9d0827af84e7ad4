package ratelimit

import (
	"math"
	"sync/atomic"
	"time"
)

// A calendar window is three words: description, beginning (Unix seconds),
// count. A calendar tells where the windows of a zone begin.
type calendar struct {
	zone    *time.Location
	anchor  int                  // billing day; 0: every day
	present atomic.Pointer[span] // the last answer, nearly always the next one
}

// A span is one window, in Unix seconds. Zones change their offsets at whole
// seconds.
type span struct{ start, end int64 }

// at returns the window that holds second.
func (c *calendar) at(second int64) span {
	if s := c.present.Load(); s != nil && s.start <= second && second < s.end {
		return *s
	}
	s := c.find(second)
	c.present.Store(&s)
	return s
}

// find computes what at remembers. The local date alone would not do: where
// clocks go back across midnight, a day has begun and yet its date returns.
func (c *calendar) find(second int64) span {
	y, m, d := time.Unix(second, 0).In(c.zone).Date()
	n := 0 // windows from the one of the local date
	for c.begin(y, m, d, n) > second {
		n--
	}
	for c.begin(y, m, d, n+1) <= second {
		n++
	}
	return span{c.begin(y, m, d, n), c.begin(y, m, d, n+1)}
}

// begin returns when the window n windows after that of a date begins.
func (c *calendar) begin(y int, m time.Month, d, n int) int64 {
	if c.anchor == 0 {
		return midnight(y, m, d+n, c.zone)
	}
	m += time.Month(n)
	lastDay := time.Date(y, m+1, 0, 0, 0, 0, 0, time.UTC).Day()
	return midnight(y, m, min(c.anchor, lastDay), c.zone)
}

// midnight returns the first instant of a date in Unix seconds: the earlier
// midnight where clocks go back over it, the end of the gap where they skip it.
func midnight(y int, m time.Month, d int, zone *time.Location) int64 {
	wall := time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix()
	t := time.Date(y, m, d, 0, 0, 0, 0, zone) // one of two, where offsets change
	_, offset := t.Zone()
	begin, end := t.ZoneBounds()
	if wall-int64(offset) > t.Unix() && !end.IsZero() {
		return end.Unix() // midnight is skipped, and t lies before the gap
	}
	if !begin.IsZero() {
		_, before := begin.Add(-time.Second).Zone()
		if early := wall - int64(before); early < begin.Unix() {
			return early
		}
		return max(wall-int64(offset), begin.Unix())
	}
	return wall - int64(offset)
}

// length is more than any day or month lasts, in seconds.
func (w *window) length() int64 {
	if w.shape == monthShape {
		return 32 * 86400
	}
	return 26 * 3600
}

func (w *window) readCalendar(st []uint64, t *instant) reading {
	s := w.cal.at(t.second)
	stored, used := int64(st[1]), int64(st[2])
	switch {
	case used == 0:
		return reading{pos: s.start}
	case stored >= s.start:
		// Later than now's own window if the clock went back: it stays there.
		return reading{used: used, pos: stored}
	case stored+w.length() > s.start && w.cal.find(stored).start != stored:
		// Counted under another zone or anchor, in a window that may overlap.
		return reading{used: used, pos: s.start}
	}
	return reading{pos: s.start}
}

func (w *window) chargeCalendar(st []uint64, r *reading, cost int64) {
	r.used += cost
	st[1], st[2] = uint64(r.pos), uint64(r.used)
}

func (w *window) calendarReturns(t *instant, r *reading) time.Duration {
	s := w.cal.present.Load()
	if s == nil || r.pos < s.start || r.pos >= s.end {
		found := w.cal.find(r.pos)
		s = &found
	}
	seconds := s.end - t.second
	if seconds > math.MaxInt64/int64(time.Second) {
		return math.MaxInt64 // the clock went back by centuries
	}
	return time.Duration(seconds)*time.Second - time.Duration(t.nano)
}

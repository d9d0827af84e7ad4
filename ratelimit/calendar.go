package ratelimit

import (
	"math"
	"sync/atomic"
	"time"
)

// A calendar tells where the windows of a time zone begin and end. A calendar
// window is three words of a record: description, end (Unix seconds) and count.
//
// Days are those that people in the zone see, and not 24 hours. In
// Europe/Berlin the last Sunday of March has 23 hours, and that of October 25.
// Some zones have changed their clocks at midnight: the day then begins at one
// o'clock, or a time of the evening before comes twice. Each of these days has
// the quota once.
type calendar struct {
	zone    *time.Location
	anchor  int                  // billing day; 0: windows are days
	present atomic.Pointer[span] // the last answer, which is nearly always the next one too
}

// A span is one window in Unix seconds, from start to before end. Seconds are
// precise enough, because offsets of zones change at whole seconds.
type span struct{ start, end int64 }

// at returns the window that contains second. Concurrent callers may store
// different spans, and each of them is right for its own second.
func (c *calendar) at(second int64) span {
	// A span that is out of date does not contain second, so it is never used
	// wrongly.
	if s := c.present.Load(); s != nil && s.start <= second && second < s.end {
		return *s
	}
	s := c.find(second)
	c.present.Store(&s)
	return s
}

// find computes the window that contains second. It does not trust the local
// date alone: if clocks go back across midnight, a day has begun, and yet its
// predecessor's date returns. So it starts with the window of the local date,
// and moves until the window contains second.
func (c *calendar) find(second int64) span {
	y, m, d := time.Unix(second, 0).In(c.zone).Date()
	n := 0 // windows between that of the local date and the result
	for c.begin(y, m, d, n) > second {
		n--
	}
	for c.begin(y, m, d, n+1) <= second {
		n++
	}
	return span{c.begin(y, m, d, n), c.begin(y, m, d, n+1)}
}

// begin returns the beginning of the window that is n windows after that of a
// date. A billing day that a month does not have is the month's last day.
func (c *calendar) begin(y int, m time.Month, d, n int) int64 {
	if c.anchor == 0 {
		return midnight(y, m, d+n, c.zone)
	}
	m += time.Month(n)
	lastDay := time.Date(y, m+1, 0, 0, 0, 0, 0, time.UTC).Day()
	return midnight(y, m, min(c.anchor, lastDay), c.zone)
}

// midnight returns the first instant of a date in Unix seconds. If clocks go
// back over midnight, there are two, and it returns the earlier one. If clocks
// skip midnight, the date begins at the end of the gap.
func midnight(y int, m time.Month, d int, zone *time.Location) int64 {
	wall := time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix()
	t := time.Date(y, m, d, 0, 0, 0, 0, zone) // an arbitrary one of two, if clocks go back over it
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

// length returns how long a window lasts, or a month or a day that is no shorter.
func (w *window) length() time.Duration {
	switch w.shape {
	case monthShape:
		return month
	case dayShape:
		return day
	}
	return time.Duration(w.period)
}

// readCalendar returns the uses that count in the window of t. Its pos is the end
// of that window.
func (w *window) readCalendar(st []uint64, t *instant) reading {
	s := w.cal.at(t.second)
	end, used := int64(st[1]), int64(st[2])
	switch {
	case used == 0 || end <= s.start: // nothing, or an earlier window
		return reading{pos: s.end}
	case end > s.end && w.cal.find(end-1).end == end:
		// A later window of this calendar: the clock went back. It stays, so that
		// nothing is freed.
		return reading{used: used, pos: end}
	}
	// This window, or one that was counted under another zone or anchor and
	// overlaps with it. Its uses count here: a changed zone must not be a way to
	// get the quota twice.
	return reading{used: used, pos: max(end, s.end)}
}

// chargeCalendar adds cost to the window that was read.
func (w *window) chargeCalendar(st []uint64, r *reading, cost int64) {
	r.used += cost
	st[1], st[2] = uint64(r.pos), uint64(r.used)
}

// calendarReturns returns the time until the window ends. All uses return
// together.
func (w *window) calendarReturns(t *instant, r *reading) time.Duration {
	seconds := r.pos - t.second
	if seconds > math.MaxInt64/int64(time.Second) {
		return math.MaxInt64 // the clock went back by centuries
	}
	return time.Duration(seconds)*time.Second - time.Duration(t.nano)
}

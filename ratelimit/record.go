package ratelimit

import (
	"cmp"
	"math/bits"
	"slices"
	"time"
)

// A record is what Memory keeps about one subject: the time of its last charge
// in nanoseconds since the store's base, then the words of each window of its
// plan, and then those of windows that have not ended and that other plans of the
// subject have.

// describes reports whether p has laid out the beginning of rec. If so, rec can
// be used as it is. Behind the windows of p there may be those of other plans.
func (p *Plan) describes(rec []uint64) bool {
	if p.words > len(rec) {
		return false
	}
	for i := range p.windows {
		w := &p.windows[i]
		if rec[w.start]&descMask != w.desc {
			return false
		}
	}
	return true
}

// adopt lays out rec, which is zero and has room for any plan, for p. It returns
// how many words it has used. It keeps all usage of old, which may be nil, that
// has not ended: in the windows of p, and behind them, in the windows that p does
// not have. So usage survives a change of plan and plans that alternate. If there
// is no room for all windows, those of the shortest periods are forgotten.
func (p *Plan) adopt(rec, old []uint64, now *instant) int {
	for i := range p.windows {
		w := &p.windows[i]
		rec[w.start] = w.desc
	}
	if old == nil {
		return p.words
	}
	rec[0] = old[0]
	var others [wideSlot]carried
	n := 0
	for at := 1; at < len(old); {
		o, ok := describedBy(old[at])
		if !ok {
			break
		}
		if w := p.like(&o); w != nil {
			w.replay(rec[w.start:], &o, old[at:], int64(rec[0]))
		} else if o.alive(old[at:], now) {
			others[n] = carried{o.length(), old[at : at+o.words]}
			n++
		}
		at += o.words
	}
	slices.SortFunc(others[:n], func(a, b carried) int { return cmp.Compare(b.length, a.length) })
	words := p.words
	for _, o := range others[:n] {
		if words+len(o.words) <= len(rec) {
			words += copy(rec[words:], o.words)
			rec[words-len(o.words)] &^= 0xff << pressureShift
		}
	}
	if n > 0 { // what is left of another plan may be near its end
		rec[1] |= old[1] & (0xff << pressureShift)
	}
	return words
}

// carried is a window that the present plan does not have.
type carried struct {
	length time.Duration
	words  []uint64
}

// like returns the window of p that counts what o counts, or nil.
func (p *Plan) like(o *window) *window {
	for i := range p.windows {
		w := &p.windows[i]
		if w.period == o.period && (w.period > 0 || w.shape == o.shape) {
			return w
		}
	}
	return nil
}

// decide answers a take from the record of the subject, which p has laid out.
// It reports whether it charged.
//
// It has two passes. The first one reads all windows and writes nothing. Only
// if every window has room does the second one charge them all. That is why a
// refused take costs nothing in any window.
//
// For example, under 2 a minute and 5 a day a subject has used 2 in this
// minute. A third take finds 3 left of the day, and nothing of the minute. It
// is refused, and 3 are still left of the day. A minute later two takes pass,
// and 1 is left of the day.
func (p *Plan) decide(rec []uint64, t *instant, cost int64, d *Decision) bool {
	t.last = int64(rec[0])
	t.at = max(t.now, t.last) // a clock that went back stands still at the last charge
	ask := max(cost, 1)
	var readings [maxLimits]reading
	charged := cost > 0
	for i := range p.windows {
		w, r := &p.windows[i], &readings[i]
		*r = w.read(rec[w.start:], t)
		// The comparison cannot overflow: used is at most a quota, and quota -
		// used may be negative after a downgrade.
		if ask > w.quota-r.used {
			charged = false
		}
	}
	d.Plan, d.Cost = p, cost
	if charged {
		t.last = t.at
	}
	for i := range p.windows {
		w, r := &p.windows[i], &readings[i]
		st := rec[w.start:]
		if charged {
			w.charge(st, t, r, cost)
		}
		s := State{Remaining: max(0, w.quota-r.used)}
		if r.used > 0 {
			s.Reset = w.returns(st, t, r, 1)
		}
		// A limit that refuses tells when enough has returned for this very
		// cost. One whose quota is below the cost has no such time.
		if over := ask - (w.quota - r.used); !charged && over > 0 && ask <= w.quota {
			s.Retry = w.returns(st, t, r, over)
		}
		d.States[i] = s
	}
	d.conclude()
	if charged {
		// Nothing of the record was written before this point if the take is
		// refused.
		rec[0] = uint64(t.last)
		near := d.pressure()
		if p.words < len(rec) && rec[p.words] != 0 { // windows of other plans, which may be nearer to their end
			near = max(near, rec[1]>>pressureShift)
		}
		rec[1] = rec[1]&^(0xff<<pressureShift) | near<<pressureShift
	}
	return charged
}

// raise charges every window what d says has been used of it and rec does not
// know. It reports whether it has charged anything.
func (p *Plan) raise(rec []uint64, t *instant, d *Decision) (raised bool) {
	t.at = max(t.now, int64(rec[0]))
	for i := range p.windows {
		w, st := &p.windows[i], rec[p.windows[i].start:]
		r := w.read(st, t)
		if more := min(w.quota, w.quota-d.States[i].Remaining) - r.used; more > 0 {
			w.charge(st, t, &r, more)
			raised = true
		}
	}
	if raised {
		rec[0] = uint64(t.at)
		rec[1] = rec[1]&^(0xff<<pressureShift) | max(d.pressure(), rec[1]>>pressureShift)<<pressureShift
	}
	return raised
}

// pressure returns how close the binding limit is to its end: how often its
// quota can be halved until what remains is left, and 255 if nothing remains.
func (d *Decision) pressure() uint64 {
	left := d.States[d.Binding].Remaining
	if left == 0 {
		return 255
	}
	return uint64(bits.Len64(uint64(d.Plan.windows[d.Binding].quota)) - bits.Len64(uint64(left)))
}

// limits returns the number of limits that were decided, which is 0 without a
// plan.
func (d *Decision) limits() int {
	if d.Plan == nil {
		return 0
	}
	return len(d.Plan.limits)
}

// refuses reports whether limit i refuses.
func (d *Decision) refuses(i int) bool {
	return d.States[i].Retry > 0 || d.Cost > d.Plan.limits[i].Quota
}

// conclude sets the other fields from Plan, Cost and States. Retry is the
// latest of the limits' own, because all of them must have room.
func (d *Decision) conclude() {
	d.Allowed, d.Never, d.Binding, d.Retry = true, false, 0, 0
	for i := range d.Plan.windows {
		if d.Cost > d.Plan.windows[i].quota {
			d.Allowed, d.Never = false, true
		}
		if retry := d.States[i].Retry; retry > 0 {
			d.Allowed = false
			d.Retry = max(d.Retry, retry)
		}
		if i > 0 && d.tighter(i, d.Binding) {
			d.Binding = i
		}
	}
	if d.Never {
		d.Retry = 0
	}
}

// tighter reports whether limit i matters more than limit j: see rule 13 of
// [Store].
func (d *Decision) tighter(i, j int) bool {
	a, b := &d.Plan.windows[i], &d.Plan.windows[j]
	x, y := &d.States[i], &d.States[j]
	if p, q := d.Cost > a.quota, d.Cost > b.quota; p != q {
		return p
	}
	if x.Retry != y.Retry {
		return x.Retry > y.Retry
	}
	// The shares are compared by cross-multiplication and not by division, so
	// that equal shares are equal.
	xh, xl := bits.Mul64(uint64(x.Remaining), uint64(b.quota))
	yh, yl := bits.Mul64(uint64(y.Remaining), uint64(a.quota))
	if xh != yh || xl != yl {
		return xh < yh || xh == yh && xl < yl
	}
	return d.Plan.limits[i].period() > d.Plan.limits[j].period()
}

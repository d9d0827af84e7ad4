package ratelimit

import "math/bits"

// A record is what Memory keeps of one subject: the time of its last charge
// (ns since the store's base), then the windows of its plan.

// describes reports whether rec was laid out by p.
func (p *Plan) describes(rec []uint64) bool {
	for i := range p.windows {
		w := &p.windows[i]
		if rec[w.start]&descMask != w.desc {
			return false
		}
	}
	return p.words == len(rec) || rec[p.words] == 0
}

// adopt lays out the zeroed record rec and carries over what old, which may
// be nil, holds for windows that p has too.
func (p *Plan) adopt(rec, old []uint64) {
	for i := range p.windows {
		w := &p.windows[i]
		rec[w.start] = w.desc
	}
	if old == nil {
		return
	}
	rec[0] = old[0]
	for at := 1; at < len(old); {
		o, ok := describedBy(old[at])
		if !ok {
			break
		}
		for i := range p.windows {
			w := &p.windows[i]
			w.replay(rec[w.start:], &o, old[at:], int64(rec[0]))
		}
		at += o.words
	}
}

// decide answers a take from the subject's record, laid out by p, and charges
// it there. It reports whether it did.
func (p *Plan) decide(rec []uint64, t *instant, cost int64, d *Decision) bool {
	t.last = int64(rec[0])
	t.at = max(t.now, t.last)
	ask := max(cost, 1)
	var readings [maxLimits]reading
	charged := cost > 0
	for i := range p.windows {
		w, r := &p.windows[i], &readings[i]
		*r = w.read(rec[w.start:], t)
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
		if over := ask - (w.quota - r.used); !charged && over > 0 && ask <= w.quota {
			s.Retry = w.returns(st, t, r, over)
		}
		d.States[i] = s
	}
	d.conclude()
	if charged {
		rec[0] = uint64(t.last)
		rec[1] = rec[1]&^(0xff<<pressureShift) | d.pressure()<<pressureShift
	}
	return charged
}

// pressure is how often the quota of the binding limit can be halved until
// what remains of it is left; 255: nothing is left.
func (d *Decision) pressure() uint64 {
	left := d.States[d.Binding].Remaining
	if left == 0 {
		return 255
	}
	return uint64(bits.Len64(uint64(d.Plan.windows[d.Binding].quota)) - bits.Len64(uint64(left)))
}

func (d *Decision) limits() int {
	if d.Plan == nil {
		return 0
	}
	return len(d.Plan.limits)
}

func (d *Decision) refuses(i int) bool {
	return d.States[i].Retry > 0 || d.Cost > d.Plan.limits[i].Quota
}

// conclude sets the other fields from Plan, Cost and States.
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

// tighter reports whether limit i binds more than limit j.
func (d *Decision) tighter(i, j int) bool {
	a, b := &d.Plan.windows[i], &d.Plan.windows[j]
	x, y := &d.States[i], &d.States[j]
	if p, q := d.Cost > a.quota, d.Cost > b.quota; p != q {
		return p
	}
	if x.Retry != y.Retry {
		return x.Retry > y.Retry
	}
	// Compared across rather than divided, so that ties are exact.
	xh, xl := bits.Mul64(uint64(x.Remaining), uint64(b.quota))
	yh, yl := bits.Mul64(uint64(y.Remaining), uint64(a.quota))
	if xh != yh || xl != yl {
		return xh < yh || xh == yh && xl < yl
	}
	return d.Plan.limits[i].period() > d.Plan.limits[j].period()
}

package ratelimit

import (
	"net/http"
	"strconv"
	"strings"
	"time"
	"unsafe"
)

// The parameters of the fields RateLimit-Policy and RateLimit, from
// draft-ietf-httpapi-ratelimit-headers-10. Revisions of the draft have renamed
// them before. The values are structured fields (RFC 9651).
const (
	quotaParam     = ";q=" // in RateLimit-Policy: the quota of a window
	windowParam    = ";w=" // in RateLimit-Policy: its length in seconds
	remainingParam = ";r=" // in RateLimit: what remains
	resetParam     = ";t=" // in RateLimit: the seconds until some is given back
)

// maxInteger is the largest Integer of RFC 9651 §3.3.1. Larger quotas are shown
// as this one.
const maxInteger = 999_999_999_999_999

// A limitText is the constant text in the fields of a limit.
type limitText struct {
	quota string // "60"
	name  string // `"minute"`
}

// render writes the constant text of the fields once, when the plan is made.
func (p *Plan) render() {
	var b []byte
	for i := range p.limits {
		l := &p.limits[i]
		text := limitText{strconv.FormatInt(l.Quota, 10), `"` + l.Name + `"`}
		p.texts = append(p.texts, text)
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, text.name...)
		b = append(b, quotaParam...)
		b = strconv.AppendInt(b, min(l.Quota, maxInteger), 10)
		// A month has no constant length, and w is in whole seconds.
		if l.Window > 0 && l.Window%time.Second == 0 {
			b = append(b, windowParam...)
			b = strconv.AppendInt(b, int64(l.Window/time.Second), 10)
		}
	}
	p.policy = string(b)
}

// WriteHeader sets the fields of the decision, which was made at now. For a
// plan of 60 a minute and 10,000 a day they look like this:
//
//	X-RateLimit-Limit: 60
//	X-RateLimit-Remaining: 59
//	X-RateLimit-Reset: 1767225660
//	RateLimit-Policy: "minute";q=60;w=60, "day";q=10000;w=86400
//	RateLimit: "minute";r=59;t=60, "day";r=9999;t=43200
//
// Their text comes from the plan and the counters, and never from a request.
// WriteHeader replaces fields that are already set, so the innermost of nested
// limiters shows, and each field is sent once.
//
// A refusal also gets Retry-After (RFC 9110 §10.2.3), unless the request can
// never pass. It gets Cache-Control: no-store, as RFC 6585 §4 asks: a cached
// 429 would refuse others.
func (d *Decision) WriteHeader(h http.Header, now time.Time) {
	d.write(h, now, true, true, new(Fields))
}

// WriteFields is WriteHeader for code that allocates something for the request
// anyway: the values are stored in f. f must be zero, and must belong to this
// response alone.
func (d *Decision) WriteFields(h http.Header, now time.Time, f *Fields) {
	d.write(h, now, true, true, f)
}

// Fields stores the values of the header fields of one response.
type Fields struct {
	values [5]string
	text   [80]byte
}

// write is WriteHeader with a choice of fields. The legacy ones are
// X-RateLimit-Limit, -Remaining and -Reset (in Unix seconds), of the limit that
// matters most. The standard ones are RateLimit-Policy and RateLimit, which
// show all limits of the plan.
func (d *Decision) write(h http.Header, now time.Time, legacy, standard bool, own *Fields) {
	if d.Plan == nil {
		return
	}
	// Everything that varies is written into one text, and the values are parts
	// of it. The slices in the header share one array. The text nearly always
	// fits into own.text, so nothing is allocated.
	b := own.text[:0]
	var remaining, reset, fields int
	if legacy {
		s := &d.States[d.Binding]
		b = strconv.AppendInt(b, s.Remaining, 10)
		remaining = len(b)
		b = strconv.AppendInt(b, unixCeil(now.Add(s.Reset)), 10)
	}
	reset = len(b)
	if standard {
		b = d.appendFields(b)
	}
	fields = len(b)
	if d.Retry > 0 {
		b = strconv.AppendInt(b, seconds(d.Retry), 10)
	}
	text := unsafe.String(unsafe.SliceData(b), len(b)) // nobody writes to b any more

	values := &own.values
	*values = [5]string{"", text[:remaining], text[remaining:reset], d.Plan.policy, text[reset:fields]}
	if legacy {
		values[0] = d.Plan.texts[d.Binding].quota
		h["X-Ratelimit-Limit"] = values[0:1:1]
		// A slice has no spare capacity. So a handler that adds a value gets a
		// new array, and does not write over the next field.
		h["X-Ratelimit-Remaining"] = values[1:2:2]
		h["X-Ratelimit-Reset"] = values[2:3:3]
	}
	if standard {
		h["Ratelimit-Policy"] = values[3:4:4]
		h["Ratelimit"] = values[4:5:5]
	}
	if d.Retry > 0 {
		h["Retry-After"] = []string{text[fields:]}
	}
	// A handler or another package may already have set a stricter value.
	if !d.Allowed && !strings.Contains(h.Get("Cache-Control"), "no-store") {
		h["Cache-Control"] = []string{"no-store"}
	}
}

// appendFields appends the value of RateLimit: for each limit what remains, and
// the seconds until some is given back.
func (d *Decision) appendFields(b []byte) []byte {
	for i := range d.Plan.texts {
		s := &d.States[i]
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, d.Plan.texts[i].name...)
		b = append(b, remainingParam...)
		b = strconv.AppendInt(b, min(s.Remaining, maxInteger), 10)
		b = append(b, resetParam...)
		b = strconv.AppendInt(b, seconds(s.Reset), 10)
	}
	return b
}

// seconds returns d in whole seconds, rounded up. It returns 0 only for 0.
func seconds(d time.Duration) int64 {
	s := int64(d / time.Second)
	if d%time.Second > 0 {
		s++
	}
	return s
}

// unixCeil returns the first whole second that is not before t.
func unixCeil(t time.Time) int64 {
	s := t.Unix()
	if t.Nanosecond() > 0 {
		s++
	}
	return s
}

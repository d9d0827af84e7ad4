package ratelimit

import (
	"net/http"
	"strconv"
	"strings"
	"time"
	"unsafe"
)

// The RateLimit fields follow draft-ietf-httpapi-ratelimit-headers-10; their
// parameters have moved between revisions and may again. Field values are
// structured fields (RFC 9651).
const (
	quotaParam     = ";q=" // in RateLimit-Policy: of the window
	windowParam    = ";w=" // its length in seconds
	remainingParam = ";r=" // in RateLimit: what is left
	resetParam     = ";t=" // seconds until some is given back
)

// maxInteger is the largest Integer of RFC 9651 §3.3.1.
const maxInteger = 999_999_999_999_999

// limitText is what never changes in the fields of a limit.
type limitText struct {
	quota string // "60"
	name  string // `"minute"`
}

// render writes the constant parts of the fields.
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
		// The length of a month is not a number, and w has whole seconds.
		if l.Window > 0 && l.Window%time.Second == 0 {
			b = append(b, windowParam...)
			b = strconv.AppendInt(b, int64(l.Window/time.Second), 10)
		}
	}
	p.policy = string(b)
}

// WriteHeader sets the fields of the decision, which was made at now. Names
// and values come from the plan and the counters alone, never from a request.
// Fields that are set already are replaced, so that of nested limiters the
// innermost shows. A refusal also gets Retry-After (RFC 9110 §10.2.3), unless
// it is for ever, and Cache-Control: no-store (RFC 6585 §4).
func (d *Decision) WriteHeader(h http.Header, now time.Time) {
	d.write(h, now, true, true, new(Fields))
}

// WriteFields is WriteHeader for code that allocates something for the request
// anyway: the values are in f, which must be zero and belong to this response.
func (d *Decision) WriteFields(h http.Header, now time.Time, f *Fields) {
	d.write(h, now, true, true, f)
}

// Fields hold the values of the header fields of one response.
type Fields struct {
	values [5]string
	text   [80]byte
}

// write is WriteHeader with a choice of families: X-RateLimit-Limit, -Remaining
// and -Reset (Unix seconds) of the binding limit, and
// RateLimit-Policy and RateLimit, which show all limits of the plan.
func (d *Decision) write(h http.Header, now time.Time, legacy, standard bool, own *Fields) {
	if d.Plan == nil {
		return
	}
	// All that varies is rendered into one text and cut from it; the slices that
	// the header keeps share one array. Nearly always the text fits.
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
	if !d.Allowed && !strings.Contains(h.Get("Cache-Control"), "no-store") {
		h["Cache-Control"] = []string{"no-store"}
	}
}

// appendFields writes the RateLimit field: for each limit what remains and in
// how many seconds it next gives quota back.
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

// seconds rounds up to whole seconds: 0 only for 0.
func seconds(d time.Duration) int64 {
	s := int64(d / time.Second)
	if d%time.Second > 0 {
		s++
	}
	return s
}

// unixCeil is the first whole second that is not before t.
func unixCeil(t time.Time) int64 {
	s := t.Unix()
	if t.Nanosecond() > 0 {
		s++
	}
	return s
}

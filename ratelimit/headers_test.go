package ratelimit

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWriteHeader(t *testing.T) {
	p := mustPlan(t, "test",
		Limit{Quota: 60, Window: time.Minute},
		Limit{Quota: 10000, Window: day},
		Limit{Name: "burst", Quota: 5, Window: 100 * time.Millisecond},
		Limit{Quota: 20000, Kind: Monthly})
	const policy = `"minute";q=60;w=60, "day";q=10000;w=86400, "burst";q=5, "month";q=20000`
	allowed := Decision{Plan: p, Cost: 1, Allowed: true, States: [4]State{
		{Remaining: 41, Reset: 3001 * time.Millisecond}, {Remaining: 9120, Reset: 35012 * time.Second},
		{Remaining: 4, Reset: 1}, {Remaining: 19000, Reset: 20 * day},
	}}
	refused := Decision{Plan: p, Cost: 1, Retry: 29001 * time.Millisecond, States: allowed.States}
	refused.States[0] = State{Reset: 29001 * time.Millisecond, Retry: 29001 * time.Millisecond}
	never := Decision{Plan: p, Cost: 61, Never: true, States: allowed.States}
	const fields = `"day";r=9120;t=35012, "burst";r=4;t=1, "month";r=19000;t=1728000`

	now := time.Unix(1795288016, 999_999_999)
	for _, c := range []struct {
		name             string
		d                Decision
		legacy, standard bool
		want             http.Header
	}{
		{"all", allowed, true, true, http.Header{
			"X-Ratelimit-Limit": {"60"}, "X-Ratelimit-Remaining": {"41"}, "X-Ratelimit-Reset": {"1795288021"},
			"Ratelimit-Policy": {policy}, "Ratelimit": {`"minute";r=41;t=4, ` + fields},
		}},
		{"legacy", allowed, true, false, http.Header{
			"X-Ratelimit-Limit": {"60"}, "X-Ratelimit-Remaining": {"41"}, "X-Ratelimit-Reset": {"1795288021"},
		}},
		{"fields", allowed, false, true, http.Header{
			"Ratelimit-Policy": {policy}, "Ratelimit": {`"minute";r=41;t=4, ` + fields},
		}},
		{"none", allowed, false, false, http.Header{}},
		{"refused", refused, true, true, http.Header{
			"X-Ratelimit-Limit": {"60"}, "X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"1795288047"},
			"Ratelimit-Policy": {policy}, "Ratelimit": {`"minute";r=0;t=30, ` + fields},
			"Retry-After": {"30"}, "Cache-Control": {"no-store"},
		}},
		{"refused, none", refused, false, false, http.Header{"Retry-After": {"30"}, "Cache-Control": {"no-store"}}},
		{"never", never, false, false, http.Header{"Cache-Control": {"no-store"}}},
		{"not limited", Decision{Allowed: true}, true, true, http.Header{}},
	} {
		h := http.Header{}
		c.d.write(h, now, c.legacy, c.standard, new(Fields))
		if diff := cmp.Diff(c.want, h); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		// Written again, as by nested limiters, nothing doubles; case L19.
		c.d.write(h, now, c.legacy, c.standard, new(Fields))
		if diff := cmp.Diff(c.want, h); diff != "" {
			t.Errorf("%s, twice (-want +got):\n%s", c.name, diff)
		}
		// Adding to one field must not run into another.
		for k := range h {
			h.Add(k, "added")
		}
		for k, v := range h {
			if len(v) != 2 || v[0] != c.want[k][0] || v[1] != "added" {
				t.Errorf("%s: %s is %q after Add", c.name, k, v)
			}
		}
	}
}

// case L13: every value is a structured field and says what the plan says.
func FuzzFields(f *testing.F) {
	f.Add("minute", "day", int64(60), int64(10000), int64(41), int64(3001), int64(35012))
	f.Add("a", "b", int64(math.MaxUint32), int64(math.MaxInt64), int64(math.MaxInt64), int64(0), int64(math.MaxInt64))
	f.Add("a*b", `a"b`, int64(1), int64(2), int64(0), int64(1), int64(1))
	f.Add("", "dday", int64(60), int64(10000), int64(41), int64(3001), int64(35012))
	f.Add("a\\", "é", int64(1), int64(2), int64(0), int64(1), int64(1))
	f.Fuzz(func(t *testing.T, name1, name2 string, q1, q2, left, ms1, ms2 int64) {
		p, err := NewPlan("test", Limit{Name: name1, Quota: q1, Window: time.Minute}, Limit{Name: name2, Quota: q2, Window: day})
		if err != nil {
			return
		}
		name1, name2 = p.limits[0].Name, p.limits[1].Name // "" is named by its window
		if left < 0 || ms1 < 0 || ms2 < 0 {
			return // not what a store returns
		}
		d := Decision{Plan: p, Allowed: true}
		d.States[0] = State{Remaining: min(left, q1), Reset: time.Duration(ms1)}
		d.States[1] = State{Remaining: min(left, q2), Reset: time.Duration(ms2)}
		h := http.Header{}
		d.WriteHeader(h, start)

		policy, err := parseList(h.Get("RateLimit-Policy"))
		if err != nil {
			t.Fatalf("RateLimit-Policy %q: %v", h.Get("RateLimit-Policy"), err)
		}
		want := []item{
			{name1, map[string]int64{"q": min(q1, maxInteger), "w": 60}},
			{name2, map[string]int64{"q": min(q2, maxInteger), "w": 86400}},
		}
		if diff := cmp.Diff(want, policy); diff != "" {
			t.Fatalf("RateLimit-Policy (-want +got):\n%s", diff)
		}
		limit, err := parseList(h.Get("RateLimit"))
		if err != nil {
			t.Fatalf("RateLimit %q: %v", h.Get("RateLimit"), err)
		}
		want = []item{
			{name1, map[string]int64{"r": min(left, q1, maxInteger), "t": int64(math.Ceil(float64(ms1) / 1e9))}},
			{name2, map[string]int64{"r": min(left, q2, maxInteger), "t": int64(math.Ceil(float64(ms2) / 1e9))}},
		}
		if ms1 < 1<<50 && ms2 < 1<<50 { // exact in a float64
			if diff := cmp.Diff(want, limit); diff != "" {
				t.Fatalf("RateLimit (-want +got):\n%s", diff)
			}
		}
	})
}

// An item is a String with Integer parameters.
type item struct {
	Value  string
	Params map[string]int64
}

// parseList reads a List of such items as RFC 9651 §4.2 says, and no more than
// that: a small parser of its own, so that writing and reading are independent.
func parseList(s string) ([]item, error) {
	var items []item
	for {
		if s == "" || s[0] != '"' {
			return nil, fmt.Errorf("a String at %q", s)
		}
		var value strings.Builder
		i := 1
		for ; ; i++ {
			if i >= len(s) {
				return nil, fmt.Errorf("an unfinished String")
			}
			c := s[i]
			if c == '"' {
				break
			}
			if c == '\\' {
				if i++; i >= len(s) || s[i] != '"' && s[i] != '\\' {
					return nil, fmt.Errorf("a bad escape")
				}
				c = s[i]
			} else if c < 0x20 || c > 0x7e {
				return nil, fmt.Errorf("the character %q", c)
			}
			value.WriteByte(c)
		}
		s = s[i+1:]
		params := make(map[string]int64)
		for strings.HasPrefix(s, ";") {
			s = strings.TrimLeft(s[1:], " ")
			key := s[:len(s)-len(strings.TrimLeft(s, "abcdefghijklmnopqrstuvwxyz0123456789_-.*"))]
			if key == "" || strings.ContainsAny(key[:1], "0123456789_-.") {
				return nil, fmt.Errorf("a key at %q", s)
			}
			s = s[len(key):]
			if !strings.HasPrefix(s, "=") {
				return nil, fmt.Errorf("an Integer for %s", key)
			}
			s = s[1:]
			digits := s[:len(s)-len(strings.TrimLeft(s, "0123456789"))]
			if len(digits) < 1 || len(digits) > 15 {
				return nil, fmt.Errorf("%d digits", len(digits))
			}
			s = s[len(digits):]
			var n int64
			fmt.Sscan(digits, &n)
			params[key] = n
		}
		items = append(items, item{value.String(), params})
		if s = strings.TrimLeft(s, " \t"); s == "" {
			return items, nil
		}
		if s[0] != ',' {
			return nil, fmt.Errorf("%q after an item", s)
		}
		if s = strings.TrimLeft(s[1:], " \t"); s == "" {
			return nil, fmt.Errorf("a comma at the end")
		}
	}
}

// The parser itself must refuse what is not a structured field.
func TestParseList(t *testing.T) {
	for _, bad := range []string{``, `a`, `"a`, `"a"b`, `"a",`, `"a";=1`, `"a";q`, `"a";q=`, `"a";Q=1`, `"a";q=1234567890123456`, "\"\x7f\"", `"a" "b"`, `"\a"`} {
		if got, err := parseList(bad); err == nil {
			t.Errorf("%q was read as %v", bad, got)
		}
	}
	got, err := parseList(`"a\"b\\";q=1;w=20, "c"`)
	want := []item{{`a"b\`, map[string]int64{"q": 1, "w": 20}}, {"c", map[string]int64{}}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

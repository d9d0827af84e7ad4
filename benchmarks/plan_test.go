package benchmarks

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/ulule/limiter/v3"

	"medtwin.ai/tollgate/ratelimit"
)

// exceptions are what ulule/limiter accepts and we refuse on purpose.
var exceptions = []struct {
	example, why string
	is           func(notation string, rate limiter.Rate) bool
}{
	{"0-S", "a quota of zero lets nobody in, and is a mistake unless said in words",
		func(_ string, r limiter.Rate) bool { return r.Limit == 0 }},
	{"+10-M", "a sign says nothing",
		func(s string, _ limiter.Rate) bool { return s[0] == '+' }},
	{"010-M", "leading zeros look octal",
		func(s string, _ limiter.Rate) bool { return s[0] == '0' }},
	{"10-m", "each plan has one notation", // also 10-ſ, whose upper case is S
		func(s string, _ limiter.Rate) bool { return s != strings.ToUpper(s) }},
	{"4294967296-H", "rolling counts have 32 bits",
		func(_ string, r limiter.Rate) bool { return r.Period <= time.Hour && r.Limit > math.MaxUint32 }},
}

// agree checks our reading of a notation against ulule's of its parts.
func agree(t *testing.T, notation string) {
	t.Helper()
	plan, ours := ratelimit.ParsePlan("p", notation)
	parts := strings.Split(notation, ",")
	if ours != nil {
		rate, err := limiter.NewRateFromFormatted(notation)
		if err != nil {
			return
		}
		for _, e := range exceptions {
			if e.is(notation, rate) {
				return
			}
		}
		t.Errorf("ParsePlan(%q) refuses what ulule takes for %d in %v, and no exception says why: %v",
			notation, rate.Limit, rate.Period, ours)
		return
	}
	limits := plan.Limits()
	if len(limits) != len(parts) {
		t.Fatalf("ParsePlan(%q) has %d limits, want %d", notation, len(limits), len(parts))
	}
	for i, part := range parts {
		rate, err := limiter.NewRateFromFormatted(strings.TrimSpace(part))
		if err != nil {
			t.Errorf("ParsePlan(%q) accepts %q, which ulule refuses: %v", notation, part, err)
			continue
		}
		if limits[i].Quota != rate.Limit || limits[i].Window != rate.Period {
			t.Errorf("ParsePlan(%q): limit %d is %d in %v, ulule says %d in %v",
				notation, i, limits[i].Quota, limits[i].Window, rate.Limit, rate.Period)
		}
	}
}

// notations are the seeds of the fuzzing; accepted says what ParsePlan does, so
// that agreement is not had by refusing everything.
var notations = []struct {
	text     string
	accepted bool
}{
	{"10-M", true}, {"10-S", true}, {"1000-H", true}, {"9223372036854775807-D", true}, {"4294967295-H", true},
	{"10-M, 100-D", true}, {"60-M, 10000-D", true}, {"1-S, 2-M, 3-H, 4-D", true},
	{"0-S", false}, {"+10-M", false}, {"010-M", false}, {"10-m", false}, {"10-ſ", false}, {"4294967296-H", false},
	{"-1-M", false}, {"10-W", false}, {"10", false}, {"", false}, {"10-M-S", false}, {"1e3-M", false},
	{"1_0-M", false}, {"9223372036854775808-D", false}, {"10-M,", false}, {"100-M, 10-D", false}, {"１０-M", false},
}

func TestPlanAgreesWithUlule(t *testing.T) {
	for _, tt := range notations {
		if _, err := ratelimit.ParsePlan("p", tt.text); (err == nil) != tt.accepted {
			t.Errorf("ParsePlan(%q): %v, want accepted %v", tt.text, err, tt.accepted)
		}
		agree(t, tt.text)
	}
}

// An exception that has become none would hide what changed.
func TestExceptionsAreNeeded(t *testing.T) {
	for _, e := range exceptions {
		rate, err := limiter.NewRateFromFormatted(e.example)
		if err != nil || !e.is(e.example, rate) {
			t.Errorf("ulule reads %q as %v, %v: want it accepted, and an exception because %s", e.example, rate, err, e.why)
		}
		if _, err := ratelimit.ParsePlan("p", e.example); err == nil {
			t.Errorf("ParsePlan(%q) accepts it, though %s", e.example, e.why)
		}
	}
}

func FuzzPlanAgreesWithUlule(f *testing.F) {
	for _, tt := range notations {
		f.Add(tt.text)
	}
	f.Fuzz(agree)
}

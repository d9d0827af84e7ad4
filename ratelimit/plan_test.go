package ratelimit

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestNewPlanDefaults(t *testing.T) {
	p := mustPlan(t, "full",
		Limit{Quota: 60, Window: time.Minute},
		Limit{Quota: 10000, Window: day},
		Limit{Quota: 100000, Kind: Monthly},
	)
	want := []Limit{
		{Name: "minute", Quota: 60, Window: time.Minute, Kind: Rolling},
		{Name: "day", Quota: 10000, Window: day, Kind: Calendar, Zone: time.UTC},
		{Name: "month", Quota: 100000, Kind: Monthly, Zone: time.UTC, Anchor: 1},
	}
	if diff := cmp.Diff(want, p.Limits(), cmp.Comparer(func(a, b *time.Location) bool { return a == b })); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
	if got, want := p.String(), "60-M, 10000-D, 100000 per month"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
	p.Limits()[0].Quota = 1
	if p.Limits()[0].Quota != 60 {
		t.Error("a plan was changed through Limits")
	}
}

// case L13 (names that cannot be a structured field), case L10 (zero and
// negative quotas)
func TestNewPlanRefuses(t *testing.T) {
	minute := Limit{Quota: 60, Window: time.Minute}
	for _, c := range []struct {
		want   string
		limits []Limit
	}{
		{"0 limits", nil},
		{"5 limits", []Limit{minute, minute, minute, minute, minute}},
		{"quota 0", []Limit{{Window: time.Minute}}},
		{"quota -1", []Limit{{Quota: -1, Window: time.Minute}}},
		{"above 4294967295", []Limit{{Quota: math.MaxUint32 + 1, Window: time.Minute}}},
		{"same window", []Limit{minute, {Name: "other", Quota: 70, Window: time.Minute}}},
		{"two limits are named", []Limit{minute, {Name: "minute", Quota: 700, Window: time.Hour}}},
		{`"day" allows less than the shorter "minute": 59 < 60`, []Limit{minute, {Quota: 59, Window: day}}},
		{`"month" allows less`, []Limit{{Quota: 60, Window: day}, {Quota: 59, Kind: Monthly}}},
		{`"hour" allows less`, []Limit{{Quota: 59, Window: time.Hour}, minute}},
		{"needs a Kind", []Limit{{Name: "six", Quota: 60, Window: 6 * time.Hour}}},
		{"name must be", []Limit{{Quota: 60, Window: 2 * time.Minute}}},
		{"name must be", []Limit{{Name: `a"b`, Quota: 60, Window: time.Minute}}},
		{"name must be", []Limit{{Name: "a\r\nSet-Cookie: x", Quota: 60, Window: time.Minute}}},
		{"name must be", []Limit{{Name: "Minute", Quota: 60, Window: time.Minute}}},
		{"name must be", []Limit{{Name: "minüte", Quota: 60, Window: time.Minute}}},
		{"name must be", []Limit{{Name: "1st", Quota: 60, Window: time.Minute}}},
		{"name must be", []Limit{{Name: strings.Repeat("a", 65), Quota: 60, Window: time.Minute}}},
		{"rolling window of 0s", []Limit{{Name: "none", Quota: 60}}},
		{"rolling window of -1m0s", []Limit{{Name: "none", Quota: 60, Window: -time.Minute}}},
		{"rolling window of 1.5ms", []Limit{{Name: "odd", Quota: 60, Window: 1500 * time.Microsecond}}},
		{"rolling window of 768h0m0s", []Limit{{Name: "long", Quota: 60, Window: 32 * day, Kind: Rolling}}},
		{"calendar window is 24h", []Limit{{Name: "week", Quota: 60, Window: 7 * day, Kind: Calendar}}},
		{"monthly window has no duration", []Limit{{Quota: 60, Window: day, Kind: Monthly}}},
		{"unknown kind", []Limit{{Quota: 60, Window: time.Minute, Kind: 9}}},
		{"anchor 32", []Limit{{Quota: 60, Kind: Monthly, Anchor: 32}}},
		{"anchor -1", []Limit{{Quota: 60, Kind: Monthly, Anchor: -1}}},
		{"only monthly", []Limit{{Quota: 60, Window: day, Anchor: 2}}},
		{"no time zone", []Limit{{Quota: 60, Window: time.Minute, Zone: time.UTC}}},
	} {
		p, err := NewPlan("test", c.limits...)
		if err == nil {
			t.Errorf("%v was accepted, want an error with %q", p, c.want)
		} else if !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "ratelimit: ") {
			t.Errorf("error %q, want one with %q", err, c.want)
		}
	}
}

func TestNewPlanReportsAll(t *testing.T) {
	_, err := NewPlan("", Limit{Name: "A", Quota: 0, Window: 1})
	for _, want := range []string{"needs a name", "name must be", "quota 0", "rolling window"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not mention %q", err, want)
		}
	}
}

func TestParsePlan(t *testing.T) {
	for _, tt := range []struct{ notation, want string }{
		{"60-M", "60-M"},
		{"60-M, 10000-D", "60-M, 10000-D"},
		{"60-M,10000-D", "60-M, 10000-D"},
		{"1-S, 2-M, 3-H, 4-D", "1-S, 2-M, 3-H, 4-D"},
		{"9223372036854775807-D", "9223372036854775807-D"},
		{"4294967295-S, 4294967295-M", "4294967295-S, 4294967295-M"},
		{"10000-D, 60-M", "10000-D, 60-M"},
		{"", ""},
		{"60", ""},
		{"60-", ""},
		{"-M", ""},
		{"60-m", ""},
		{"60-W", ""},
		{"60-MM", ""},
		{"60 -M", ""},
		{"60- M", ""},
		{" 60-M", ""},
		{"60-M ", ""},
		{"60-M,  10000-D", ""},
		{"60-M,", ""},
		{"60-M;10000-D", ""},
		{"0-S", ""},
		{"00-S", ""},
		{"060-M", ""},
		{"+10-M", ""},
		{"-10-M", ""},
		{"1e3-M", ""},
		{"٦-M", ""},
		{"9223372036854775808-D", ""},
		{"4294967296-M", ""},
		{"60-M, 60-M", ""},
		{"60-M, 59-D", ""},
		{"1-S, 2-M, 3-H, 4-D, 5-D", ""},
		{strings.Repeat("60-M,", 10000), ""},
	} {
		p, err := ParsePlan("test", tt.notation)
		switch {
		case tt.want == "" && err == nil:
			t.Errorf("%.40q was accepted as %v", tt.notation, p)
		case tt.want == "" && len(err.Error()) > 1000:
			t.Errorf("%.40q: an error of %d bytes", tt.notation, len(err.Error()))
		case tt.want != "" && err != nil:
			t.Errorf("%q: %v", tt.notation, err)
		case tt.want != "" && p.String() != tt.want:
			t.Errorf("%q prints as %q", tt.notation, p)
		}
	}
}

// parse ∘ print is the identity.
func FuzzParsePlan(f *testing.F) {
	for _, s := range []string{"60-M", "60-M, 10000-D", "1-S,2-M,3-H,4-D", "0-S", "+1-M", "9223372036854775807-D", "1-M, "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePlan("test", s)
		if err != nil {
			return
		}
		again, err := ParsePlan("test", p.String())
		if err != nil {
			t.Fatalf("%q prints as %q: %v", s, p, err)
		}
		same := cmp.Comparer(func(a, b *time.Location) bool { return a == b })
		if diff := cmp.Diff(p.Limits(), again.Limits(), same); diff != "" {
			t.Fatalf("%q prints as %q (-parsed +again):\n%s", s, p, diff)
		}
		if strings.ReplaceAll(s, ", ", ",") != strings.ReplaceAll(p.String(), ", ", ",") {
			t.Fatalf("%q was read as %q", s, p)
		}
	})
}

package ratelimit

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// medtwin has the plans of seed 000.
func medtwin(t testing.TB) *Plans {
	t.Helper()
	var plans []*Plan
	for _, tt := range []struct{ name, notation string }{{"free", "10-M, 100-D"}, {"standard", "60-M, 10000-D"}} {
		p, err := ParsePlan(tt.name, tt.notation)
		if err != nil {
			t.Fatal(err)
		}
		plans = append(plans, p)
	}
	p, err := NewPlans(PlansConfig{Plans: plans, Default: "standard", Environments: map[string]string{"test": "free"}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestResolve(t *testing.T) {
	plans := medtwin(t)
	type result struct{ Name, Limits, Source string }
	const free, standard = "10-M, 100-D", "60-M, 10000-D"
	for _, c := range []struct {
		a    Assignment
		want result
	}{
		{Assignment{}, result{"standard", standard, "default"}},
		{Assignment{Environment: "live"}, result{"standard", standard, "default"}},
		{Assignment{Account: "free"}, result{"free", free, "account"}},
		{Assignment{Account: "free", Limits: "600-M"}, result{"custom", "600-M", "limits"}},
		{Assignment{Account: "free", Limits: "600-M", Key: "standard"}, result{"standard", standard, "key"}},
		{Assignment{Account: "standard", Limits: "600-M", Key: "standard", Environment: "test"}, result{"free", free, "environment"}},
		{Assignment{Account: "gone"}, result{"standard", standard, "default (unknown plan)"}},
		{Assignment{Account: "free", Key: "gone"}, result{"standard", standard, "default (unknown plan)"}},
		{Assignment{Account: "free", Limits: "600"}, result{"standard", standard, "default (invalid limits)"}},
		{Assignment{Account: "free", Limits: strings.Repeat("9", 1000)}, result{"standard", standard, "default (invalid limits)"}},
	} {
		for range 2 { // the second time from memory
			p, source := plans.Resolve(c.a)
			if diff := cmp.Diff(c.want, result{p.Name(), p.String(), source}); diff != "" {
				t.Errorf("%+v (-want +got):\n%s", c.a, diff)
			}
		}
	}
}

func TestResolveRemembersBoundedly(t *testing.T) {
	plans := medtwin(t)
	for i := range 3 * maxParsed {
		if _, source := plans.Resolve(Assignment{Limits: fmt.Sprintf("%d-M", i)}); (source == "limits") != (i > 0) {
			t.Fatalf("%d-M: %s", i, source)
		}
	}
	if n := len(plans.parsed); n > maxParsed {
		t.Errorf("%d notations are remembered", n)
	}
	for _, a := range []Assignment{{Limits: "5-M, 50-D"}, {Account: "free"}, {Limits: "bad"}, {Environment: "test"}} {
		if n := testing.AllocsPerRun(100, func() { plans.Resolve(a) }); n != 0 {
			t.Errorf("%+v: %v allocations", a, n)
		}
	}
}

func TestNewPlansRefuses(t *testing.T) {
	free := parsed(t, "10-M")
	_, err := NewPlans(PlansConfig{
		Plans:        []*Plan{free, free, nil},
		Default:      "gone",
		Environments: map[string]string{"test": "lost"},
	})
	for _, want := range []string{`two plans are named "test"`, "plan 2 is nil", `default plan "gone"`, `plan "lost" of environment "test"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not mention %q", err, want)
		}
	}
}

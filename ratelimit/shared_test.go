package ratelimit

import (
	"testing"
	"time"
)

// The text of a shared store is decided as its documentation says.
func TestSharedDecide(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	micros := now.UnixMicro()
	p := parsed(t, "60-M, 100-D")
	for _, tt := range []struct {
		name, state string
		charged     bool
		minute, day int64
	}{
		{"nothing yet", "", true, 59, 99},
		{"used a moment ago", "1795262399000000;r60000=478736639,0:5;d=1795305600,40", true, 54, 59},
		{"used in sub-windows that count", "1795262399000000;r60000=478736639,0:5,16:3;d=1795305600,40", true, 54, 59}, // one more has passed
		{"used a minute and a sixteenth ago", "1795262336000000;r60000=478736622,0:60;d=1795305600,40", true, 59, 59},
		{"the day has ended", "1795219199000000;r60000=478725119,0:5;d=1795219200,100", true, 59, 99},
		{"the day is spent", "1795262399000000;r60000=478736639,0:5;d=1795305600,100", false, 55, 0},
		{"another plan's hour", "1795262399000000;r3600000=7978943,0:9;d=1795305600,40", true, 59, 59},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := p.Shared().Decide(tt.state, 1, now, tt.charged)
			if err != nil || d.Allowed != tt.charged || d.States[0].Remaining != tt.minute || d.States[1].Remaining != tt.day {
				t.Errorf("at %d: got %+v, %v, want %d and %d left", micros, d, err, tt.minute, tt.day)
			}
		})
	}
	if _, err := p.Shared().Decide("", 1, now, false); err == nil {
		t.Error("a store that refuses what its text allows is not told")
	}
}

// Whatever a text says, it is decided or refused, in a moment.
func FuzzSharedState(f *testing.F) {
	for _, state := range []string{"", "1;r60000=1,0:1;d=1,1", "1795262399000000;r60000=478736639,0:5,16:3;d=1795305600,40", "1;r60000=9223372036854775807,0:1", "1;d=9223372036854775807,9223372036854775807", "9007199254740991;r60000=1,1:4294967295,0:4294967295"} {
		f.Add(state, int64(1), int64(1795262400))
	}
	p, err := ParsePlan("test", "60-M, 100-D")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, state string, cost, second int64) {
		now := time.Unix(second%(1<<40), 0)
		for _, charged := range []bool{true, false} {
			d, err := p.Shared().Decide(state, max(cost, 0), now, charged)
			for i := range p.limits {
				if err == nil && (d.States[i].Remaining < 0 || d.States[i].Remaining > p.limits[i].Quota) {
					t.Errorf("%q: %+v", state, d)
				}
			}
		}
	})
}

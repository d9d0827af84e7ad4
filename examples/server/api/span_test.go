package api

import (
	"testing"
	"time"
)

func TestSpan(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct {
		text string
		want time.Duration
		bad  bool
	}{
		{"30d", 30 * day, false}, {"1d12h", 36 * time.Hour, false}, {"0d", 0, false}, {"0", 0, false},
		{"720h", 30 * day, false}, {"90s", 90 * time.Second, false}, {"1d1ns", day + 1, false}, {"-5m", -5 * time.Minute, false},
		{"65535d", 65535 * day, false},
		{"", 0, true}, {"d", 0, true}, {"30", 0, true}, {"30D", 0, true}, {"1.5d", 0, true}, {"-1d", 0, true}, {"+1d", 0, true},
		{"1d-2h", 0, true}, {"1d 2h", 0, true}, {"65536d", 0, true}, {"65535d2562047h", 0, true}, {"1d2d", 0, true}, {"forever", 0, true},
	} {
		got, err := span(tt.text)
		if (err != nil) != tt.bad || got != tt.want {
			t.Errorf("span(%q): got %v, %v; want %v, bad %v", tt.text, got, err, tt.want, tt.bad)
		}
	}
}

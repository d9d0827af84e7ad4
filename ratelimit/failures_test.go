package ratelimit

import (
	"testing"
	"time"
)

// Peek tells how often a subject may still fail, by the limit that is nearest,
// and for how long it may not. Subjects are apart.
func TestFailuresPeek(t *testing.T) {
	plan, err := NewPlan("logins", Limit{Name: "minute", Quota: 2, Window: time.Minute}, Limit{Name: "quarter", Quota: 3, Window: 15 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	f, err := NewFailures(nil, plan)
	if err != nil {
		t.Fatal(err)
	}
	now := start
	for i, tt := range []struct {
		after time.Duration
		left  int64
		retry time.Duration
	}{
		{0, 2, 0},
		{0, 1, 0},
		{0, 0, time.Minute},                // counts nothing
		{59 * time.Second, 0, time.Second}, // nor does this
		{time.Second, 1, 0},                // of three in a quarter of an hour
		{time.Minute, 0, 13 * time.Minute}, // which are spent
		{13*time.Minute - time.Second, 0, time.Second}, // case L11
		{time.Second, 2, 0},
	} {
		now = now.Add(tt.after)
		for range 2 { // peeking changes nothing
			if left, retry := f.Peek("a", now); left != tt.left || retry != tt.retry {
				t.Errorf("step %d: %d left, retry in %v; want %d, %v", i, left, retry, tt.left, tt.retry)
			}
		}
		f.Count("a", now)
	}
	if left, retry := f.Peek("b", now); left != 2 || retry != 0 {
		t.Errorf("another subject: %d left, retry in %v", left, retry)
	}
}

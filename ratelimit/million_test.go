package ratelimit

import (
	"context"
	"strconv"
	"testing"
	"time"
)

// case L7: a million hostile identities leave the table at its size, and take
// nothing from subjects at their limit or from those that have used a part of
// it, as long as these have used more than the hostile ones.
func TestMillionIdentities(t *testing.T) {
	const (
		size     = 1 << 14
		subjects = 64 // of each kind
		hostile  = 1_000_000
	)
	m := NewMemory(size)
	p := parsed(t, "10-M, 100-D")
	ctx := context.Background()
	take := func(subject string, cost int64, now time.Time) Decision {
		d, err := m.Take(ctx, Take{"test", subject, p, cost}, now)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	kinds := []struct {
		name string
		used int64
	}{{"limited", 10}, {"nearly", 9}, {"half", 5}, {"little", 3}}
	for _, k := range kinds {
		for i := range subjects {
			take(k.name+strconv.Itoa(i), k.used, start)
		}
	}
	before := held(&m.narrow)
	for i := range hostile {
		// Ten seconds in all, so that nothing of the minute has passed.
		if d := take("hostile"+strconv.Itoa(i), 1, start.Add(time.Duration(i)*10*time.Microsecond)); !d.Allowed {
			t.Fatalf("hostile %d was refused", i)
		}
	}
	if got := held(&m.narrow); got != before || got > size*256 || held(&m.wide) != 0 {
		t.Errorf("the table takes %d bytes, want %d, at most %d, and no second table", got, before, size*256)
	}
	now := start.Add(10 * time.Second)
	for _, k := range kinds {
		lost := 0
		for i := range subjects {
			if d := take(k.name+strconv.Itoa(i), 0, now); d.States[0].Remaining != 10-k.used || d.States[1].Remaining != 100-k.used {
				lost++
			}
		}
		if lost > 0 {
			t.Errorf("%d of %d subjects that had used %d of 10 were forgotten", lost, subjects, k.used)
		}
	}
	// What takes the places is the hostile traffic itself, of which one in ten is looked at.
	const every = 10
	kept := 0
	for i := 0; i < hostile; i += every {
		if take("hostile"+strconv.Itoa(i), 0, now).States[0].Remaining < 10 {
			kept += every
		}
	}
	if kept > size*127/100*11/10 || kept < size/2 {
		t.Errorf("about %d hostile identities are remembered, want at most %d and not many fewer", kept, size*127/100)
	}
}

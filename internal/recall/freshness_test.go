package recall

import (
	"testing"
	"time"
)

// However often the stream breaks, an answer that was read before holds no longer than
// the outage lease from the first break. A change of unknown ids ends it at once.
func TestHoldsDuringOutage(t *testing.T) {
	for _, breaks := range []int{1, 40, 100} {
		f := freshness{lease: time.Second, age: time.Hour, outage: time.Minute, base: start}
		e := mark{Read: start}
		f.Alive(start.Add(10 * time.Minute))
		for i := range breaks {
			f.Gap()
			f.Alive(start.Add(10*time.Minute + time.Duration(i)*time.Second))
		}
		end := start.Add(11 * time.Minute)
		if !f.holdsDuringOutage(&e, end.Add(-1)) && breaks < mostGaps { // of more not all are kept
			t.Errorf("%d breaks: ended too soon", breaks)
		}
		if f.holdsDuringOutage(&e, end) {
			t.Errorf("%d breaks: goes on", breaks)
		}
		e = mark{Read: end, number: f.last.Load()}
		if !f.holdsDuringOutage(&e, end) {
			t.Errorf("%d breaks: what was read after them has ended", breaks)
		}
		f.Change()
		if f.holdsDuringOutage(&e, end) {
			t.Errorf("%d breaks, a change: goes on", breaks)
		}
		if e.number = f.last.Load(); !f.holdsDuringOutage(&e, end) {
			t.Errorf("%d breaks: what was read after the change has ended", breaks)
		}
	}
}

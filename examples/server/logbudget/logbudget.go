// Package logbudget bounds the lines that requests write to a log, so that a
// flood of requests is not a flood of lines.
package logbudget

import (
	"sync"
	"time"
)

// perSecond is how many lines a Budget admits in one second.
const perSecond = 10

// A Budget admits ten lines a second and counts the others. The zero value is
// ready to use, by many goroutines at once.
type Budget struct {
	mu             sync.Mutex
	second         int64
	lines, dropped int
}

// Admit reports whether a line may be written at the time now. If it may, dropped
// is how many were not admitted since the last one that was.
func (b *Budget) Admit(now time.Time) (dropped int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := now.Unix(); s != b.second {
		b.second, b.lines = s, 0
	}
	if b.lines >= perSecond {
		b.dropped++
		return 0, false
	}
	b.lines++
	dropped, b.dropped = b.dropped, 0
	return dropped, true
}

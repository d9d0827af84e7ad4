package password

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// A BusyError: no turn to hash a password came in time. Answered with 503, and
// not counted as a failed login.
type BusyError struct {
	Retry time.Duration // by then those who wait now have been served, or sent away
}

// Error says no more than the type does.
func (b *BusyError) Error() string { return "password: too many at once" }

// A gate bounds how many callers hash at once. The others wait in two short
// queues, each in order of arrival; neither takes room from the other.
type gate struct {
	maxQueue int // of each queue
	wait     time.Duration

	mu      sync.Mutex
	free    int
	waiting [2][]chan struct{} // closed when the caller's turn has come
	row     int                // callers with priority served in a row while others waited
}

// The queues of a gate.
const (
	ordinary = iota
	priority
)

// fairness is how many callers with priority are served in a row while others wait.
// Without it a single user who logs in all the time from known devices would keep
// all others out.
const fairness = 3

// An entrance leads to one queue of a gate.
type entrance struct {
	*gate
	queue int
}

// enter returns when the caller may hash. A caller that gets no error calls
// leave.
func (e entrance) enter(ctx context.Context) error {
	if ctx.Err() != nil {
		return gone(ctx) // nobody waits for the answer
	}
	e.mu.Lock()
	if e.free > 0 { // then nobody waits
		e.free--
		e.mu.Unlock()
		return nil
	}
	if len(e.waiting[e.queue]) >= e.maxQueue {
		e.mu.Unlock()
		return &BusyError{Retry: e.wait}
	}
	turn := make(chan struct{})
	e.waiting[e.queue] = append(e.waiting[e.queue], turn)
	e.mu.Unlock()
	timer := time.NewTimer(e.wait)
	defer timer.Stop()
	var err error
	select {
	case <-turn:
		return nil
	case <-timer.C:
		err = &BusyError{Retry: e.wait}
	case <-ctx.Done():
		err = gone(ctx)
	}
	if !e.withdraw(turn) { // the turn has come meanwhile
		e.leave()
	}
	return err
}

// withdraw takes a caller out of the queue, and reports whether it was there.
func (e entrance) withdraw(turn chan struct{}) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := slices.Index(e.waiting[e.queue], turn)
	if i >= 0 {
		e.waiting[e.queue] = slices.Delete(e.waiting[e.queue], i, i+1)
	}
	return i >= 0
}

// leave hands the place to the next caller.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	queue := ordinary
	switch {
	case len(g.waiting[ordinary]) == 0:
		queue, g.row = priority, 0
	case len(g.waiting[priority]) > 0 && g.row < fairness:
		queue = priority
		g.row++
	default:
		g.row = 0
	}
	if len(g.waiting[queue]) == 0 {
		g.free++
		return
	}
	close(g.waiting[queue][0])
	g.waiting[queue] = slices.Delete(g.waiting[queue], 0, 1)
}

func gone(ctx context.Context) error {
	return fmt.Errorf("password: none was hashed: %w", ctx.Err())
}

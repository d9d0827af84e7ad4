package password

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// A BusyError says that the caller got no turn to hash a password in time. The
// answer is 503. It is not a failed login, and must not be counted as one:
// otherwise a flood of logins could lock users out.
type BusyError struct {
	Retry time.Duration // by then those who wait now have been served or sent away
}

// Error returns a fixed text.
func (b *BusyError) Error() string { return "password: too many at once" }

// A semaphore bounds how many callers hash at once. The others wait in two
// queues, each of bounded length and in order of arrival. Neither queue takes
// room from the other, so a flood of ordinary callers cannot fill the queue of
// those with priority.
type semaphore struct {
	maxQueue int           // the length of each queue
	wait     time.Duration // the longest wait for a turn

	mu      sync.Mutex
	free    int
	waiting [2][]chan struct{} // one channel for each caller; closed when its turn has come
	row     int                // turns in a row that went to priority while others waited
}

// The queues of a semaphore.
const (
	ordinary = iota
	priority
)

// fairness is how many turns in a row callers with priority get while others
// wait. Without this bound a single user who logs in all the time from a known
// device would keep everybody else out.
const fairness = 3

// An entrance is a semaphore with the queue that a caller waits in.
type entrance struct {
	*semaphore
	queue int
}

// enter waits for a turn. A caller that gets no error has one, and calls leave
// after hashing. Errors:
//
//   - *BusyError: the queue is full, or the wait was too long.
//   - that of ctx: the client has gone, and nobody waits for the answer.
func (e entrance) enter(ctx context.Context) error {
	if ctx.Err() != nil {
		return gone(ctx) // nobody waits for the answer
	}
	e.mu.Lock()
	if e.free > 0 { // then both queues are empty: leave hands a turn on before it frees one
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
	// The turn may have come at the moment the wait ended. Then the caller has
	// a turn that it does not use, and has to hand it on.
	if !e.withdraw(turn) {
		e.leave()
	}
	return err
}

// withdraw takes a caller out of its queue. It returns false if the caller is
// no longer there because its turn has come.
func (e entrance) withdraw(turn chan struct{}) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := slices.Index(e.waiting[e.queue], turn)
	if i >= 0 {
		e.waiting[e.queue] = slices.Delete(e.waiting[e.queue], i, i+1)
	}
	return i >= 0
}

// leave hands the turn to the next caller, or frees it if nobody waits.
// Priority goes first, but at most fairness times in a row while others wait.
func (s *semaphore) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	queue := ordinary
	switch {
	case len(s.waiting[ordinary]) == 0:
		queue, s.row = priority, 0
	case len(s.waiting[priority]) > 0 && s.row < fairness:
		queue = priority
		s.row++
	default:
		s.row = 0
	}
	if len(s.waiting[queue]) == 0 {
		s.free++
		return
	}
	close(s.waiting[queue][0])
	s.waiting[queue] = slices.Delete(s.waiting[queue], 0, 1)
}

// gone returns the error of a caller whose context has ended.
func gone(ctx context.Context) error {
	return fmt.Errorf("password: none was hashed: %w", ctx.Err())
}

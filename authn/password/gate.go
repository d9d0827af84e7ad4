package password

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// A BusyError: no turn to hash a password came in time. Answered with 503, and
// not counted as a failed login.
type BusyError struct {
	Retry time.Duration // by then those who wait now have been served, or sent away
}

// Error says no more than the type does.
func (e *BusyError) Error() string { return "password: too many at once" }

// A gate lets few in at once and keeps a short queue, in order of arrival: a
// full channel hands a freed place to who has waited longest.
type gate struct {
	places  chan struct{}
	waiting atomic.Int64
	queue   int64
	wait    time.Duration
}

// enter returns when the caller is in. Who gets no error calls leave.
func (g *gate) enter(ctx context.Context) error {
	if ctx.Err() != nil {
		return g.gone(ctx) // nobody waits for the answer
	}
	select {
	case g.places <- struct{}{}:
		return nil
	default:
	}
	defer g.waiting.Add(-1)
	if g.waiting.Add(1) > g.queue {
		return &BusyError{Retry: g.wait}
	}
	timer := time.NewTimer(g.wait)
	defer timer.Stop()
	select {
	case g.places <- struct{}{}:
		return nil
	case <-timer.C:
		return &BusyError{Retry: g.wait}
	case <-ctx.Done():
		return g.gone(ctx)
	}
}

func (g *gate) leave() { <-g.places }

func (*gate) gone(ctx context.Context) error {
	return fmt.Errorf("password: none was hashed: %w", ctx.Err())
}

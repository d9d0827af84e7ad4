package apikey

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"time"
)

// A semaphore bounds the slow verifications that run at once, and those that wait. A
// client that knows the clear part of an imported key must not be able to keep all
// processors busy.
type semaphore struct {
	slots   chan struct{}
	waiting *atomic.Int64
}

const (
	maxWaiting  = 8               // for each slot
	slotTimeout = 1 * time.Second // of the wait for a slot
)

var errBusy = errors.New("too many imported keys are being verified")

// newSemaphore returns a semaphore that leaves half of the processors to other work.
func newSemaphore() semaphore {
	return semaphore{make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)), new(atomic.Int64)}
}

// enter waits for a slot. A caller that gets no error calls leave. Errors: errBusy, and
// that of ctx.
func (s semaphore) enter(ctx context.Context) error {
	select {
	case s.slots <- struct{}{}:
		return nil
	default:
	}
	defer s.waiting.Add(-1)
	if s.waiting.Add(1) > int64(maxWaiting*cap(s.slots)) {
		return errBusy
	}
	timer := time.NewTimer(slotTimeout)
	defer timer.Stop()
	select {
	case s.slots <- struct{}{}:
		return nil
	case <-timer.C:
		return errBusy
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s semaphore) leave() { <-s.slots }

package apikey

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"time"
)

// A semaphore bounds how many slow verifications run at once, and how many
// wait. A client that knows the clear part of an imported key can cause slow
// verifications, and must not be able to keep all processors busy.
type semaphore struct {
	slots   chan struct{}
	waiting *atomic.Int64
}

const (
	maxWaiting  = 8               // callers that wait, for each slot
	slotTimeout = 1 * time.Second // the longest wait for a slot
)

// errBusy is answered with 503: the key has not been judged.
var errBusy = errors.New("too many imported keys are being verified")

// newSemaphore returns a semaphore that leaves half of the processors to other
// work.
func newSemaphore() semaphore {
	return semaphore{make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)), new(atomic.Int64)}
}

// enter waits for a slot. A caller that gets no error has one, and calls leave.
// Errors are errBusy, and that of ctx.
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

// leave frees the slot of a caller.
func (s semaphore) leave() { <-s.slots }

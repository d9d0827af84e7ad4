package authn

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"time"
)

// semaphores bound how many unknown credentials of one address are looked up at
// once. There is a fixed number of them, and addresses share them by hash: a
// client that uses many addresses costs no memory. The hash is seeded, so a
// client cannot choose addresses that share the semaphore of a victim.
type semaphores struct {
	once  sync.Once
	slots [256]chan struct{} // one semaphore each
}

const (
	semaphoreSize    = 4               // look-ups at once of one semaphore
	semaphoreTimeout = 2 * time.Second // the longest wait for a slot
)

var seed = maphash.MakeSeed()

var errQueue = fmt.Errorf("%w: too many unknown credentials at once", ErrUnavailable)

// enter waits for a slot in the semaphore of subject, which is an IPv4 address
// or an IPv6 /64. The caller calls leave. Errors wrap ErrUnavailable: a caller
// who gets no slot has not been judged.
func (s *semaphores) enter(ctx context.Context, subject string) (leave func(), err error) {
	s.once.Do(func() {
		for i := range s.slots {
			s.slots[i] = make(chan struct{}, semaphoreSize)
		}
	})
	slots := s.slots[maphash.String(seed, subject)%uint64(len(s.slots))]
	select {
	case slots <- struct{}{}:
		return func() { <-slots }, nil
	default:
	}
	wait := time.NewTimer(semaphoreTimeout)
	defer wait.Stop()
	select {
	case slots <- struct{}{}:
		return func() { <-slots }, nil
	case <-wait.C:
		return nil, errQueue
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
}

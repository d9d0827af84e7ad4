package authn

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"time"
)

// lanes bound how many unknown credentials of one address are asked about at
// once. Addresses share a fixed number of lanes, so that nobody's choice of
// addresses costs memory.
type lanes struct {
	once  sync.Once
	lanes [256]chan struct{}
}

const (
	laneWidth = 4
	laneWait  = 2 * time.Second
)

var seed = maphash.MakeSeed()

var errQueue = fmt.Errorf("%w: too many unknown credentials at once", ErrUnavailable)

// enter waits for a slot of subject (an IPv4 address or an IPv6 /64). The caller
// calls leave.
func (l *lanes) enter(ctx context.Context, subject string) (leave func(), err error) {
	l.once.Do(func() {
		for i := range l.lanes {
			l.lanes[i] = make(chan struct{}, laneWidth)
		}
	})
	lane := l.lanes[maphash.String(seed, subject)%uint64(len(l.lanes))]
	select {
	case lane <- struct{}{}:
		return func() { <-lane }, nil
	default:
	}
	wait := time.NewTimer(laneWait)
	defer wait.Stop()
	select {
	case lane <- struct{}{}:
		return func() { <-lane }, nil
	case <-wait.C:
		return nil, errQueue
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
}

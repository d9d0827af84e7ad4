package apikey

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"time"
)

// A gate lets few slow verifications run at once, and few wait: a client that
// knows the clear part of an imported key must not be able to busy all
// processors.
type gate struct {
	places  chan struct{}
	waiting *atomic.Int64
}

const (
	gateQueue = 8               // waiting, for every place
	gateWait  = 1 * time.Second // at most
)

var errBusy = errors.New("too many imported keys are being verified")

// newGate leaves half of the processors to everybody else.
func newGate() gate {
	return gate{make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)), new(atomic.Int64)}
}

// enter returns when the caller is in. Who gets no error calls leave.
func (g gate) enter(ctx context.Context) error {
	select {
	case g.places <- struct{}{}:
		return nil
	default:
	}
	defer g.waiting.Add(-1)
	if g.waiting.Add(1) > int64(gateQueue*cap(g.places)) {
		return errBusy
	}
	timer := time.NewTimer(gateWait)
	defer timer.Stop()
	select {
	case g.places <- struct{}{}:
		return nil
	case <-timer.C:
		return errBusy
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g gate) leave() { <-g.places }

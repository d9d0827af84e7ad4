package ratelimit

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// guarded is a store with a policy for when it fails.
type guarded struct {
	store   Store
	failure Failure
	log     *slog.Logger

	failing atomic.Bool
	once    sync.Once
	local   *Memory // made at the first failure
}

// Take asks the store and, where that fails, answers by the policy. The cause
// goes to the log, once when the store begins to fail. An error wraps
// ErrUnavailable. An open answer has no plan.
func (g *guarded) Take(ctx context.Context, t Take, now time.Time, d *Decision) error {
	if _, inside := g.store.(*Memory); !inside {
		ctx = context.WithoutCancel(ctx) // who hangs up is counted all the same
	}
	err := g.store.Take(ctx, t, now, d)
	if err == nil {
		if g.failing.Load() && g.failing.CompareAndSwap(true, false) {
			g.log.LogAttrs(ctx, slog.LevelInfo, "ratelimit: store answers again")
		}
		return nil
	}
	if g.failing.CompareAndSwap(false, true) {
		g.log.LogAttrs(ctx, slog.LevelError, "ratelimit: store fails", slog.Any("error", err))
	}
	switch g.failure {
	case Open:
		*d = Decision{Allowed: true}
		return nil
	case Local:
		g.once.Do(func() { g.local = NewMemory(0) })
		if err = g.local.Take(ctx, t, now, d); err == nil {
			return nil
		}
	}
	*d = Decision{}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

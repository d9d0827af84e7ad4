package authn

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Run watches for changes and records uses until ctx ends; then it records the
// last of them and returns ctx's error. The caller owns the goroutine.
func (k *Keys) Run(ctx context.Context) error {
	var watching sync.WaitGroup
	if k.config.Changes != nil {
		watching.Go(func() { k.watch(ctx) })
	}
	tick := time.NewTicker(useFlush)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			k.flush(ctx)
		case <-ctx.Done():
			watching.Wait()
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.config.Timeout)
			defer cancel()
			k.flush(last)
			return ctx.Err()
		}
	}
}

func (k *Keys) flush(ctx context.Context) {
	if err := k.uses.flush(ctx, k.config.Store.Touch); err != nil {
		k.config.Logger.ErrorContext(ctx, "uses not recorded, will be tried again", slog.Any("err", err))
	}
}

// watch keeps the stream up. While it is down answers end with their lease.
func (k *Keys) watch(ctx context.Context) {
	const first, most = 100 * time.Millisecond, 5 * time.Second
	wait := first
	for ctx.Err() == nil {
		began := time.Now()
		err := k.config.Changes.Watch(ctx, &k.answers.fresh)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > most {
			wait = first
		}
		k.config.Logger.ErrorContext(ctx, "stream of changes lost", slog.Any("err", err), slog.Duration("lease", k.config.Lease))
		select {
		case <-time.After(wait/2 + time.Duration(time.Now().UnixNano())%(wait/2)): // nodes do not return in step
		case <-ctx.Done():
		}
		wait = min(2*wait, most)
	}
}

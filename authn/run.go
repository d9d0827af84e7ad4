package authn

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"medtwin.ai/tollgate/store"
)

// A runner is the background work of what remembers answers.
type runner struct {
	changes store.Changes // may be nil
	answers *answers
	uses    *uses
	touch   func(context.Context, []store.Use) error
	log     *slog.Logger
}

// Run watches for changes and records uses until ctx ends; then it records the
// last of them and returns ctx's error. The caller owns the goroutine.
func (k *Keys) Run(ctx context.Context) error {
	return runner{k.config.Changes, k.answers, &k.uses, k.config.Store.Touch, k.config.Logger}.run(ctx)
}

// Run is Keys.Run for sessions.
func (s *Sessions) Run(ctx context.Context) error {
	return runner{s.config.Changes, s.answers, &s.uses, s.config.Store.Touch, s.config.Logger}.run(ctx)
}

func (r runner) run(ctx context.Context) error {
	var watching sync.WaitGroup
	if r.changes != nil {
		watching.Go(func() { r.watch(ctx) })
	}
	tick := time.NewTicker(useFlush)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.flush(ctx)
		case <-ctx.Done():
			watching.Wait()
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.answers.timeout)
			defer cancel()
			r.flush(last)
			return ctx.Err()
		}
	}
}

func (r runner) flush(ctx context.Context) {
	if err := r.uses.flush(ctx, r.touch); err != nil {
		r.log.ErrorContext(ctx, "uses not recorded, will be tried again", slog.Any("err", err))
	}
}

// watch keeps the stream up. While it is down answers end with their lease.
func (r runner) watch(ctx context.Context) {
	const first, most = 100 * time.Millisecond, 5 * time.Second
	wait := first
	for ctx.Err() == nil {
		began := time.Now()
		err := r.changes.Watch(ctx, &r.answers.fresh)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > most {
			wait = first
		}
		r.log.ErrorContext(ctx, "stream of changes lost", slog.Any("err", err), slog.Duration("lease", r.answers.fresh.lease))
		select {
		case <-time.After(wait/2 + time.Duration(time.Now().UnixNano())%(wait/2)): // nodes do not return in step
		case <-ctx.Done():
		}
		wait = min(2*wait, most)
	}
}

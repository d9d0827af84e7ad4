package webhook

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"
)

// An endpoint has one attempt at a time. Those whose latest attempt failed
// share slots of their own, so that they hold up each other and no others.
var slots = map[bool]int{false: 48, true: 16} // by whether it failed

const (
	poll          = time.Second     // for what another process has queued, and for what is due again
	recordTimeout = 4 * time.Second // for what became of an attempt, though Run ends; else it is made again
)

// Run delivers until ctx ends and returns nil. Attempts under way are then cut
// off and made again by the next Run.
func (s *Sender) Run(ctx context.Context) error {
	var attempts sync.WaitGroup
	defer attempts.Wait()
	free := maps.Clone(slots)
	done := make(chan bool, slots[false]+slots[true]) // never blocks an attempt
	tick := time.NewTicker(poll)
	defer tick.Stop()
	var swept time.Time
	down := false
	for {
		var errs []error
		for failing, n := range free {
			if n == 0 {
				continue
			}
			claims, err := s.claim(ctx, failing, n)
			errs = append(errs, err)
			free[failing] -= len(claims)
			for _, d := range claims {
				attempts.Go(func() {
					if err := s.attempt(ctx, d); err != nil {
						s.log.ErrorContext(ctx, "webhook attempt not recorded, will be made again", slog.String("endpoint", d.Endpoint), slog.Any("err", err))
					}
					done <- failing
				})
			}
		}
		if now := s.now(); now.Sub(swept) >= time.Hour {
			errs = append(errs, s.store.Prune(ctx, now.Add(-keep)))
			swept = now
		}
		err := errors.Join(errs...)
		if err != nil && !down && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "webhooks wait for the database", slog.Any("err", err))
		}
		down = err != nil
		select {
		case <-ctx.Done():
			return nil
		case failing := <-done:
			free[failing]++
		case <-s.wake:
		case <-tick.C:
		}
	}
}

// claim returns deliveries of up to n endpoints for which something is due and no
// attempt is under way, in this or another process.
func (s *Sender) claim(ctx context.Context, failing bool, n int) ([]Delivery, error) {
	now := s.now()
	return s.store.Claim(ctx, failing, n, now, now.Add(lease).Truncate(time.Microsecond))
}

// attempt makes one attempt at a delivery that was claimed, and records it
// even when ctx has ended meanwhile. One that was cut off does not count.
func (s *Sender) attempt(ctx context.Context, d Delivery) error {
	f := s.post(ctx, d)
	record, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	var o Outcome
	if f == nil || ctx.Err() == nil {
		o = outcome(s.now(), d, f)
	}
	if err := s.store.End(record, d, o); err != nil {
		return err
	}
	if o.Error != "" && o.Due.IsZero() {
		s.log.WarnContext(record, "webhook delivery given up", slog.String("endpoint", d.Endpoint), slog.String("event", d.Event),
			slog.Int("attempts", d.Attempts+1), slog.String("error", o.Error), slog.Bool("gone", o.Gone))
	}
	return nil
}

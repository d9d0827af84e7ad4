package webhook

import (
	"context"
	"database/sql"
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
			for _, c := range claims {
				attempts.Go(func() {
					if err := s.attempt(ctx, c); err != nil {
						s.log.ErrorContext(ctx, "webhook attempt not recorded, will be made again", slog.String("endpoint", c.endpoint), slog.Any("err", err))
					}
					done <- failing
				})
			}
		}
		if now := s.now(); now.Sub(swept) >= time.Hour {
			errs = append(errs, s.together(ctx, func(b *batch) {
				b.do(`DELETE FROM server_deliveries WHERE (endpoint, event) IN (SELECT endpoint, event FROM server_deliveries
					WHERE due IS NULL AND settled < ?1 /*pg FOR UPDATE SKIP LOCKED */)`, now.Add(-keep).UnixMicro())
			}))
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

// attempt makes one attempt at an endpoint that was claimed, and records it
// even when ctx has ended meanwhile. One that was cut off does not count.
func (s *Sender) attempt(ctx context.Context, c claim) error {
	d, err := s.due(ctx, c)
	var f *failure
	if err == nil {
		f = s.post(ctx, d)
	}
	record, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	if err == nil && (f == nil || ctx.Err() == nil) {
		return s.record(record, d, f)
	}
	if errors.Is(err, sql.ErrNoRows) || ctx.Err() != nil {
		err = nil // the endpoint was removed, or Run ends
	}
	return errors.Join(err, s.together(record, func(b *batch) {
		b.do(`UPDATE server_webhooks SET `+freed+` WHERE id = ?1`, c.endpoint, c.until)
	}))
}

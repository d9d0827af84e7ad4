// Package retention deletes records that ended long ago from the backends of package
// store.
package retention

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"medtwin.ai/tollgate/store"
)

// A Pruner deletes records that ended long ago. It does so in batches, so that other calls
// do not wait for long. Several processes may prune one store.
//
// Records whose retention is 0, or whose store is nil, are never deleted.
type Pruner struct {
	Sessions        store.Sessions // nil if their store deletes them by itself
	KeepSessions    time.Duration  // after they have expired or were revoked
	Keys            store.KeyAdmin
	KeepKeys        time.Duration // after they have expired or were revoked; see store.KeyAdmin.Prune
	Events          store.Events
	KeepEvents      time.Duration // after they happened
	Invitations     store.Invitations
	KeepInvitations time.Duration // after they have expired

	Every  time.Duration // how often Run prunes. Default: every hour.
	Logger *slog.Logger  // of failures and of how many were deleted. Default: none.
}

// pruned is how many records are deleted at a time.
const pruned = 1000

// Prune deletes the records whose retention has ended at now. If one store fails, it goes
// on with the others, and it returns all errors.
func (p *Pruner) Prune(ctx context.Context, now time.Time) error {
	type prune func(ctx context.Context, before time.Time, most int) (int, error)
	var sessions, keys, events, invitations prune
	if p.Sessions != nil {
		sessions = p.Sessions.Prune
	}
	if p.Keys != nil {
		keys = p.Keys.Prune
	}
	if p.Events != nil {
		events = p.Events.Prune
	}
	if p.Invitations != nil {
		invitations = p.Invitations.Prune
	}
	var errs []error
	for _, of := range []struct {
		what  string
		keep  time.Duration
		prune prune
	}{
		{"sessions", p.KeepSessions, sessions}, {"keys", p.KeepKeys, keys}, {"events", p.KeepEvents, events},
		{"invitations", p.KeepInvitations, invitations},
	} {
		if of.prune == nil || of.keep <= 0 {
			continue
		}
		total := 0
		for n := pruned; n == pruned; {
			var err error
			if n, err = of.prune(ctx, now.Add(-of.keep), pruned); err != nil {
				errs = append(errs, fmt.Errorf("retention: %s not pruned: %w", of.what, err))
				break
			}
			total += n
		}
		if total > 0 {
			p.logger().InfoContext(ctx, "pruned", slog.String("what", of.what), slog.Int("records", total), slog.Duration("kept_for", of.keep))
		}
	}
	return errors.Join(errs...)
}

// Run prunes at once and then regularly until ctx ends, and returns ctx's error. The
// caller owns the goroutine.
func (p *Pruner) Run(ctx context.Context) error {
	tick := time.NewTicker(cmp.Or(p.Every, time.Hour))
	defer tick.Stop()
	for {
		if err := p.Prune(ctx, time.Now()); err != nil && ctx.Err() == nil {
			p.logger().ErrorContext(ctx, "not everything was pruned; it is tried again", slog.Any("err", err))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (p *Pruner) logger() *slog.Logger {
	if p.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return p.Logger
}

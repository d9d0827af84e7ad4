package ratelimit

import (
	"context"
	"time"
)

// Peek tells into d where a subject stands with a plan, by the counters that
// Config.Plan charges, and changes nothing: States has what remains of each
// limit, and Allowed is what a request of cost 1 would be told. It is for
// pages that show usage; only Take decides.
//
// While the store does not answer it tells what this process counts by then,
// as [Failure] says; d.Plan is nil where nothing is counted. The error wraps
// [ErrUnavailable].
func (l *Limiter) Peek(ctx context.Context, subject string, plan *Plan, now time.Time, d *Decision) error {
	if plan == nil {
		*d = Decision{Allowed: true}
		return nil
	}
	return l.store.Take(ctx, Take{Scope: l.config.Name, Subject: subject, Plan: plan}, now, d)
}

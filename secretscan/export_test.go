package secretscan

import (
	"context"
	"time"
)

// CatchUp handles what waits now.
func (rc *Receiver) CatchUp(ctx context.Context) error {
	rc.keys.refresh(ctx, current)
	return rc.catchUp(ctx)
}

// Look returns when Run has gone over what waits, after this was called: the
// second wake-up is taken after it has done so for the first.
func (rc *Receiver) Look() {
	for range 3 {
		rc.wake <- struct{}{}
	}
}

// SetWork bounds the time for a report while its sender waits.
func (rc *Receiver) SetWork(d time.Duration) { rc.work = d }

// Occupy takes all the room for large bodies, and waits less for it.
func (rc *Receiver) Occupy() {
	rc.roomTimeout = time.Millisecond
	for range cap(rc.bodies) {
		rc.bodies <- struct{}{}
	}
}

// SetRoom bounds what may wait.
func (rc *Receiver) SetRoom(reports, bytes int) { rc.room = Room{reports, bytes} }

// What may wait, and the share of a network.
var (
	MaxWaiting, MaxWaitingBytes = standard.Reports, standard.Bytes
	Share, ShareBytes           = standard.share().Reports, standard.share().Bytes
)

const (
	Pause      = pause
	Current    = current
	Expiry     = expiry
	Lease      = lease
	MaxBody    = maxBody
	MaxMatches = maxMatches
	SmallBody  = smallBody
)

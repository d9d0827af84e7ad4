package leak

import "time"

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
	rc.patience = time.Millisecond
	for range cap(rc.bodies) {
		rc.bodies <- struct{}{}
	}
}

const (
	Pause           = pause
	Current         = current
	Expiry          = expiry
	MaxBody         = maxBody
	MaxMatches      = maxMatches
	MaxWaiting      = maxWaiting
	MaxWaitingBytes = maxWaitingBytes
	SmallBody       = smallBody
)

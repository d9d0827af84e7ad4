package secretscan

import (
	"context"
	"errors"
	"time"
)

// ErrFull is returned by a [Store] that has no room for a report.
var ErrFull = errors.New("secretscan: there is no room for the report")

// A Store keeps reports that wait. What a call has changed survives a crash after the
// call has returned. Several processes can use one store. The times in it are those of
// the caller, to the microsecond. A report is claimed by one process at a time; while
// the claim lasts, no other handles it.
type Store interface {
	// Add keeps a report. It does nothing if one with that ID is kept already.
	//
	// If the reports of its Origin would take more than share, it returns [ErrFull],
	// unless Origin is "". If all would take more than room, it drops others: each time
	// the oldest that has an Origin and is not claimed at w.Received, of the origin
	// that takes the most room. It returns how many it has dropped. If there is none
	// that can go, it returns [ErrFull] and drops none. Calls exclude each other.
	//
	// Reports take room by their number and by the bytes of Sealed. To compare
	// origins, a report and room.Bytes/room.Reports bytes are the same.
	Add(ctx context.Context, w Waiting, room, share Room) (dropped int, err error)

	// Next returns the first report, in the order of Received and then ID, that comes
	// after the one given and that no claim holds at now. It returns the zero Waiting
	// if there is none.
	Next(ctx context.Context, after Waiting, now time.Time) (Waiting, error)

	// Claim begins a claim on a report that no claim holds at now, or extends the one
	// that lasts until was, which is zero to begin one. It reports whether the claim
	// lasts until the time given now.
	Claim(ctx context.Context, id []byte, was, until, now time.Time) (bool, error)

	// End ends the claim that lasts until a time, and removes the report if it is done.
	// It does nothing if there is no such claim.
	End(ctx context.Context, id []byte, until time.Time, done bool) error
}

// A Waiting report is kept until it can be verified and handled.
type Waiting struct {
	ID       []byte // of 32 bytes
	Received time.Time
	Origin   string // stands for the network that sent a report that is not verified yet; else ""
	Sealed   []byte // encrypted: what it holds opens doors
}

// A Room is how many reports may wait, and how many bytes of them.
type Room struct{ Reports, Bytes int }

package webhook

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

const (
	maxPending  = 10_000             // deliveries of an account that are still attempted
	maxBody     = 64 << 10           // bytes
	maxAttempts = 11                 // which delay stretches over 22 to 27 hours
	longest     = 5 * time.Hour      // between two attempts
	lease       = 3 * attemptTimeout // of an endpoint to an attempt; then that has died with its process
	keep        = 7 * 24 * time.Hour // of what is settled, so that it is not queued again
)

// ErrBacklog says that an event is not queued for one or more endpoints,
// because too much waits to be delivered to them already.
var ErrBacklog = errors.New("webhook: too many pending deliveries")

// An Event is something that happened to a key.
type Event struct {
	ID   string    // unique, of [A-Za-z0-9_-]: the specification wants no full stop; the webhook-id
	Kind string    // "key.created"
	At   time.Time // when it happened
	Data any       // about what, in JSON; without secrets: it is stored and sent as it is
}

// Enqueue writes down what is to be delivered of an event: once to every
// endpoint of the account that hears of its kind. When it returns nil, that
// survives a crash. Within a week, doing it again with an event of the same ID
// does nothing.
//
// An account has 10,000 pending deliveries, and an endpoint an equal share of
// them, so that a dead endpoint does not cost the others their events. What is
// more is dropped, counted in [Endpoint].Dropped and reported as [ErrBacklog];
// the endpoints that have room still get it.
func (s *Sender) Enqueue(ctx context.Context, account string, e Event) error {
	if !validID(e.ID, "-") || !validID(e.Kind, ".") {
		return fmt.Errorf("%w: want an event with an ID and a kind", ErrInvalid)
	}
	body, err := json.Marshal(struct {
		Type      string    `json:"type"`
		Timestamp time.Time `json:"timestamp"`
		Data      any       `json:"data"`
	}{e.Kind, e.At.UTC(), e.Data})
	if err != nil || len(body) > maxBody {
		return fmt.Errorf("%w: want at most %d bytes of JSON", ErrInvalid, maxBody)
	}
	dropped, err := s.store.Queue(ctx, Delivery{Account: account, Event: e.ID, Kind: e.Kind, Body: body}, s.now(), maxPending)
	if err != nil {
		return err
	}
	select {
	case s.wake <- struct{}{}:
	default: // Run has yet to see the last one
	}
	if dropped > 0 {
		return fmt.Errorf("%w: event %s is dropped for %d endpoints", ErrBacklog, e.ID, dropped)
	}
	return nil
}

// outcome says what is to become of a delivery after an attempt. It postpones one that
// failed, gives up one that failed too often, and gives up all of an endpoint that is
// gone.
func outcome(now time.Time, d Delivery, f *failure) Outcome {
	o := Outcome{At: now}
	if f == nil {
		return o
	}
	o.Error, o.Gone = f.text, f.gone
	if n := d.Attempts + 1; !f.gone && n < maxAttempts {
		o.Due = now.Add(max(delay(n), f.wait))
	}
	return o
}

// delay returns how long to wait after n failed attempts: 5 s, 20 s, 80 s and
// so on up to five hours, and up to a quarter more by chance, so that what
// failed together is not tried again together.
func delay(n int) time.Duration {
	d := min(5*time.Second<<(2*(n-1)), longest)
	var b [8]byte
	rand.Read(b[:])
	return d + time.Duration(binary.BigEndian.Uint64(b[:])%uint64(d/4))
}

package webhook

import (
	"context"
	"time"
)

// A Store keeps endpoints and what is to be delivered to them. What a call has changed
// survives a crash after the call has returned. Several processes can use one store.
// The times in it are those of the caller, to the microsecond.
type Store interface {
	// Add adds an endpoint to an account. If the account has most endpoints already,
	// it returns [ErrQuota], also if several calls come at once.
	Add(ctx context.Context, account string, e Endpoint, most int) error

	// List returns the endpoints of an account by ID, with all that has become of
	// their deliveries.
	List(ctx context.Context, account string) ([]Endpoint, error)

	// Remove removes an endpoint and its deliveries. If the account has no such
	// endpoint, it returns [ErrNotFound].
	Remove(ctx context.Context, account, id string) error

	// Queue adds a delivery, due at now, for each endpoint of d.Account that hears of
	// d.Kind and is not gone. d has only Account, Event, Kind and Body. An endpoint
	// that has a delivery of this event, pending or settled, gets no other.
	//
	// It adds none for an endpoint that has most/n pending deliveries, of n endpoints
	// that are not gone, and none at all if the account would have more than most.
	// Those count in Dropped of their endpoint, and the number of endpoints is
	// returned. Calls for one account, Remove, and End with Gone exclude each other.
	Queue(ctx context.Context, d Delivery, now time.Time, most int) (dropped int, err error)

	// Claim returns, for up to n endpoints, the delivery that has been due longest. It
	// takes endpoints that no claim holds at now: those with Failures if failing is
	// set, else those without. It begins with the one whose latest claim began longest
	// ago. Its claims last until the time given, which is Until in what it returns. No
	// two calls claim the same endpoint, and none waits for another. With an error it
	// returns what it has claimed all the same.
	Claim(ctx context.Context, failing bool, n int, now, until time.Time) ([]Delivery, error)

	// End says what became of an attempt, and ends the claim if that is still the one
	// of d. What another attempt has settled meanwhile stays as it is if this one
	// failed.
	End(ctx context.Context, d Delivery, o Outcome) error

	// Prune removes the deliveries that were settled before a time.
	Prune(ctx context.Context, before time.Time) error
}

// A Delivery is one event on its way to one endpoint.
type Delivery struct {
	Account, Endpoint, URL string
	Event, Kind            string
	Body                   []byte
	Attempts               int       // that failed
	Until                  time.Time // when the claim ends
}

// An Outcome is what became of an attempt. The zero one was cut off: nothing is known,
// and the delivery is still due.
type Outcome struct {
	At    time.Time // when it ended
	Error string    // why it failed; "": it was delivered, which settles it and ends the Failures in a row
	Due   time.Time // of the next attempt; zero: the delivery is given up, which settles it
	Gone  bool      // the endpoint hears no more; all its deliveries are given up
}

// Package webhook tells the servers of customers what happened to their keys,
// signed after the Standard Webhooks specification 1.0.0
// (https://www.standardwebhooks.com).
//
// What happened is in the [Store] before it is sent, and is sent until the
// receiver answers with a status from 200 to 299 or about a day has passed: at
// least once, in no particular order, across restarts and kill -9. Receivers
// recognize what they have seen by its webhook-id.
package webhook

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// Config says what a [Sender] works with.
type Config struct {
	// Store keeps endpoints and what is to be delivered to them. Required.
	Store Store

	// Secret derives the signing secret of an endpoint, 24 to 64 bytes, from
	// its id and from something that is not in the store: nothing that is
	// stored here signs anything. It must not change as long as endpoints are
	// to keep working. Required.
	Secret func(endpointID string) []byte

	// AllowPrivate lets endpoints be on loopback and private networks, and
	// without TLS: for tests and local development. On a server it lets every
	// customer call what only the server can reach. Default: public addresses
	// and https only.
	AllowPrivate bool

	// Logger hears of deliveries given up, of endpoints that are gone and of
	// outages of the store; never of a URL, a body or a secret. Default: no
	// log.
	Logger *slog.Logger

	// Now tells the time. Default: time.Now.
	Now func() time.Time
}

// A Sender keeps endpoints and what is to be delivered to them. It is safe for
// concurrent use, also by several processes with one store.
type Sender struct {
	store   Store
	secret  func(string) []byte
	private bool
	log     *slog.Logger
	now     func() time.Time
	client  *http.Client
	wake    chan struct{} // something may be due
}

// New returns a sender. It sends once [Sender.Run] runs.
func New(c Config) (*Sender, error) {
	var errs []error
	if c.Store == nil {
		errs = append(errs, errors.New("webhook: Store is nil"))
	}
	if c.Secret == nil {
		errs = append(errs, errors.New("webhook: Secret is nil"))
	} else if n := len(c.Secret("")); n < 24 || n > 64 {
		errs = append(errs, fmt.Errorf("webhook: Secret derives %d bytes, want 24 to 64", n))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Sender{
		store: c.Store, secret: c.Secret, private: c.AllowPrivate, log: c.Logger, now: c.Now,
		client: newClient(c.AllowPrivate), wake: make(chan struct{}, 1),
	}, nil
}

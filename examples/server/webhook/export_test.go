package webhook

import (
	"context"
	"net/http"
	"time"
)

// Look returns when Run has looked at what is due, after this was called: the
// second wake-up is taken after it has looked for the first.
func (s *Sender) Look() {
	for range 3 {
		s.wake <- struct{}{}
	}
}

// SetTimeout shortens the attempts of a sender.
func (s *Sender) SetTimeout(d time.Duration) { s.client.Timeout = d }

var (
	Public     = public
	PublicOnly = publicOnly
	Delay      = delay
)

const (
	MaxPending   = maxPending
	MaxAttempts  = maxAttempts
	MaxEndpoints = maxEndpoints
	Lease        = lease
	Keep         = keep
)

// Claim returns the endpoints that one round of Run would serve.
func (s *Sender) Claim(ctx context.Context) (endpoints []string, err error) {
	claims, err := s.claim(ctx, false, slots[false])
	for _, c := range claims {
		endpoints = append(endpoints, c.endpoint)
	}
	return endpoints, err
}

// An Attempt is one that has begun.
type Attempt struct{ delivery }

// Begin begins one, nil where nothing is due.
func (s *Sender) Begin(ctx context.Context) (*Attempt, error) {
	for _, failing := range []bool{false, true} {
		claims, err := s.claim(ctx, failing, 1)
		if err != nil {
			return nil, err
		}
		if len(claims) > 0 {
			d, err := s.due(ctx, claims[0])
			return &Attempt{d}, err
		}
	}
	return nil, nil
}

// End ends one, with a success where it has not failed.
func (s *Sender) End(ctx context.Context, a *Attempt, text string) error {
	if text == "" {
		return s.record(ctx, a.delivery, nil)
	}
	return s.record(ctx, a.delivery, &failure{text: text})
}

// Transport returns what a sender connects with.
func (s *Sender) Transport() *http.Transport { return s.client.Transport.(*http.Transport) }

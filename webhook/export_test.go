package webhook

import (
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
)

const (
	MaxPending   = maxPending
	MaxAttempts  = maxAttempts
	MaxEndpoints = maxEndpoints
	Keep         = keep
)

// Transport returns what a sender connects with.
func (s *Sender) Transport() *http.Transport { return s.client.Transport.(*http.Transport) }

// Package secretscan receives reports of leaked keys in the format of GitHub's secret
// scanning partner program
// (https://docs.github.com/en/code-security/secret-scanning/secret-scanning-partnership-program/secret-scanning-partner-program).
//
// A signature over the body, as it was sent, authenticates the reporter. Nothing
// of a report is looked up or answered before the signature has been verified, so
// that nobody else learns which keys exist. While the public keys cannot be had,
// reports wait in the [Store], sealed: what they hold opens doors.
package secretscan

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync/atomic"
	"time"

	"medtwin.ai/tollgate/internal/loglimit"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/ratelimit"
)

// Config says what a [Receiver] works with.
type Config struct {
	// Store keeps the reports that wait. Required.
	Store Store

	// Seal is a secret of 32 bytes that is not in the store. Reports that
	// wait are encrypted under it; with another one they are lost. Required.
	Seal []byte

	// KeysURL is where the sender publishes its public keys; GitHub does at
	// https://api.github.com/meta/public_keys/secret_scanning. Without TLS it
	// must be on this machine. Required.
	KeysURL string

	// Prefetch makes Run fetch the keys before the first report comes. Default:
	// no connection is made before one does.
	Prefetch bool

	// Addr returns the address of the client: reports that cannot be verified
	// yet have a share of the room for each. Default: the peer of the connection.
	Addr func(*http.Request) netip.Addr

	// Client fetches the keys, at most 120 times an hour. GitHub answers
	// strangers 60 times, and clients that send one of its tokens 5,000 times.
	// The Transport of this client may send one. Default: a client without one.
	Client *http.Client

	// Report is told of a leaked token and where it was found, and says
	// whether it is or ever was one of ours. It is told again of what it has
	// been told before, and of much that only looks like a token. Its errors,
	// which are logged, say that it cannot tell now; they hold no token.
	// Required.
	Report func(ctx context.Context, token, url, source string) (known bool, err error)

	// Errors answers reports that are not taken. Default: problem.Write.
	Errors problem.Writer

	// Logger hears of outages and of reports dropped, never of their content.
	// Default: no log.
	Logger *slog.Logger

	// Now tells the time. Default: time.Now.
	Now func() time.Time
}

// A Receiver is the handler of leak reports. It is safe for concurrent use.
type Receiver struct {
	store  Store
	seal   cipher.AEAD
	keys   *keyring
	report func(ctx context.Context, token, url, source string) (bool, error)
	errors problem.Writer
	log    *slog.Logger
	now    func() time.Time
	wake   chan struct{} // something waits that can be handled
	addr   func(*http.Request) netip.Addr
	secret []byte // of origins
	early  bool   // the keys are fetched before a report comes

	failures loglimit.Log // lines about reports that an outage kept from being taken

	pushedOut atomic.Int64 // reports, since Run has last said so

	bodies      chan struct{} // holds one for each large body in memory
	roomTimeout time.Duration // limits the wait for room there
	work        time.Duration // for a report while its sender waits
	room        Room          // for reports that wait
}

// New returns a receiver. What waits is handled once
// [Receiver.Run] runs.
func New(c Config) (*Receiver, error) {
	var errs []error
	if c.Store == nil {
		errs = append(errs, errors.New("secretscan: Store is nil"))
	}
	if len(c.Seal) != 32 {
		errs = append(errs, fmt.Errorf("secretscan: Seal has %d bytes, want 32", len(c.Seal)))
	}
	if err := checkURL(c.KeysURL); err != nil {
		errs = append(errs, err)
	}
	if c.Report == nil {
		errs = append(errs, errors.New("secretscan: Report is nil"))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if c.Client == nil {
		c.Client = new(http.Client)
	}
	if c.Errors == nil {
		c.Errors = problem.Write
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Addr == nil {
		c.Addr = ratelimit.ClientAddr()
	}
	block, err := aes.NewCipher(c.Seal)
	if err != nil {
		return nil, fmt.Errorf("secretscan: %w", err)
	}
	seal, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("secretscan: %w", err)
	}
	return &Receiver{
		store: c.Store, seal: seal, report: c.Report, errors: c.Errors, log: c.Logger, now: c.Now,
		keys: &keyring{url: c.KeysURL, client: c.Client, log: c.Logger, now: c.Now, fetching: make(chan struct{}, 1)},
		addr: c.Addr, secret: c.Seal, early: c.Prefetch,
		wake: make(chan struct{}, 1), bodies: make(chan struct{}, maxBodies), roomTimeout: roomTimeout, work: maxWork, room: standard, failures: loglimit.Log{Logger: c.Logger},
	}, nil
}

func checkURL(text string) error {
	u, err := url.Parse(text)
	if err == nil && u.Hostname() != "" {
		if u.Scheme == "https" {
			return nil
		}
		if ip := net.ParseIP(u.Hostname()); u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()) {
			return nil
		}
	}
	return errors.New("secretscan: KeysURL: want an https URL, or an http one on this machine")
}

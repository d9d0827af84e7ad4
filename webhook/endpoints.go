package webhook

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"medtwin.ai/tollgate/keyfmt"
)

// Errors to compare with errors.Is. None repeats what it was given: a URL may
// hold a password.
var (
	ErrInvalid  = errors.New("webhook: invalid") // followed by what it wants, for the caller's eyes
	ErrQuota    = errors.New("webhook: the account has 20 endpoints, the most it may have")
	ErrNotFound = errors.New("webhook: no such endpoint") // or another account's
)

const maxEndpoints = 20 // of an account

// An Endpoint is where an account hears of its events.
type Endpoint struct {
	ID      string   // "whk_…"
	URL     string   // may hold what only the account should see
	Kinds   []string // of events that it hears of; none: all
	Created time.Time

	Pending   int       // deliveries that are still attempted
	Dead      int       // deliveries that were given up within the last week
	Dropped   int       // events that were never queued for it, because too many were pending
	Failures  int       // attempts that failed since the latest success
	Error     string    // of the latest failure: "answered 500"
	Failed    time.Time // the latest failure; zero: none
	Delivered time.Time // the latest success; zero: none
	Gone      time.Time // when it answered 410, which ends it for good; zero: it did not
}

// Add makes an endpoint for events of the kinds given, none meaning all, and
// returns its signing secret, "whsec_…". The secret could be derived again but
// is not: a customer who has lost it adds another endpoint and removes this one.
func (s *Sender) Add(ctx context.Context, account, rawURL string, kinds []string, now time.Time) (Endpoint, string, error) {
	if err := s.checkURL(rawURL); err != nil {
		return Endpoint{}, "", err
	}
	kinds = slices.Compact(slices.Sorted(slices.Values(kinds)))
	if len(kinds) > 32 || slices.ContainsFunc(kinds, func(k string) bool { return !validID(k, ".") }) {
		return Endpoint{}, "", fmt.Errorf("%w: want at most 32 kinds of events, such as key.created", ErrInvalid)
	}
	e := Endpoint{ID: keyfmt.NewID("whk_", now), URL: rawURL, Kinds: kinds, Created: now.UTC()}
	if err := s.store.Add(ctx, account, e, maxEndpoints); err != nil {
		return Endpoint{}, "", err
	}
	return e, "whsec_" + base64.StdEncoding.EncodeToString(s.secret(e.ID)), nil
}

// List returns the account's endpoints, the oldest first, and how they fare.
func (s *Sender) List(ctx context.Context, account string) ([]Endpoint, error) {
	return s.store.List(ctx, account)
}

// Remove ends an endpoint and drops what was still to be delivered to it. An
// attempt under way may yet arrive.
func (s *Sender) Remove(ctx context.Context, account, id string) error {
	return s.store.Remove(ctx, account, id)
}

// checkURL says what is wrong with a URL before anything is sent there. Names
// are not looked up here: what they stand for can change, so that is checked
// at every connection.
func (s *Sender) checkURL(text string) error {
	u, err := url.Parse(text)
	want := ""
	switch {
	case err != nil || len(text) > 2048 || u.Hostname() == "":
		want = "an absolute URL of at most 2,048 bytes"
	case u.Scheme != "https" && !(s.private && u.Scheme == "http"):
		want = "an https URL"
	case u.User != nil || strings.Contains(text, "#"):
		want = "a URL without user name, password and fragment"
	default:
		if a, err := netip.ParseAddr(u.Hostname()); err == nil && !s.private && !public(a) {
			want = "a public address"
		}
	}
	if want != "" {
		return fmt.Errorf("%w: want %s", ErrInvalid, want)
	}
	return nil
}

// validID reports whether s is 1 to 64 ASCII letters, digits, "_" or characters
// in more.
func validID(s, more string) bool {
	return 0 < len(s) && len(s) <= 64 &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"+more) == ""
}

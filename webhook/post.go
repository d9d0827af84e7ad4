package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const attemptTimeout = 10 * time.Second // of an attempt, from the look-up of the name to the end of the answer

// A failure is why an attempt failed. Its text is one of a few: what the
// network said would tell the account's owner about ours, and could repeat the
// URL.
type failure struct {
	text string
	wait time.Duration // that the receiver asked for; 0: none
	gone bool          // it wants no more of this
}

// newClient returns a client that follows no redirects, uses no proxy, and
// unless private is set connects to public addresses only. That is decided
// about the very address of each connection: what a name stood for a moment
// ago is no matter.
func newClient(private bool) *http.Client {
	dialer := &net.Dialer{Control: publicOnly}
	if private {
		dialer.Control = nil
	}
	return &http.Client{
		Timeout:       attemptTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			DisableCompression:     true,
			MaxResponseHeaderBytes: 16 << 10,
			MaxIdleConns:           64,
			MaxIdleConnsPerHost:    1,
			IdleConnTimeout:        30 * time.Second,
		},
	}
}

// post makes one attempt. nil means that it was answered with a success.
func (s *Sender) post(ctx context.Context, d Delivery) *failure {
	if s.checkURL(d.URL) != nil { // it may be from a time when more was allowed
		return &failure{text: "the URL is not allowed"}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, bytes.NewReader(d.Body))
	if err != nil {
		return &failure{text: "the URL is not allowed"}
	}
	now := s.now()
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "tollgate")
	r.Header.Set("Webhook-Id", d.Event)
	r.Header.Set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	r.Header.Set("Webhook-Signature", sign(s.secret(d.Endpoint), d.Event, now, d.Body))
	res, err := s.client.Do(r)
	if err != nil {
		return &failure{text: reason(err)}
	}
	defer res.Body.Close()
	io.CopyN(io.Discard, res.Body, 16<<10) // so that the connection can be used again; what it says is no matter
	if 200 <= res.StatusCode && res.StatusCode <= 299 {
		return nil
	}
	f := &failure{text: "answered " + strconv.Itoa(res.StatusCode), gone: res.StatusCode == http.StatusGone}
	f.wait = retryAfter(res.Header.Get("Retry-After"), s.now())
	return f
}

// retryAfter returns for how long a receiver asks not to be called (RFC 9110,
// section 10.2.3), but longest at most: a number of seconds, or a date. It is 0
// for a time that has passed, and for a text that is neither.
func retryAfter(text string, now time.Time) time.Duration {
	if text != "" && strings.Trim(text, "0123456789") == "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n > int64(longest/time.Second) { // more than there is room for
			return longest
		}
		return time.Duration(n) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), longest)
}

// sign returns the signature of the specification's scheme v1: an HMAC-SHA-256
// over id, time and body, joined with full stops.
func sign(secret []byte, id string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	fmt.Fprintf(mac, "%s.%d.%s", id, at.Unix(), body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// reason says in fixed words why there was no answer. A name that is unknown
// and one that stands for a private address are the same here: an owner must
// not learn from it which names our own network knows.
func reason(err error) string {
	var certificate *tls.CertificateVerificationError
	var timedOut net.Error
	switch {
	case errors.As(err, &certificate):
		return "the certificate is not valid for the host"
	case errors.As(err, &timedOut) && timedOut.Timeout():
		return "no answer within 10 seconds"
	}
	return "no HTTP answer from a public address of the host"
}

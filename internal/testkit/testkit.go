// Package testkit holds what the tests of several packages of this module need. It
// imports none of them, so that the tests of all can import it.
package testkit

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// Must returns v. It panics if err is not nil, so it is for what the test itself prepares.
func Must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A Log is a buffer that a logger writes while a test reads. Its zero value is empty.
type Log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write appends p. It returns no error.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String returns all that was written.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A Clock stands still until it is moved.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a Clock that stands at now.
func NewClock(now time.Time) *Clock { return &Clock{now: now} }

// Now returns the time that the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Add moves the clock by d, which may be negative.
func (c *Clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Eventually waits until ok returns true. It fails the test after 20 seconds, and what
// says what did not happen.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited too long for %s", what)
		}
	}
}

// Request returns a GET request with one Authorization header for each value.
func Request(authorization ...string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	if authorization != nil {
		r.Header["Authorization"] = authorization
	}
	return r
}

// Knock sends r through a middleware, and reports whether the handler ran.
func Knock(mw interface {
	Wrap(http.Handler) http.Handler
}, r *http.Request) (rec *httptest.ResponseRecorder, passed bool) {
	rec = httptest.NewRecorder()
	mw.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed = true })).ServeHTTP(rec, r)
	return rec, passed
}

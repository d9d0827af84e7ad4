package main

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// handlerTimeout limits how long a handler waits for its dependencies once
	// it has read the request. It is less than what a client waits, and less
	// than inFlightTimeout.
	handlerTimeout = 8 * time.Second

	// recordTimeout limits how long it takes to write down what has happened.
	recordTimeout = 4 * time.Second

	// shutdownTimeout limits how long the server runs after it has closed its
	// listener, whatever hangs.
	shutdownTimeout = 10 * time.Second
	// inFlightTimeout limits the requests in flight at shutdown.
	inFlightTimeout = 8500 * time.Millisecond
	// closeTimeout limits closing the connections to the stores. Background
	// writes have shutdownTimeout less this.
	closeTimeout = time.Second
)

// A handlerContext is the context of a request and its body. Time does not pass
// while the body is being read, so that a slow client does not look like an
// outage. The ReadTimeout of the server limits the client instead.
type handlerContext struct {
	context.Context
	io.ReadCloser

	timer *time.Timer
	until atomic.Pointer[time.Time] // nil while the body is being read
}

// withHandlerTimeout returns the request with a context that ends after
// handlerTimeout, and a function to call when it has been answered.
func withHandlerTimeout(r *http.Request) (*http.Request, func()) {
	ctx, cancel := context.WithCancelCause(r.Context())
	c := &handlerContext{Context: ctx, ReadCloser: r.Body}
	c.timer = time.AfterFunc(handlerTimeout, func() { cancel(context.DeadlineExceeded) })
	c.restart()
	r = r.WithContext(c)
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = c
	}
	return r, func() {
		c.timer.Stop()
		cancel(context.Canceled)
	}
}

// restart gives the handler all of handlerTimeout again.
func (c *handlerContext) restart() {
	until := time.Now().Add(handlerTimeout)
	c.until.Store(&until)
	c.timer.Reset(handlerTimeout)
}

func (c *handlerContext) Read(b []byte) (int, error) {
	c.timer.Stop()
	c.until.Store(nil)
	defer c.restart()
	return c.ReadCloser.Read(b)
}

// Deadline is for dependencies that do not watch Done.
func (c *handlerContext) Deadline() (time.Time, bool) {
	if until := c.until.Load(); until != nil {
		return *until, true
	}
	return c.Context.Deadline()
}

func (c *handlerContext) Err() error {
	if context.Cause(c.Context) == context.DeadlineExceeded {
		return context.DeadlineExceeded
	}
	return c.Context.Err() // also when the client has hung up
}

package main

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// patience is for how long a handler waits for its dependencies, once it has
// read what the client has sent. It is less than a client's, and than the
// server has to end.
const patience = 8 * time.Second

// A patient is the context of a request and the body of it. Time does not pass
// while the body is being read, lest a slow client look like an outage: he has
// the ReadTimeout of the server.
type patient struct {
	context.Context
	io.ReadCloser

	timer *time.Timer
	until atomic.Pointer[time.Time] // nil while the body is being read
}

// patiently returns the request with a context that ends when patience does,
// and what to call when it has been answered.
func patiently(r *http.Request) (*http.Request, func()) {
	ctx, cancel := context.WithCancelCause(r.Context())
	p := &patient{Context: ctx, ReadCloser: r.Body}
	p.timer = time.AfterFunc(patience, func() { cancel(context.DeadlineExceeded) })
	p.wait()
	r = r.WithContext(p)
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = p
	}
	return r, func() {
		p.timer.Stop()
		cancel(context.Canceled)
	}
}

// wait begins anew.
func (p *patient) wait() {
	until := time.Now().Add(patience)
	p.until.Store(&until)
	p.timer.Reset(patience)
}

func (p *patient) Read(b []byte) (int, error) {
	p.timer.Stop()
	p.until.Store(nil)
	defer p.wait()
	return p.ReadCloser.Read(b)
}

// Deadline is heeded by clients that do not watch Done.
func (p *patient) Deadline() (time.Time, bool) {
	if until := p.until.Load(); until != nil {
		return *until, true
	}
	return p.Context.Deadline()
}

func (p *patient) Err() error {
	if context.Cause(p.Context) == context.DeadlineExceeded {
		return context.DeadlineExceeded
	}
	return p.Context.Err() // of a client that has hung up, too
}

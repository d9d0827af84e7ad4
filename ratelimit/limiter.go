package ratelimit

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"medtwin.ai/tollgate/internal/request"
	"medtwin.ai/tollgate/problem"
)

var (
	// ErrExceeded: the request is over a limit, and its decision says which.
	ErrExceeded = errors.New("ratelimit: limit exceeded")
	// ErrUnavailable: the store did not answer, and the limiter is [Closed].
	ErrUnavailable = errors.New("ratelimit: store unavailable")
)

// A Limiter decides whether requests are within their plans. It starts no
// goroutine and needs no closing.
type Limiter struct {
	config    Config
	owner     request.Owner
	own       string // scopes
	denied    string
	store     guarded
	decisions sync.Pool
}

// New returns a limiter, or all that is wrong with c.
func New(c Config) (*Limiter, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	return &Limiter{
		config:    c,
		own:       c.Name + "/own",
		denied:    c.Name + "/denied",
		store:     guarded{store: c.Store, failure: c.Failure, log: c.Logger.With("limiter", c.Name)},
		decisions: sync.Pool{New: func() any { return new(Decision) }},
	}, nil
}

// Check decides one request into d and writes nothing. It returns the request
// to go on with, and nil, [ErrExceeded] or an error that wraps
// [ErrUnavailable]. A request is charged once, however often it is checked by
// the same limiter; d.Plan is nil where there is nothing to tell the client. A
// request with another URL, Method, Host or Header map is another request, even
// on the same context, and is charged again.
//
// A request that was denied spends nothing of the plan: d then is the plan's
// present state, unless the limit on denials itself refuses.
func (l *Limiter) Check(r *http.Request, d *Decision) (*http.Request, error) {
	*d = Decision{Allowed: true}
	r, s := request.Ensure(r, l.config.Now)
	if !s.Mark(&l.owner) {
		return r, nil
	}
	switch {
	case s.Denied != nil:
		return r, l.checkDenied(r, s.Now, d)
	case s.Cost < 0:
		return r, l.take(r, l.own, l.config.Own, 1, s.Now, d)
	}
	return r, l.take(r, l.config.Name, l.config.Plan, max(1, int64(s.Cost)), s.Now, d)
}

func (l *Limiter) checkDenied(r *http.Request, now time.Time, d *Decision) error {
	if err := l.take(r, l.denied, l.config.Denied, 1, now, d); err != nil {
		return err
	}
	// A peek that says "would refuse", or fails, is no reason not to say 403.
	*d = Decision{}
	if err := l.take(r, l.config.Name, l.config.Plan, 0, now, d); errors.Is(err, ErrUnavailable) {
		*d = Decision{}
	}
	d.Allowed, d.Retry = true, 0
	return nil
}

func (l *Limiter) take(r *http.Request, scope string, who Charge, cost int64, now time.Time, d *Decision) error {
	if who == nil {
		return nil
	}
	subject, plan := who(r)
	if plan == nil {
		return nil
	}
	t := Take{Scope: scope, Subject: subject, Plan: plan, Cost: cost}
	if err := l.store.Take(r.Context(), t, now, d); err != nil {
		return err
	}
	if !d.Allowed {
		return ErrExceeded
	}
	return nil
}

// Wrap returns next behind the limiter. Limit headers are set before next
// runs, so that it may change them.
func (l *Limiter) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d := l.decisions.Get().(*Decision) // it would escape to the heap
		r, err := l.Check(r, d)
		l.Write(w, r, d, err)
		l.decisions.Put(d)
		if err == nil {
			next.ServeHTTP(w, r)
		}
	})
}

// Write sets the headers for what [Limiter.Check] returned and, where err is
// not nil, writes the refusal.
func (l *Limiter) Write(w http.ResponseWriter, r *http.Request, d *Decision, err error) {
	if err != nil && !errors.Is(err, ErrExceeded) {
		l.config.Errors(w, r, problem.Problem{Status: http.StatusServiceUnavailable, Code: "unavailable", Retry: time.Second, Cause: err})
		return
	}
	if d.Plan == nil {
		return
	}
	s := request.From(r.Context())
	if s == nil || s.Now.IsZero() {
		_, s = request.Ensure(r, l.config.Now)
	}
	d.write(w.Header(), s.Now, !l.config.NoLegacyHeaders, !l.config.NoFieldHeaders)
	if err != nil {
		p := d.problem()
		p.Cause = err
		l.config.Errors(w, r, p)
	}
}

// problem describes a refusal; the type is of the IANA registry of HTTP
// problem types.
func (d *Decision) problem() problem.Problem {
	p := problem.Problem{
		Status:   http.StatusTooManyRequests,
		Code:     "rate_limit_exceeded",
		Type:     "https://iana.org/assignments/http-problem-types#quota-exceeded",
		Retry:    d.Retry,
		Violated: d.violated(),
	}
	if d.Never {
		p.Code = "cost_exceeds_quota"
		p.Detail = "This request costs more than the whole quota; it can never pass under the present plan."
	}
	return p
}

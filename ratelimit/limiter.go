package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"medtwin.ai/tollgate/internal/loglimit"
	"medtwin.ai/tollgate/internal/request"
	"medtwin.ai/tollgate/problem"
)

var (
	// ErrExceeded says that the request is over a limit. See [ExceededError].
	ErrExceeded = errors.New("ratelimit: limit exceeded")
	// ErrUnavailable says that the store did not answer, and that the limiter
	// is [Closed].
	ErrUnavailable = errors.New("ratelimit: store unavailable")
	// ErrMisconfigured says that the store refuses to work as it is set up, as with a
	// wrong password. That is no outage: it does not heal by itself, so no policy of
	// OnOutage hides it. A [Store] wraps it.
	ErrMisconfigured = errors.New("ratelimit: the store is misconfigured")
	// ErrNoSubject says that there is a plan, and nobody to charge. A limiter
	// belongs inside authentication. Without a subject all callers would share
	// one counter.
	ErrNoSubject = errors.New("ratelimit: no subject: put the limiter inside the authentication, as in auth.Wrap(limiter.Wrap(h))")
)

// An ExceededError is the decision about a request that is over a limit. It
// wraps [ErrExceeded].
type ExceededError struct{ Decision Decision }

// Error names the plan.
func (e *ExceededError) Error() string {
	return "ratelimit: plan " + e.Decision.Plan.Name() + " exceeded"
}

// Is reports whether target is ErrExceeded.
func (e *ExceededError) Is(target error) bool { return target == ErrExceeded }

// A Limiter decides whether requests are within their plans. It starts no
// goroutine, and does not need to be closed.
type Limiter struct {
	config  Config
	store   *guarded
	misused loglimit.Log
}

// New returns a Limiter, or an error that names every mistake of c.
func New(c Config) (*Limiter, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	if m, ok := c.Store.(*Memory); ok && !m.claim(c.Name) {
		return nil, fmt.Errorf("ratelimit: another limiter named %q counts in this store, so both would charge the same counters: give each of them a Name, or a store", c.Name)
	}
	return &Limiter{
		config:  c,
		misused: loglimit.Log{Logger: c.Logger},
		store:   newGuarded(c.Store, c.OnOutage, c.Timeout, c.Logger.With("limiter", c.Name)),
	}, nil
}

// Take charges cost to subject under plan. A cost of 0 peeks: it returns the
// state, and changes nothing. A refusal is a Decision and not an error. Errors:
//
//   - ErrNoSubject: subject is "".
//   - those that wrap ErrUnavailable: the store failed, and the limiter is
//     Closed.
func (l *Limiter) Take(ctx context.Context, subject string, plan *Plan, cost int64, now time.Time) (Decision, error) {
	if subject == "" {
		return Decision{}, ErrNoSubject
	}
	return l.store.Take(ctx, Take{Scope: l.config.Name, Subject: subject, Plan: plan, Cost: cost}, now)
}

// guarded is a store, with what to do when it fails.
//
// A failure is an error of the store, or no answer in time. It is not a refusal,
// so no caller is told that a limit is exceeded when nobody knows. A request
// waits for the store at most once, and after the first time-out nobody waits:
// see breaker.
type guarded struct {
	store    Store
	inside   bool // the store is a Memory: it does not fail, and nobody waits for it
	onOutage OnOutage
	timeout  time.Duration
	log      *slog.Logger

	breaker breaker
	failing atomic.Bool // as the log knows it
	local   *Memory     // what the store has told, and what was admitted without it
	debts   debts
}

const defaultTimeout = 50 * time.Millisecond

func newGuarded(store Store, onOutage OnOutage, timeout time.Duration, log *slog.Logger) *guarded {
	g := &guarded{store: store, onOutage: onOutage, timeout: timeout, log: log}
	if g.timeout == 0 {
		g.timeout = defaultTimeout
	}
	if _, g.inside = store.(*Memory); !g.inside && onOutage == Local {
		g.local = NewMemory(0)
	}
	return g
}

// Take asks the store. If the store fails, it answers by the policy. It logs
// the cause once, when the store begins to fail. An error wraps ErrUnavailable,
// unless the take itself cannot be. The decision of an open limiter has no plan,
// so no headers tell of a state that nobody knows.
func (g *guarded) Take(ctx context.Context, t Take, now time.Time) (Decision, error) {
	if g.inside {
		return g.store.Take(ctx, t, now)
	}
	if err := t.Check(); err != nil {
		return Decision{}, err
	}
	until := time.Now().Add(g.timeout) // of all that is asked for this request
	g.pay(ctx, &t, now, until)
	d, err := g.ask(ctx, t, now, until)
	if err == nil {
		if g.failing.Load() && g.failing.CompareAndSwap(true, false) {
			g.log.LogAttrs(ctx, slog.LevelInfo, "ratelimit: store answers again")
		}
		if g.local != nil {
			g.local.raise(&t, &d, now)
		}
		return d, nil
	}
	// Nobody waits for this answer, and the take goes on.
	if errors.Is(err, errGone) {
		return Decision{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	// Only the first failure is logged, so that an outage is one line and not
	// one for each request.
	if g.failing.CompareAndSwap(false, true) {
		g.log.LogAttrs(ctx, slog.LevelError, "ratelimit: store fails", slog.Any("error", err))
	}
	if errors.Is(err, ErrMisconfigured) {
		return Decision{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	switch g.onOutage {
	case Open:
		return Decision{Allowed: true}, nil
	case Local:
		cause := err
		if d, err = g.local.Take(ctx, t, now); err == nil {
			if d.Allowed && t.Cost > 0 && !mayHaveRun(cause) {
				g.debts.add(&t, debt{t.Plan, t.Cost, now})
			}
			return d, nil
		}
	}
	return Decision{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// Check decides one request by Config.Charge. It writes nothing. It returns the
// request to go on with, and the decision. The Plan of the decision is nil if
// there is nothing to tell the client. Errors:
//
//   - *ExceededError: the request is over a limit.
//   - ErrNoSubject: there is a plan, and nobody to charge.
//   - those that wrap ErrUnavailable: the store failed, and the limiter is
//     Closed.
//
// A request is charged once, however often it passes the same limiter. A
// request that a handler makes on the context of its own request is another
// request.
func (l *Limiter) Check(r *http.Request) (*http.Request, Decision, error) {
	if l.config.Charge == nil {
		return r, Decision{}, errors.New("ratelimit: Config.Charge is required for Check and Wrap")
	}
	subject, plan := l.config.Charge(r)
	r, first := l.mark(r, subject)
	if !first || plan == nil {
		return r, Decision{Allowed: true}, nil
	}
	d, err := l.charge(r, subject, plan)
	if err == nil && !d.Allowed {
		err = &ExceededError{d}
	}
	return r, d, err
}

// charge takes the cost of the request, which the need of its route states.
// Without a need it is 1. A negative cost means that the request is free.
func (l *Limiter) charge(r *http.Request, subject string, plan *Plan) (Decision, error) {
	cost := 1
	if c, ok := r.Context().Value(request.CostKey{}).(request.Coster); ok {
		cost = c.CostOf(r)
	}
	if cost < 0 {
		return Decision{Allowed: true}, nil
	}
	return l.Take(r.Context(), subject, plan, int64(cost), l.config.Now())
}

// A charged is a note on a context: a limiter has charged this request to this
// subject.
type charged struct {
	by      *Limiter
	subject string
	request request.Identity
	before  *charged
}

type chargedKey struct{}

// mark notes that l charges r. first is false if l has charged r to this
// subject before. The identity of the request is part of the note, because the
// context of another request may have been used for this one.
func (l *Limiter) mark(r *http.Request, subject string) (*http.Request, bool) {
	id := request.Identify(r)
	before, _ := r.Context().Value(chargedKey{}).(*charged)
	// The notes of all requests around this one are on its context. There are
	// as many as limiters, which are few.
	for c := before; c != nil; c = c.before {
		if c.by == l && c.subject == subject && c.request == id {
			return r, false
		}
	}
	return r.WithContext(context.WithValue(r.Context(), chargedKey{}, &charged{l, subject, id, before})), true
}

// Wrap returns a handler that calls next for requests within their plans. It
// sets the limit headers before next runs, so next may change them.
func (l *Limiter) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, d, err := l.Check(r)
		// Also for a refusal: the client learns when to come back. A decision
		// without a plan writes nothing.
		d.write(w.Header(), l.config.Now(), !l.config.NoLegacyHeaders, !l.config.NoFieldHeaders, new(Fields))
		if err != nil {
			if !errors.Is(err, ErrExceeded) && !errors.Is(err, ErrUnavailable) {
				l.misused.Write(r.Context(), l.config.Now(), slog.LevelError, "request not limited and not served", slog.Any("err", err), slog.String("pattern", r.Pattern))
			}
			l.config.Errors(w, r, Problem(err))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Problem returns what a client is told about an error of this package. The
// type of a 429 is from the IANA registry of HTTP problem types.
func Problem(err error) problem.Problem {
	exceeded, ok := errors.AsType[*ExceededError](err)
	switch {
	case ok:
		return exceeded.problem()
	case errors.Is(err, ErrUnavailable):
		return problem.Problem{Status: http.StatusServiceUnavailable, Code: "unavailable", Retry: time.Second, Cause: err}
	}
	return problem.Problem{Status: http.StatusInternalServerError, Cause: err}
}

// problem returns the 429. A cost that exceeds the quota has another code,
// because waiting does not help.
func (e *ExceededError) problem() problem.Problem {
	p := problem.Problem{
		Status:   http.StatusTooManyRequests,
		Code:     "rate_limit_exceeded",
		Type:     "https://iana.org/assignments/http-problem-types#quota-exceeded",
		Retry:    e.Decision.Retry,
		Violated: e.Decision.violated(),
		Cause:    e,
	}
	if e.Decision.Never {
		p.Code = "cost_exceeds_quota"
		p.Detail = "This request costs more than the whole quota; it can never pass under the present plan."
	}
	return p
}

package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"medtwin.ai/tollgate/internal/loglimit"
	"medtwin.ai/tollgate/internal/request"
	"medtwin.ai/tollgate/problem"
)

var (
	// ErrExceeded: the request is over a limit. See [ExceededError].
	ErrExceeded = errors.New("ratelimit: limit exceeded")
	// ErrUnavailable: the store did not answer, and the limiter is [Closed].
	ErrUnavailable = errors.New("ratelimit: store unavailable")
	// ErrNoSubject: there is a plan and nobody to charge. A limiter belongs
	// behind authentication: otherwise all callers would share one counter.
	ErrNoSubject = errors.New("ratelimit: no subject: put the limiter inside the authentication, as in auth.Wrap(limiter.Wrap(h))")
)

// An ExceededError is the decision on a request that is over a limit. It is
// [ErrExceeded].
type ExceededError struct{ Decision Decision }

// Error names the plan.
func (e *ExceededError) Error() string {
	return "ratelimit: plan " + e.Decision.Plan.Name() + " exceeded"
}

// Is reports whether target is ErrExceeded.
func (e *ExceededError) Is(target error) bool { return target == ErrExceeded }

// A Limiter decides whether requests are within their plans. It starts no
// goroutine and needs no closing.
type Limiter struct {
	config  Config
	store   guarded
	misused loglimit.Log
}

// New returns a limiter, or all that is wrong with c.
func New(c Config) (*Limiter, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	return &Limiter{
		config:  c,
		misused: loglimit.Log{Logger: c.Logger},
		store:   guarded{store: c.Store, onOutage: c.OnOutage, log: c.Logger.With("limiter", c.Name)},
	}, nil
}

// Take charges cost to subject under plan. Cost 0 peeks: it returns the state
// and changes nothing. A refusal is a Decision, not an error. Errors:
// ErrNoSubject, and those that wrap ErrUnavailable.
func (l *Limiter) Take(ctx context.Context, subject string, plan *Plan, cost int64, now time.Time) (Decision, error) {
	if subject == "" {
		return Decision{}, ErrNoSubject
	}
	return l.store.Take(ctx, Take{Scope: l.config.Name, Subject: subject, Plan: plan, Cost: cost}, now)
}

// guarded is a store with a policy for when it fails.
type guarded struct {
	store    Store
	onOutage OnOutage
	log      *slog.Logger

	failing atomic.Bool
	once    sync.Once
	local   *Memory // made at the first failure
}

// Take asks the store and, where that fails, answers by the policy. The cause
// goes to the log, once when the store begins to fail. An error wraps
// ErrUnavailable. An open answer has no plan.
func (g *guarded) Take(ctx context.Context, t Take, now time.Time) (Decision, error) {
	if _, inside := g.store.(*Memory); !inside {
		ctx = context.WithoutCancel(ctx) // a request whose client hangs up counts too
	}
	d, err := g.store.Take(ctx, t, now)
	if err == nil {
		if g.failing.Load() && g.failing.CompareAndSwap(true, false) {
			g.log.LogAttrs(ctx, slog.LevelInfo, "ratelimit: store answers again")
		}
		return d, nil
	}
	if g.failing.CompareAndSwap(false, true) {
		g.log.LogAttrs(ctx, slog.LevelError, "ratelimit: store fails", slog.Any("error", err))
	}
	switch g.onOutage {
	case Open:
		return Decision{Allowed: true}, nil
	case Local:
		g.once.Do(func() { g.local = NewMemory(0) })
		if d, err = g.local.Take(ctx, t, now); err == nil {
			return d, nil
		}
	}
	return Decision{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// Check decides one request by Config.Charge and writes nothing. It returns the
// request to go on with, the decision, whose Plan is nil if there is nothing to
// tell the client, and nil, an [ExceededError], ErrNoSubject or an error that
// wraps ErrUnavailable.
//
// A request is charged once, however often it passes the same limiter. A request
// that a handler makes on the context of its own one is another request.
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

// A charged notes on a context that a limiter has charged a request to a subject.
type charged struct {
	by      *Limiter
	subject string
	request request.Identity
	before  *charged
}

type chargedKey struct{}

// mark notes that l charges r, and reports whether it does so for the first time.
func (l *Limiter) mark(r *http.Request, subject string) (*http.Request, bool) {
	id := request.Identify(r)
	before, _ := r.Context().Value(chargedKey{}).(*charged)
	for c := before; c != nil; c = c.before {
		if c.by == l && c.subject == subject && c.request == id {
			return r, false
		}
	}
	return r.WithContext(context.WithValue(r.Context(), chargedKey{}, &charged{l, subject, id, before})), true
}

// Wrap returns next behind the limiter. The limit headers are set before next
// runs, so that it may change them.
func (l *Limiter) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, d, err := l.Check(r)
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

// Problem returns what the client is told about an error of this package. The
// type is of the IANA registry of HTTP problem types.
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

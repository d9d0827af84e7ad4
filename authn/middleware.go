package authn

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"medtwin.ai/tollgate/internal/request"
)

// An Authenticator recognizes one kind of credential by its shape, and tells
// who holds it. It answers ErrNotMine for another kind; ErrRejected, ErrRevoked
// or ErrExpired for one that is not good; anything else means that it could
// not tell. Implementations are safe for concurrent use. The principal is
// shared: nobody changes it any more.
type Authenticator interface {
	Authenticate(ctx context.Context, c Credential, now time.Time) (*Principal, error)
}

// A recaller is an Authenticator with a memory. It is asked first, so that a
// caller whom it knows costs no I/O and is never held up by other people's
// failures. nil means: not remembered.
type recaller interface {
	recall(c Credential, now time.Time) *Principal
}

// Failures counts failed authentications per client address. It is consulted
// only where a credential is missing or not remembered. ratelimit.Failures is
// one.
type Failures interface {
	// Blocked returns for how long addr must wait, 0 if it need not.
	Blocked(addr netip.Addr, now time.Time) time.Duration
	// Charge counts one failure.
	Charge(addr netip.Addr, now time.Time)
}

// Config of a Middleware.
type Config struct {
	// Authenticators are asked in order. Required.
	Authenticators []Authenticator
	// AllowAnonymous lets requests without a credential pass, without a
	// principal. A credential that is present and bad is refused all the same.
	// Default: they are refused.
	AllowAnonymous bool
	// ClientAddr resolves the client's address, for address lists and
	// Failures. Give the limiter the same one. Default: the peer of the
	// connection.
	ClientAddr func(*http.Request) netip.Addr
	// Failures limits failed authentications. Default: not limited.
	Failures Failures
	// Deny writes the answer to a request that is refused. Default: an error
	// body of package problem.
	Deny func(w http.ResponseWriter, r *http.Request, err error)
	// Logger hears of refusals and outages, never of a credential, and at most
	// ten times a second. Default: none.
	Logger *slog.Logger
	// Now is the clock of requests that have not been given a time yet.
	// Default: time.Now.
	Now func() time.Time
}

// A Middleware tells who is calling before the next handler runs.
type Middleware struct {
	config Config
	known  []recaller
	log    failureLog
}

// New checks the configuration.
func New(c Config) (*Middleware, error) {
	if len(c.Authenticators) == 0 {
		return nil, errors.New("authn: Config.Authenticators is empty: nobody could ever be let in")
	}
	m := &Middleware{config: c}
	for _, a := range c.Authenticators {
		if a == nil {
			return nil, errors.New("authn: Config.Authenticators has a nil entry")
		}
		if r, ok := a.(recaller); ok {
			m.known = append(m.known, r)
		}
	}
	if c.ClientAddr == nil {
		m.config.ClientAddr = request.RemoteAddr
	}
	if c.Deny == nil {
		m.config.Deny = deny
	}
	m.log.logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	return m, nil
}

// Wrap authenticates every request and refuses those that fail.
func (m *Middleware) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, err := m.Check(r)
		if err != nil {
			m.config.Deny(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Check authenticates r and returns it with the principal attached. It writes
// nothing. Running it again on the same request costs nothing and counts
// nothing; a request whose credential was changed in between is asked again.
func (m *Middleware) Check(r *http.Request) (*http.Request, error) {
	r, s := request.Ensure(r, m.config.Now)
	values := r.Header["Authorization"]
	if s.Principal != nil && len(values) == 1 && values[0] == s.Credential {
		return r, nil
	}
	s.Principal, s.Rights, s.Environment, s.Credential = nil, nil, "", ""
	p, err := m.identify(r, values, s.Now)
	if err != nil {
		m.log.refused(r, s, err)
		return r, err
	}
	if p != nil {
		s.Principal, s.Rights, s.Environment, s.Credential = p, p.Rights, p.Environment, values[0]
	}
	return r, nil
}

// identify is the order of checks: the credential, the memory, the address
// limiter, the authenticators, the principal's own address list. No principal
// and no error is an anonymous request that may pass.
func (m *Middleware) identify(r *http.Request, authorization []string, now time.Time) (*Principal, error) {
	c, err := read(authorization)
	if err == nil {
		for _, a := range m.known {
			if p := a.recall(c, now); p != nil {
				if len(p.addresses) > 0 && !p.admits(m.config.ClientAddr(r)) {
					return nil, ErrAddress
				}
				return p, nil
			}
		}
	} else if err == ErrMissing && m.config.AllowAnonymous {
		return nil, nil
	}

	addr := m.config.ClientAddr(r)
	if f := m.config.Failures; f != nil {
		if retry := f.Blocked(addr, now); retry > 0 {
			return nil, &ThrottledError{retry}
		}
	}
	var p *Principal
	if err == nil {
		p, err = m.ask(r.Context(), c, now)
	}
	if err == nil && !p.admits(addr) {
		err = ErrAddress
	}
	if err == nil {
		return p, nil
	}
	if f := m.config.Failures; f != nil && callersFault(err) {
		f.Charge(addr, now)
	}
	return nil, err
}

func (m *Middleware) ask(ctx context.Context, c Credential, now time.Time) (*Principal, error) {
	for _, a := range m.config.Authenticators {
		p, err := a.Authenticate(ctx, c, now)
		switch {
		case errors.Is(err, ErrNotMine):
			continue
		case err != nil:
			return nil, err
		case p == nil: // a broken authenticator lets nobody in
			return nil, ErrUnavailable
		}
		return p, nil
	}
	return nil, ErrRejected
}

// callersFault tells refusals from outages, which are charged to nobody.
func callersFault(err error) bool {
	return errors.Is(err, ErrRejected) || errors.Is(err, ErrMissing) ||
		errors.Is(err, ErrAmbiguous) || errors.Is(err, ErrAddress)
}

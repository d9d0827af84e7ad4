package authn

import (
	"context"
	"errors"
	"net/http"
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/internal/request"
)

// Identify returns the caller of r, and writes and logs nothing: see
// [Middleware.Refuse]. The principal may be shared: do not modify it. nil without
// an error is an anonymous request. An error that this package does not name means
// that a store could not tell.
//
// The order is that of cost: the credential, the memory of verified ones, the
// limit on failures of the client's address, and only then a store.
func (m *Middleware) Identify(r *http.Request, now time.Time) (*Principal, error) {
	c, err := read(r.Header, m.config.Cookie)
	c.request, c.resolve = r, m.config.ClientAddr
	switch {
	case err == ErrMissing && m.config.User != nil:
		var p *Principal
		if p, err = m.user(r, c, now); p != nil {
			return p, nil
		}
	case err == nil && c.Cookie:
		err = m.sameOrigin(r)
	}
	if err == ErrCrossOrigin { // the page that made the request is not at the client's address
		return nil, err
	}
	if err == ErrMissing { // nothing was tried, so nothing is counted
		if m.config.AllowAnonymous {
			return nil, nil
		}
		return nil, err
	}
	if err == nil {
		known, stale := m.remembered(r.Context(), c, now)
		if known != nil {
			return known, nil
		}
		if stale { // a caller who was known a moment ago is not held up by others
			return m.verify(r.Context(), c, nil, now)
		}
	}
	return m.lookUp(r.Context(), c, err, now)
}

// user asks the application who is logged in: ErrMissing if nobody is.
func (m *Middleware) user(r *http.Request, c Credential, now time.Time) (*Principal, error) {
	p, err := m.config.User(r, c.Environment, now)
	switch {
	case err != nil:
		return nil, err
	case p == nil:
		return nil, ErrMissing
	}
	if err := m.sameOrigin(r); err != nil {
		return nil, err
	}
	if err := p.admits(c); err != nil {
		return nil, err
	}
	return p, nil
}

// remembered asks from memory. A principal that may not be used from the
// client's address, or in the environment asked for, is left to lookUp, which
// knows the reason. stale means that the credential is known, and has to be looked
// up again.
func (m *Middleware) remembered(ctx context.Context, c Credential, now time.Time) (p *Principal, stale bool) {
	c.MemoryOnly = true
	for _, a := range m.known {
		switch p, err := a.Authenticate(ctx, c, now); {
		case err == nil && p != nil && p.admits(c) == nil:
			return p, false
		case errors.Is(err, ErrStale):
			return nil, true
		case !errors.Is(err, ErrNotRemembered) && !errors.Is(err, ErrNotMine):
			return nil, false // it may mean to refuse what another one remembers
		}
	}
	return nil, false
}

// lookUp handles credentials that are malformed (see err) or not cached. Few
// per address are looked up at once, because failures count only afterwards;
// the rest wait, and then meet the limit.
func (m *Middleware) lookUp(ctx context.Context, c Credential, err error, now time.Time) (*Principal, error) {
	if m.config.Failures == nil {
		return m.verify(ctx, c, err, now)
	}
	subject := request.AddrSubject(c.Address())
	leave, busy := m.cold.enter(ctx, subject)
	if busy != nil {
		return nil, busy
	}
	defer leave()
	if left, retry := m.config.Failures.Peek(subject, now); left <= 0 {
		return nil, &ThrottledError{retry}
	}
	p, err := m.verify(ctx, c, err, now)
	if err != nil && callersFault(err) {
		m.config.Failures.Count(subject, now)
	}
	return p, err
}

// verify asks the authenticators, unless the credential could not be read.
func (m *Middleware) verify(ctx context.Context, c Credential, err error, now time.Time) (*Principal, error) {
	if err != nil {
		return nil, err
	}
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
		if err := p.admits(c); err != nil {
			return nil, err
		}
		return p, nil
	}
	return nil, ErrRejected
}

// admits reports why p may not be used as c is sent: from where, or in which
// environment.
func (p *Principal) admits(c Credential) error {
	if len(p.Addresses) > 0 && !p.Admits(c.Address()) {
		return ErrAddress
	}
	if c.Environment != "" && c.Environment != p.Environment {
		return ErrEnvironment
	}
	return nil
}

// Caller returns what decisions on p's request go by. A nil Principal is an
// anonymous caller.
func (p *Principal) Caller(now time.Time) authz.Caller {
	if p == nil {
		return authz.Caller{Now: now}
	}
	return authz.Caller{Rights: p.Rights, Environment: p.Environment, Proved: p.Proved, Now: now}
}

// callersFault tells refusals from outages, which are charged to nobody.
func callersFault(err error) bool {
	return errors.Is(err, ErrRejected) || errors.Is(err, ErrMissing) ||
		errors.Is(err, ErrAmbiguous) || errors.Is(err, ErrAddress) ||
		errors.Is(err, ErrCrossOrigin) || errors.Is(err, ErrEnvironment)
}

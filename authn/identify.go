package authn

import (
	"context"
	"errors"
	"net/http"
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/internal/request"
)

// Identify returns the caller of r. It writes and logs nothing: see
// [Middleware.Refuse]. A nil principal without an error is an anonymous
// request. The principal may be shared with other requests, so do not modify
// it.
//
// An error that this package does not name means that a store could not answer.
//
// The order is that of cost: the credential, the cache of verified ones, the
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
	if err == ErrCrossOrigin { // not counted: the page that made the request is not at the client's address
		return nil, err
	}
	if err == ErrMissing { // not counted: the client tried nothing
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
		if stale { // it was known a moment ago, so failures of others do not delay it
			return m.verify(r.Context(), c, nil, now)
		}
	}
	return m.lookUp(r.Context(), c, err, now)
}

// user asks the application who is logged in. It returns ErrMissing if nobody
// is.
//
// The application answers before the origin is checked, because a request that
// nobody is logged in for is anonymous and not forged.
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

// remembered asks the caches. It returns nil if the credential is in none of
// them, and also if the principal may not be used from the address of the
// client or in the environment of the request: then lookUp finds the reason.
// stale means that the credential is known but has to be read again.
//
// m.known ends at the first authenticator that has no cache. So no credential
// is accepted here that an authenticator without a cache, asked first, would
// refuse.
func (m *Middleware) remembered(ctx context.Context, c Credential, now time.Time) (p *Principal, stale bool) {
	c.MemoryOnly = true
	for _, a := range m.known {
		switch p, err := a.Authenticate(ctx, c, now); {
		case err == nil && p != nil && p.admits(c) == nil:
			return p, false
		case errors.Is(err, ErrStale):
			return nil, true
		case !errors.Is(err, ErrNotRemembered) && !errors.Is(err, ErrNotMine):
			return nil, false // the next one must not accept what this one may refuse
		}
	}
	return nil, false
}

// lookUp handles credentials that are not in a cache, and those that could not
// be read (err is the reason).
//
// A failure is counted only after the look-up. Without a bound, a burst of
// guesses would all be looked up before the first of them counts. So m.cold
// lets a few of one address through at once. The others wait, and find the
// failures counted when their turn comes: the burst exceeds the limit by no
// more than the few.
//
// Outages are charged to nobody.
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

// verify asks the authenticators in order, unless err says that the credential
// could not be read. The first one that recognizes the credential decides, so
// no other can accept what it refuses.
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

// admits returns the reason why p may not be used for a request: the address
// that it comes from, or the environment that it asks for. It runs on every
// request, also if p comes from a cache: what is cached is the list, not the
// verdict.
func (p *Principal) admits(c Credential) error {
	if len(p.Addresses) > 0 && !p.Admits(c.Address()) {
		return ErrAddress
	}
	if c.Environment != "" && c.Environment != p.Environment {
		return ErrEnvironment
	}
	return nil
}

// Caller returns what the rights of p are decided with. A nil Principal is an
// anonymous caller, who has no rights.
func (p *Principal) Caller(now time.Time) authz.Caller {
	if p == nil {
		return authz.Caller{Now: now}
	}
	return authz.Caller{Rights: p.Rights, Environment: p.Environment, Proved: p.Proved, Now: now}
}

// callersFault reports whether err is a refusal. Everything else is an outage,
// which is charged to nobody.
func callersFault(err error) bool {
	return errors.Is(err, ErrRejected) || errors.Is(err, ErrMissing) ||
		errors.Is(err, ErrAmbiguous) || errors.Is(err, ErrAddress) ||
		errors.Is(err, ErrCrossOrigin) || errors.Is(err, ErrEnvironment)
}

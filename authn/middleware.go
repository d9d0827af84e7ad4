package authn

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"medtwin.ai/tollgate/internal/loglimit"
	"medtwin.ai/tollgate/internal/request"
	"medtwin.ai/tollgate/problem"
)

// An Authenticator recognizes one kind of credential by its shape, and tells
// who holds it. It answers ErrNotMine for another kind; ErrRejected, ErrRevoked
// or ErrExpired for one that is not good; anything else means that it could
// not tell. Implementations are safe for concurrent use.
type Authenticator interface {
	Authenticate(ctx context.Context, c Credential, now time.Time) (*Principal, error)
}

// A Recaller is an Authenticator with a memory. A Middleware asks that first,
// before Authenticate and before Failures, which it then does not ask at all.
//
// A type that embeds a Recaller, to be stricter in its Authenticate, has the
// other methods too without having written them. Its Self returns what it
// embeds and not itself, so the Middleware goes by its Authenticate alone.
type Recaller interface {
	Authenticator
	// Recall is Authenticate from memory; nil: not remembered. It asks a store at
	// most about what was remembered and may outlast an outage of that, and takes
	// a bounded time, since it has no context that could end. It is asked
	// without Credential.From, which takes time to tell, and where that is nil
	// once more with it: so whom his address decides about is remembered, and
	// his use noted, only with one that is admitted.
	Recall(c Credential, now time.Time) *Principal
	// Self returns the Recaller, a pointer, as one of Config.Authenticators.
	Self() Authenticator
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
	// Cookie is the name of the session cookie, read where a request has no
	// Authorization header: "__Host-sess". Requests that change something (and
	// WebSocket handshakes) with it must come from a page of this origin or
	// one that CrossOrigin trusts. Default: no cookie is read.
	Cookie string
	// CrossOrigin decides that. Default: the zero value, which trusts no
	// other origin.
	CrossOrigin *http.CrossOriginProtection
	// ClientAddr resolves the client's address, for address lists and
	// Failures. Give the limiter the same one. Default: the peer of the
	// connection.
	ClientAddr func(*http.Request) netip.Addr
	// Failures limits failed authentications. Default: not limited.
	Failures Failures
	// Errors writes refusals. Default: problem.Write.
	Errors problem.Writer
	// Logger hears of refusals and outages, never of a credential. It gets at
	// most ten lines of each a second; the others have debug level. Default: none.
	Logger *slog.Logger
	// Now is the clock of requests that have not been given a time yet.
	// Default: time.Now.
	Now func() time.Time
}

// A Middleware tells who is calling before the next handler runs.
type Middleware struct {
	config Config
	owner  request.Owner
	known  []Recaller // asked from memory first: see New
	cold   lanes
	// cacheable has the patterns whose handlers have been seen to replace
	// Cache-Control.
	cacheable sync.Map
	refused   loglimit.Log
	failed    loglimit.Log // apart, so that a flood of refusals hides no outage
}

// New checks the configuration.
func New(c Config) (*Middleware, error) {
	if len(c.Authenticators) == 0 {
		return nil, errors.New("authn: Config.Authenticators is empty: nobody could ever be let in")
	}
	m := &Middleware{config: c}
	if slices.Contains(c.Authenticators, nil) {
		return nil, errors.New("authn: Config.Authenticators has a nil entry")
	}
	// A caller whom an authenticator remembers costs no I/O as a rule, and is never
	// held up by other people's failures. Only a Recaller itself is asked like that,
	// and not past one that is none: it may mean to refuse.
	for _, a := range c.Authenticators {
		k, ok := a.(Recaller)
		if !ok || k.Self() != a {
			break
		}
		m.known = append(m.known, k)
	}
	if c.CrossOrigin == nil {
		m.config.CrossOrigin = new(http.CrossOriginProtection)
	}
	if c.ClientAddr == nil {
		m.config.ClientAddr = request.RemoteAddr
	}
	if c.Errors == nil {
		m.config.Errors = problem.Write
	}
	m.refused.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	m.failed.Logger = m.refused.Logger
	return m, nil
}

// Wrap authenticates every request and refuses those that fail. Answers to a
// session, and to whatever came in the cookie, are Cache-Control: private,
// no-store; who uses Check instead sets that.
func (m *Middleware) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, err := m.Check(r)
		if err != nil {
			m.config.Errors(w, r, Problem(err))
			return
		}
		m.serve(next, w, r)
	})
}

// Check authenticates r and returns it with the principal attached. It writes
// nothing: [Problem] tells what to answer to an error, on the request that was
// returned. Running it again on the same request costs nothing and counts
// nothing. A request whose credential was changed in between is authenticated
// again, as is one that a handler makes on the context of its own request.
func (m *Middleware) Check(r *http.Request) (*http.Request, error) {
	c, err := read(r.Header, m.config.Cookie)
	r, s, todo := request.Authenticate(r, &m.owner, m.config.Now, func(s *request.State) bool {
		switch {
		case err == ErrMissing:
			return m.config.AllowAnonymous && s.Credential == ""
		case err != nil, c.raw != s.Credential, c.Environment != "" && c.Environment != s.Environment:
			return false
		}
		return !c.Cookie || m.sameOrigin(r) == nil
	})
	if !todo {
		return r, nil
	}
	p, err := m.identify(r, c, err, s.Now)
	if err != nil {
		r = problem.Identify(r) // before the first of its lines in the log
		m.note(r, s, err)
		return r, err
	}
	if p != nil {
		s.Principal, s.Rights, s.Environment, s.Proved, s.Credential = p, p.Rights, p.Environment, p.Proved, c.raw
	}
	s.Authenticated(&m.owner)
	return r, nil
}

// Credential reads the credential of r, for a route that needs none but can
// use one, as logging out does. It says nothing about whether it is good; a
// cookie must have come from an origin that may use it. Errors: ErrMissing,
// ErrAmbiguous, ErrRejected, ErrCrossOrigin.
func (m *Middleware) Credential(r *http.Request) (Credential, error) {
	c, err := read(r.Header, m.config.Cookie)
	if err == nil && c.Cookie {
		err = m.sameOrigin(r)
	}
	if err != nil {
		return Credential{}, err
	}
	return c, nil
}

// identify is the order of checks: the credential, the memory, the address
// limiter, the authenticators, the principal's own address list. No principal
// and no error is an anonymous request that may pass.
func (m *Middleware) identify(r *http.Request, c Credential, err error, now time.Time) (*Principal, error) {
	if err == ErrMissing && m.config.AllowAnonymous {
		return nil, nil
	}
	if err == nil && c.Cookie {
		if bad := m.sameOrigin(r); bad != nil {
			return nil, bad
		}
	}
	if err == nil {
		if p := m.recall(&c, now); p != nil {
			return p, nil
		}
	}
	c.From = m.config.ClientAddr(r)
	if err == nil && c.From.IsValid() {
		if p := m.recall(&c, now); p != nil {
			return p, nil
		}
	}
	if m.config.Failures == nil {
		return m.verify(r.Context(), c, err, now)
	}
	// What has failed is known only afterwards, so few of an address are asked
	// about at once: the others wait, and are then held up by the failures.
	leave, busy := m.cold.enter(r.Context(), c.From)
	if busy != nil {
		return nil, busy
	}
	defer leave()
	if retry := m.config.Failures.Blocked(c.From, now); retry > 0 {
		return nil, &ThrottledError{retry}
	}
	p, err := m.verify(r.Context(), c, err, now)
	if err != nil && callersFault(err) {
		m.config.Failures.Charge(c.From, now)
	}
	return p, err
}

// recall asks from memory. A principal that may not be used from c.From, or in
// the environment asked for, is left to verify, which knows the reason.
func (m *Middleware) recall(c *Credential, now time.Time) *Principal {
	for _, k := range m.known {
		if p := k.Recall(*c, now); p != nil && p.actsIn(c.Environment) && (len(p.Addresses) == 0 || p.Admits(c.From)) {
			return p
		}
	}
	return nil
}

// verify asks the authenticators, unless the credential could not be read.
func (m *Middleware) verify(ctx context.Context, c Credential, err error, now time.Time) (*Principal, error) {
	if err != nil {
		return nil, err
	}
	p, err := m.ask(ctx, c, now)
	switch {
	case err != nil:
		return nil, err
	case !p.Admits(c.From):
		return nil, ErrAddress
	case !p.actsIn(c.Environment):
		return nil, ErrEnvironment
	}
	return p, nil
}

// sameOrigin protects a cookie, which a browser sends for any page. A
// WebSocket handshake is a GET that opens a door, so it counts as a change.
func (m *Middleware) sameOrigin(r *http.Request) error {
	if len(r.Header["Upgrade"]) > 0 { // Get would see the first of two only
		post := *r
		post.Method = http.MethodPost
		r = &post
	}
	if m.config.CrossOrigin.Check(r) != nil {
		return ErrCrossOrigin
	}
	return nil
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
		errors.Is(err, ErrAmbiguous) || errors.Is(err, ErrAddress) ||
		errors.Is(err, ErrCrossOrigin) || errors.Is(err, ErrEnvironment)
}

package authn

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"medtwin.ai/tollgate/internal/loglimit"
	"medtwin.ai/tollgate/internal/request"
	"medtwin.ai/tollgate/problem"
)

// An Authenticator recognizes one kind of credential by its shape, and
// identifies its holder. Errors: ErrNotMine for another kind; ErrRejected,
// ErrRevoked or ErrExpired for a credential that is not good; any other error
// means that it could not tell. Implementations are safe for concurrent use.
type Authenticator interface {
	Authenticate(ctx context.Context, c Credential, now time.Time) (*Principal, error)
}

// A Rememberer is an Authenticator that caches the credentials it has verified. A
// Middleware asks it first with Credential.MemoryOnly, so that failures of others
// never delay a known caller. It then answers ErrNotRemembered for an unknown
// credential, and ErrStale for a known one that must be looked up again. It may check
// the store for entries that outlive an outage, within a bounded time.
type Rememberer interface {
	Authenticator
	// Remembers reports whether self, the Authenticator that a Middleware was given,
	// supports Credential.MemoryOnly. It is false for a type that embeds a
	// Rememberer: such a type inherits this method but may be stricter, so it is
	// asked as if it had no memory.
	Remembers(self Authenticator) bool
}

// Failures counts failed attempts by subject: failed authentications by client
// address, failed logins by account and more. ratelimit.Failures is one.
// Implementations are safe for concurrent use.
type Failures interface {
	// Peek returns how many times subject may fail now and, if that is 0, how long
	// until it may once more.
	Peek(subject string, now time.Time) (left int64, retry time.Duration)
	// Count counts one failure.
	Count(subject string, now time.Time)
}

// Config of a Middleware.
type Config struct {
	// Authenticators are asked in order. Required.
	Authenticators []Authenticator
	// User returns who the application has logged in, for a request without a
	// credential; nil means nobody. environment is X-Environment, or "". Unsafe
	// methods must come from this origin or one that CrossOrigin trusts, because
	// browsers send the cookie for any page. ErrCrossOrigin and ErrEnvironment pass
	// through. Default: nobody is logged in.
	User func(r *http.Request, environment string, now time.Time) (*Principal, error)
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
	// Logger records refusals and outages, never a credential: at most ten lines of
	// each a second, and at debug level every refusal. Default: none.
	Logger *slog.Logger
	// Now is the clock of Wrap. Default: time.Now.
	Now func() time.Time
}

// A Middleware identifies the caller before the next handler runs.
type Middleware struct {
	config  Config
	known   []Authenticator // asked from memory first: see New
	cold    semaphores
	refused loglimit.Log
	failed  loglimit.Log // apart, so that a flood of refusals hides no outage
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
	// Nobody is asked past an authenticator without a memory: it may mean to refuse.
	for _, a := range c.Authenticators {
		if k, ok := a.(Rememberer); !ok || !k.Remembers(a) {
			break
		}
		m.known = append(m.known, a)
	}
	if c.CrossOrigin == nil {
		m.config.CrossOrigin = new(http.CrossOriginProtection)
	}
	if c.ClientAddr == nil {
		m.config.ClientAddr = request.RemoteAddr
	}
	if c.Now == nil {
		m.config.Now = time.Now
	}
	if c.Errors == nil {
		m.config.Errors = problem.Write
	}
	m.refused.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	m.failed.Logger = m.refused.Logger
	return m, nil
}

// Wrap authenticates every request and refuses those that fail. Answers to a
// session, and to whatever came in a cookie, are Cache-Control: private, no-store;
// code that uses Check instead sets that: see [Principal.Private].
func (m *Middleware) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, err := m.Check(r)
		if err != nil {
			m.Refuse(w, r, err)
			return
		}
		if p, _ := r.Context().Value(request.PrincipalKey{}).(*Principal); p.Private(r) {
			w.Header().Set("Cache-Control", "private, no-store")
		}
		next.ServeHTTP(w, r)
	})
}

// Refuse logs that r was refused with err, an error of Identify or Check, and
// answers r. The log and the answer have the same request id.
func (m *Middleware) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	r = problem.Identify(r)
	m.note(r, err, m.config.Now())
	m.config.Errors(w, r, Problem(err))
}

// Check authenticates r and writes nothing. It returns the request to serve, whose
// context names the caller, or nobody on error: see [Problem].
func (m *Middleware) Check(r *http.Request) (*http.Request, error) {
	now := m.config.Now()
	p, err := m.Identify(r, now)
	return r.WithContext(newIdentified(r.Context(), p, now)), err
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

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

// An Authenticator recognizes one kind of credential by its shape, and returns
// the principal that it stands for. It is safe for concurrent use. Errors:
//
//   - ErrNotMine: the credential is of another kind.
//   - ErrRejected, ErrRevoked, ErrExpired: the credential is not good.
//   - any other error: it is unknown at the moment whether the credential is
//     good.
type Authenticator interface {
	Authenticate(ctx context.Context, c Credential, now time.Time) (*Principal, error)
}

// A Rememberer is an Authenticator that caches the credentials it has verified.
//
// A Middleware asks it first with Credential.MemoryOnly, so that failures of
// others never delay a known caller. It then answers ErrNotRemembered for an
// unknown credential, and ErrStale for a known one that must be read again. It
// may check the store for entries that could outlive an outage, within a
// bounded time.
type Rememberer interface {
	Authenticator
	// Remembers reports whether self, the Authenticator that a Middleware was
	// given, supports Credential.MemoryOnly. It is false for a type that embeds
	// a Rememberer. Such a type inherits this method but may be stricter, and
	// the cache would answer past its own checks. So it is asked as if it had
	// no cache.
	Remembers(self Authenticator) bool
}

// Failures counts failed attempts by subject. A subject is the address of a
// client, or an account that somebody tries to log in to. ratelimit.Failures is
// an implementation. Implementations are safe for concurrent use.
type Failures interface {
	// Peek returns how many times subject may fail now. If that is 0, retry is
	// the time until it may fail once more. Peek counts nothing.
	Peek(subject string, now time.Time) (left int64, retry time.Duration)
	// Count counts one failure.
	Count(subject string, now time.Time)
}

// Config of a Middleware.
type Config struct {
	// Authenticators are asked in order, and the first one that recognizes a
	// credential decides. Required.
	Authenticators []Authenticator
	// User returns who is logged in with the application, for a request without
	// a credential. nil means nobody. environment is X-Environment, or "".
	// Unsafe methods must come from a page of this origin or of one that
	// CrossOrigin trusts, because browsers send the application's cookie with
	// requests of any page. It may return ErrCrossOrigin and ErrEnvironment.
	// Default: nobody is logged in.
	User func(r *http.Request, environment string, now time.Time) (*Principal, error)
	// AllowAnonymous lets requests without a credential pass, without a
	// principal. A credential that is present and bad is refused all the same.
	// Default: such requests are refused.
	AllowAnonymous bool
	// Cookie is the name of the session cookie, such as "__Host-sess". It is
	// read if a request has no Authorization header. Unsafe methods and
	// WebSocket handshakes with it must come from a page of this origin or of
	// one that CrossOrigin trusts. Default: no cookie is read.
	Cookie string
	// CrossOrigin says which origins may use the cookie. Default: the zero
	// value, which trusts no other origin.
	CrossOrigin *http.CrossOriginProtection
	// ClientAddr returns the address of the client. Address lists and Failures
	// use it. Give the limiter the same function. Default: the peer of the
	// connection.
	ClientAddr func(*http.Request) netip.Addr
	// Failures limits failed authentications by the address of the client.
	// Default: not limited.
	Failures Failures
	// Errors writes the answers to refused requests. Default: problem.Write.
	Errors problem.Writer
	// Logger records refusals and outages, and never a credential. At most ten
	// lines of each are written in a second; at debug level every refusal is.
	// Default: none.
	Logger *slog.Logger
	// Now is the clock of Wrap and Check. Default: time.Now.
	Now func() time.Time
}

// A Middleware identifies the caller before the next handler runs. It is safe
// for concurrent use.
type Middleware struct {
	config  Config
	known   []Authenticator // the leading authenticators that cache: see New
	cold    semaphores      // look-ups in flight: see lookUp
	refused loglimit.Log
	failed  loglimit.Log // has a rate limit of its own, so that refusals hide no outage
}

// New returns a Middleware, or an error that says what is wrong with c.
func New(c Config) (*Middleware, error) {
	if len(c.Authenticators) == 0 {
		return nil, errors.New("authn: Config.Authenticators is empty: nobody could ever be let in")
	}
	m := &Middleware{config: c}
	if slices.Contains(c.Authenticators, nil) {
		return nil, errors.New("authn: Config.Authenticators has a nil entry")
	}
	// An authenticator without a cache may refuse what the next one would
	// accept. So the caches are asked only up to the first of those.
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

// Wrap authenticates every request, and refuses those that fail.
//
// It sets Cache-Control: private, no-store on answers to people and to cookies,
// so that no cache between here and there gives them to somebody else (RFC 9111
// §5.2.2). Code that uses Check instead sets that itself: see
// [Principal.Private].
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

// Refuse answers r with what err means, an error of Identify or Check, and logs
// it. The log and the answer have the same request id.
func (m *Middleware) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	r = problem.Identify(r)
	m.config.Errors(w, r, m.Refused(r, err))
}

// Refused logs the refusal of r, and returns what its client is told. It is Refuse for
// code that writes answers itself. The request id of r must be known: see
// [problem.Identify].
func (m *Middleware) Refused(r *http.Request, err error) problem.Problem {
	m.note(r, err, m.config.Now())
	return Problem(err)
}

// Check authenticates r and writes nothing. It returns the request to serve,
// whose context names the caller.
//
// On error the returned request names nobody, so that a handler that runs all
// the same serves an anonymous caller. See [Problem] for the errors.
func (m *Middleware) Check(r *http.Request) (*http.Request, error) {
	now := m.config.Now()
	p, err := m.Identify(r, now)
	return r.WithContext(newIdentified(r.Context(), p, now)), err
}

// Credential returns the credential of r, for a route that needs none but can
// use one, such as a log-out. It does not say whether the credential is good.
// Errors:
//
//   - ErrMissing, ErrAmbiguous, ErrRejected: there is no credential that could
//     be good.
//   - ErrCrossOrigin: it came in a cookie, sent by a page of another origin.
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

// sameOrigin returns ErrCrossOrigin if a page of another origin sent the
// request. A browser adds the cookie to requests of any page, so the cookie
// alone does not prove that its user meant the request.
//
// A WebSocket handshake is a GET, which [http.CrossOriginProtection] lets pass.
// But the connection can change things afterwards, and no preflight precedes
// it. So it is checked as a POST.
func (m *Middleware) sameOrigin(r *http.Request) error {
	if len(r.Header["Upgrade"]) > 0 { // not Get, which hides a second value
		post := *r
		post.Method = http.MethodPost
		r = &post
	}
	if m.config.CrossOrigin.Check(r) != nil {
		return ErrCrossOrigin
	}
	return nil
}

package tollgate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/authn/password"
	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/internal/loglimit"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/ratelimit"
	"medtwin.ai/tollgate/store"
)

// parts are what a gate is made of, each usable on its own.
type parts struct {
	model     *authz.Model
	keys      *apikey.Manager
	sessions  *session.Manager
	passwords *password.Hasher
	logins    *login.Manager
	users     *users // of the application; nil: it has no login of its own
	auth      *authn.Middleware
	origins   *http.CrossOriginProtection
	addr      func(*http.Request) netip.Addr
	tokens    *regexp.Regexp // of keys and sessions
}

// secretsTimeout limits the calls of New to the store.
const secretsTimeout = 5 * time.Second

// New returns a gate, or everything that is wrong with c in one error. It starts
// nothing: see [Gate.Run]. It asks the store whether it was used under the same
// secrets, and fails if that is not so or the store does not answer.
func New(c Config) (*Gate, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	var err error
	g := &Gate{config: c, errors: problem.Logged(c.Errors, c.Logger), misused: loglimit.Log{Logger: c.Logger}, failed: loglimit.Log{Logger: c.Logger}, abandoned: loglimit.Log{Logger: c.Logger}, started: c.Now(), routes: routes{ids: map[string]string{}, patterns: map[string]string{}}}
	if g.model, err = authz.NewModel(authz.ModelConfig{Permissions: c.Permissions, ReadOnly: c.ReadOnly, Kinds: c.Resources}); err != nil {
		return nil, err
	}
	if g.config.Roles == nil {
		g.config.Roles = c.roles(g.model)
	}
	if err := g.assemble(); err != nil {
		return nil, err
	}
	if err := g.checkSecrets(); err != nil {
		return nil, err
	}
	if g.limits, err = newLimits(c); err != nil { // last: it takes names in c.Limits
		return nil, err
	}
	g.routes.mux.HandleFunc("/", g.missed)
	return g, nil
}

// checkSecrets fails if the store was used under other secrets, or does not answer.
func (g *Gate) checkSecrets() error {
	ctx, cancel := context.WithTimeout(context.Background(), secretsTimeout)
	defer cancel()
	if err := store.CheckSecrets(ctx, g.config.Store, g.config.Secrets, g.config.Now()); err != nil {
		return fmt.Errorf("tollgate: Config.Secrets against those of Config.Store: %w", err)
	}
	return nil
}

// assemble builds the parts and connects them.
func (g *Gate) assemble() error {
	c := g.config
	formats, err := newFormats(c.Prefix, c.Environments)
	if err != nil {
		return err
	}
	sessionFormat, err := keyfmt.New("sess_")
	if err != nil {
		return err
	}
	prefixes := []string{sessionFormat.Prefix()}
	for _, env := range c.Environments {
		prefixes = append(prefixes, formats[env].Prefix())
	}
	g.tokens = tokenPattern(prefixes)
	g.sessions, err = session.New(session.Config{
		Store: c.Store, Model: g.model, Roles: c.Roles, Format: sessionFormat, Peppers: c.Secrets, Environments: c.Environments,
		OutageLease: c.OutageLease, Logger: c.Logger,
	})
	if err != nil {
		return err
	}
	fresh := g.sessions.Fresh
	if c.User != nil {
		g.users = newUsers(c, g.model)
		fresh = g.users.fresh
	}
	g.keys, err = apikey.New(apikey.Config{
		Store: c.Store, Model: g.model, Roles: c.Roles, Manage: c.ManageKeys, Fresh: fresh,
		Formats: formats, Peppers: c.Secrets, Quota: c.MaxKeys, Verifiers: c.Verifiers, OutageLease: c.OutageLease, Logger: c.Logger,
	})
	if err != nil {
		return err
	}
	if g.passwords, err = password.New(password.Config{Words: append([]string{c.Prefix}, c.PasswordWords...), Logger: c.Logger}); err != nil {
		return err
	}
	g.logins, err = login.New(login.Config{
		Store: c.Store, Sessions: g.sessions, Passwords: g.passwords,
		Secret: c.Secrets.Derive("login"), Logger: c.Logger,
	})
	if err != nil {
		return err
	}
	return g.authenticate()
}

// authenticate builds the authentication middleware.
func (g *Gate) authenticate() error {
	c := g.config
	g.origins, g.addr = http.NewCrossOriginProtection(), g.clientAddr()
	var errs []error
	for _, o := range c.TrustedOrigins {
		errs = append(errs, g.origins.AddTrustedOrigin(o))
	}
	plan, err := ratelimit.ParsePlan("failures", failureLimit)
	errs = append(errs, err)
	failures, err := ratelimit.NewFailures(nil, plan)
	if err := errors.Join(append(errs, err)...); err != nil {
		return err
	}
	a := authn.Config{
		Authenticators: append([]authn.Authenticator{g.keys, g.sessions}, c.Authenticators...),
		Cookie:         SessionCookie, CrossOrigin: g.origins, ClientAddr: g.addr, Failures: failures,
		Errors: c.Errors, Logger: c.Logger, Now: c.Now,
	}
	if g.users != nil {
		a.Cookie, a.User = "", g.users.principal
	}
	g.auth, err = authn.New(a)
	return err
}

// newFormats returns the formats of keys by environment: acme_live_….
func newFormats(prefix string, environments []string) (map[string]keyfmt.Format, error) {
	formats := make(map[string]keyfmt.Format, len(environments))
	var errs []error
	for _, env := range environments {
		f, err := keyfmt.New(prefix + "_" + env + "_")
		errs = append(errs, err)
		formats[env] = f
	}
	return formats, errors.Join(errs...)
}

// MaxRevocationDelay is the longest time for which a key or session that has
// ended can still pass on any node, whatever is down: see
// apikey.Manager.MaxRevocationDelay. While all is well it is milliseconds.
func (g *Gate) MaxRevocationDelay() time.Duration {
	return max(g.keys.MaxRevocationDelay(), g.sessions.MaxRevocationDelay())
}

package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/authn/password"
	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/examples/server/leak"
	"medtwin.ai/tollgate/examples/server/logbudget"
	"medtwin.ai/tollgate/examples/server/webhook"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/ratelimit"
	"medtwin.ai/tollgate/store/retention"
)

// A server is the application behind the gate, and what the gate is made of.
type server struct {
	vocabulary
	*backend
	*secrets

	keys      *apikey.Manager
	sessions  *session.Manager
	passwords *password.Hasher
	logins    *login.Manager
	auth      *authn.Middleware  // set by handler
	spent     ratelimit.Store    // what has been spent of the plans
	limiter   *ratelimit.Limiter // set by handler
	hooks     *webhook.Sender
	leaks     *leak.Receiver
	requests  *accessRequests
	readiness *readiness
	stopping  atomic.Bool // set by serve at SIGTERM
	pruner    *retention.Pruner

	crossOrigin *http.CrossOriginProtection // which pages may use cookies here

	addr         func(*http.Request) netip.Addr
	log          *slog.Logger
	now          func() time.Time
	refusals     logbudget.Budget // lines about strangers whom the server refused
	refusedKnown logbudget.Budget // the same for callers who are known
	failures     logbudget.Budget // lines about requests that failed in an outage
	abandoned    logbudget.Budget // lines about requests that failed after their client had gone
}

// keyQuota is the most live keys of an account.
const keyQuota = 1000

// sessionCookie is read where a request has no Authorization header.
const sessionCookie = "__Host-sess"

// sessionPrefix begins the tokens of sessions.
const sessionPrefix = "sess_"

// newServer opens what the configuration names. The caller closes it.
func newServer(ctx context.Context, c config, log *slog.Logger) (s *server, err error) {
	s = &server{log: log, now: time.Now, spent: ratelimit.NewMemory(0)}
	if s.vocabulary, err = newVocabulary(); err != nil {
		return nil, err
	}
	trusted, err := prefixes(c.trusted)
	if err != nil {
		return nil, errors.New("--trusted-proxies: " + err.Error())
	}
	s.addr = ratelimit.ClientAddr(trusted...)
	b, err := openBackend(ctx, c.database, c.listenDatabase)
	if err != nil {
		return nil, err
	}
	s.backend = b
	defer func() {
		if err != nil {
			b.Close()
		}
	}()
	if c.redisReplicas < 0 || c.redisReplicas > 0 && c.redis == "" {
		return nil, errors.New("--redis-replicas: want --redis, and a number of its replicas")
	}
	if c.redis != "" {
		if err := s.keepSessions(c, log); err != nil {
			return nil, err
		}
	}
	s.pruner = &retention.Pruner{
		Sessions: b.stores.Sessions(), KeepSessions: c.keep.sessions, // Redis drops its own
		Keys: s.KeyAdmin(), KeepKeys: c.keep.keys, Events: s.Events(), KeepEvents: c.keep.events, Logger: log,
	}
	s.readiness = newReadiness(b.dependencies(), log, time.Now)
	if s.secrets, err = openSecrets(ctx, c.pepperFile, s.backend); err != nil {
		return nil, err
	}
	if s.sessions, err = session.New(session.Config{
		Store: s.Sessions(), Users: s.Users(), Memberships: s.Memberships(), Accounts: s.Accounts(), Changes: s.sessionChanges(),
		Model: s.model, Roles: s.role, Format: s.session, Peppers: s.peppers, Environments: []string{live, test}, OutageLease: c.outageLease, Logger: log,
	}); err != nil {
		return nil, err
	}
	keys := s.keyConfig()
	keys.OutageLease = c.outageLease
	if s.keys, err = apikey.New(keys); err != nil {
		return nil, err
	}
	s.readiness.streams = map[string]func(time.Time) bool{"keys": s.keys.Streaming, "sessions": s.sessions.Streaming}
	if s.passwords, err = password.New(password.Config{Words: []string{"medtwin", "tollgate"}, Logger: log}); err != nil {
		return nil, err
	}
	if s.logins, err = login.New(s.loginConfig()); err != nil {
		return nil, err
	}
	if s.hooks, err = webhook.New(webhook.Config{
		DB: s.db, Secret: func(id string) []byte { return s.derive("webhook " + id) }, AllowPrivate: c.privateHooks, Logger: log,
		Now: func() time.Time { return s.now() }, // the tests' too
	}); err != nil {
		return nil, err
	}
	if s.requests, err = newAccessRequests(s.db); err != nil {
		return nil, err
	}
	s.leaks, err = leak.New(leak.Config{
		DB: s.db, Seal: s.derive("leak reports"), KeysURL: cmp.Or(c.leakKeys, githubKeys), Prefetch: c.leakKeys != "", Addr: s.addr,
		Report: s.leaked, Errors: writeProblem, Logger: log,
		Now: func() time.Time { return s.now() },
	})
	return s, err
}

func (s *server) keyConfig() apikey.Config {
	return apikey.Config{
		Store: s.Keys(), Admin: s.KeyAdmin(), Changes: s.stores, Roles: s.role, Manage: admin, Fresh: s.sessions.Fresh,
		Model: s.model, Formats: s.formats, Peppers: s.peppers, Quota: keyQuota, Logger: s.log,
	}
}

// handler is the chain: request id, log, and the routes,
// which match, authenticate, decide, limit and handle.
func (s *server) handler(origins []string) (http.Handler, error) {
	failures, err := ratelimit.NewFailures(nil, s.failed) // apart from the table of verified identities
	if err != nil {
		return nil, err
	}
	s.crossOrigin = http.NewCrossOriginProtection()
	for _, o := range origins {
		if err := s.crossOrigin.AddTrustedOrigin(o); err != nil {
			return nil, err
		}
	}
	s.auth, err = authn.New(authn.Config{
		Authenticators: []authn.Authenticator{s.keys, s.sessions}, Cookie: sessionCookie, CrossOrigin: s.crossOrigin,
		ClientAddr: s.addr, Failures: failures, Errors: writeProblem, Logger: s.log,
	})
	if err != nil {
		return nil, err
	}
	s.limiter, err = ratelimit.New(ratelimit.Config{
		Store: s.spent, Plan: s.plan, Own: s.ownPlan, Denied: s.denialPlan, Errors: writeProblem, Logger: s.log,
	})
	if err != nil {
		return nil, err
	}
	routes, err := authz.NewRoutes(authz.RoutesConfig{
		Model: s.model, Authenticate: s.auth.Wrap, Limit: s.limiter.Wrap, Errors: writeProblem, Logger: s.log, Now: s.now,
	})
	if err != nil {
		return nil, err
	}
	s.declare(routes)
	h := problem.RequestIDs(s.logged(routes))
	if len(origins) > 0 {
		return s.cors(origins, h)
	}
	return h, nil
}

// plan: counters hang on the account and environment, so that new keys bring
// no fresh budget.
func (s *server) plan(r *http.Request) (string, *ratelimit.Plan) {
	p, ok := authn.FromContext(r.Context())
	if !ok {
		return "", nil
	}
	plan, _ := s.planOf(p)
	return p.Subject, plan
}

func (s *server) planOf(p authn.Principal) (*ratelimit.Plan, string) {
	return s.plans.Resolve(ratelimit.Assignment{
		Environment: p.Environment, Key: p.KeyPlan, Account: p.AccountPlan, Limits: p.Limits,
	})
}

// ownPlan is what costs nothing of the plan: counted like the plan, so that new
// and rotated keys bring no fresh budget, and for people apart, so that a leaked
// key cannot keep its owner from revoking it.
func (s *server) ownPlan(r *http.Request) (string, *ratelimit.Plan) {
	p, ok := authn.FromContext(r.Context())
	if !ok {
		return "", nil
	}
	return s.freeOf(p)
}

func (s *server) freeOf(p authn.Principal) (string, *ratelimit.Plan) {
	if p.Kind == authn.KindSession {
		return p.User, s.own
	}
	return p.Subject, s.own
}

// denialPlan is per account and environment, however many keys there are; for
// people apart, so that no key hides from them why they are refused.
func (s *server) denialPlan(r *http.Request) (string, *ratelimit.Plan) {
	p, ok := authn.FromContext(r.Context())
	switch {
	case !ok:
		return "", nil
	case p.Kind == authn.KindSession:
		return p.User, s.denials
	}
	return p.Account + "/" + p.Environment, s.denials
}

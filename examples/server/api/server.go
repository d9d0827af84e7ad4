package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/examples/server/logbudget"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/secretscan"
	"medtwin.ai/tollgate/webhook"
)

// A server is the application behind the gate.
type server struct {
	*backend
	gate    *tollgate.Gate
	secrets *keyfmt.Keyring

	// of the gate
	keys     *apikey.Manager
	sessions *session.Manager
	logins   *login.Manager

	hooks     *webhook.Sender
	leaks     *secretscan.Receiver
	requests  *accessRequests
	readiness *readiness
	stopping  atomic.Bool // set by serve at SIGTERM

	origins      []string // whose pages may use cookies here
	log          *slog.Logger
	now          func() time.Time
	refusals     logbudget.Budget // lines about refused strangers
	refusedKnown logbudget.Budget // the same for known callers
}

// keyQuota is the most live keys of an account.
const keyQuota = 1000

// newServer opens what the configuration names, and declares the routes. The
// caller closes it.
func newServer(ctx context.Context, c config, log *slog.Logger) (s *server, err error) {
	s = &server{log: log, now: time.Now, origins: itemsOf(c.origins)}
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
		if c.limits == nil && !c.localLimits {
			c.limits = s.redis.Limits()
		}
	}
	if s.secrets, err = keyfmt.OpenKeyring(c.pepperFile); err != nil {
		return nil, fmt.Errorf("--pepper-file: %w", err)
	}
	if err := s.openGate(c); err != nil {
		return nil, err
	}
	s.readiness = newReadiness(s.dependencies(), log, time.Now)
	s.readiness.streams = map[string]func(time.Time) bool{"keys": s.keys.Streaming, "sessions": s.sessions.Streaming}
	if s.hooks, err = webhook.New(webhook.Config{
		Store: s.db.Webhooks(), Secret: func(id string) []byte { return s.secrets.Derive("webhook " + id) }, AllowPrivate: c.privateHooks, Logger: log,
		Now: func() time.Time { return s.now() }, // the tests' too
	}); err != nil {
		return nil, err
	}
	if s.requests, err = newAccessRequests(s.db); err != nil {
		return nil, err
	}
	if s.leaks, err = secretscan.New(secretscan.Config{
		Store: s.db.LeakReports(), Seal: s.secrets.Derive("leak reports"), KeysURL: cmp.Or(c.leakKeys, githubKeys), Prefetch: c.leakKeys != "", Addr: s.gate.ClientAddr,
		Report: s.leaked, Errors: writeProblem, Logger: log,
		Now: func() time.Time { return s.now() },
	}); err != nil {
		return nil, err
	}
	return s, s.declare(c)
}

// openGate makes the gate. All that is particular to this API is what it is
// told here.
func (s *server) openGate(c config) error {
	trusted, err := prefixes(c.trusted)
	if err != nil {
		return fmt.Errorf("--trusted-proxies: %w", err)
	}
	if err := namesOrigins(s.origins); err != nil {
		return err
	}
	s.gate, err = tollgate.New(tollgate.Config{
		Store: s.stores, Secrets: s.secrets, Prefix: "mt", PasswordWords: []string{"medtwin", "tollgate"},
		Permissions: []string{read, write, remove, admin, operate}, ReadOnly: []string{read}, RoleNames: roles,
		Resources: []string{projects, artifactTypes}, Roles: s.role,
		MaxKeys: keyQuota,
		Plans:   plans, DefaultPlan: "free", EnvironmentPlans: map[string]string{test: "free"}, Limits: c.limits,
		TrustedProxies: trusted, TrustedOrigins: s.origins, OutageLease: c.outageLease, Retention: c.keep.retention(),
		Errors: writeProblem, Middleware: knowCaller, OnEvent: s.tellHooks, Logger: s.log, Now: func() time.Time { return s.now() },
	})
	if err != nil {
		return err
	}
	s.keys, s.sessions, s.logins = s.gate.Keys(), s.gate.Sessions(), s.gate.Logins()
	return nil
}

// handler is the chain: request id, log, and the gate with its routes.
func (s *server) handler() (http.Handler, error) {
	h := problem.RequestIDs(s.logged(s.gate))
	if len(s.origins) > 0 {
		return allowOrigins(s.origins, h)
	}
	return h, nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/ratelimit"
)

// A server is the application behind the gate.
type server struct {
	vocabulary
	documents *documents
	log       *slog.Logger
	now       func() time.Time
	refusals  budget
}

const drain = 10 * time.Second // for requests in flight when it is told to stop

func runServe(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var c config
	f := newFlags("serve", &c, stderr)
	c.serveFlags(f)
	rest, err := parse(f, args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return fmt.Errorf("unknown command %q; try: server help", rest[0])
	}
	trusted, err := prefixes(c.trusted)
	if err != nil {
		return fmt.Errorf("--trusted-proxies: %w", err)
	}
	log := slog.New(slog.NewJSONHandler(stderr, nil))
	v, err := newVocabulary()
	if err != nil {
		return err
	}
	b, err := openBackend(c.database)
	if err != nil {
		return err
	}
	defer b.Close()
	keys, err := newKeys(c, v, b, func(kc *apikey.Config) { kc.Logger = log })
	if err != nil {
		return err
	}
	s := &server{vocabulary: v, documents: b.documents, log: log, now: time.Now}
	handler, err := s.handler(keys, ratelimit.ClientAddr(trusted...))
	if err != nil {
		return err
	}

	listener, err := net.Listen("tcp", c.listen)
	if err != nil {
		return err
	}
	url := "http://" + listener.Addr().String()
	if c.demo {
		if err := demo(ctx, c, v, b, keys, url, stdout); err != nil {
			listener.Close()
			return err
		}
	}
	fmt.Fprintf(stdout, "serving on %s\n", url)
	return serve(ctx, listener, handler, keys, log)
}

// handler is the chain: request id and form of errors, log, and the routes,
// which match, authenticate, decide, limit and handle.
func (s *server) handler(keys *apikey.Manager, addr func(*http.Request) netip.Addr) (http.Handler, error) {
	failures, err := ratelimit.NewFailures(nil, s.failed) // apart from the table of verified identities
	if err != nil {
		return nil, err
	}
	auth, err := authn.New(authn.Config{
		Authenticators: []authn.Authenticator{keys}, ClientAddr: addr, Failures: failures, Logger: s.log,
	})
	if err != nil {
		return nil, err
	}
	limit, err := ratelimit.New(ratelimit.Config{
		Plan: s.plan, Own: s.ownPlan, Denied: s.denialPlan, Logger: s.log,
	})
	if err != nil {
		return nil, err
	}
	routes, err := authz.NewRoutes(authz.RoutesConfig{Model: s.model, Authenticate: auth.Wrap, Limit: limit.Wrap, Now: s.now})
	if err != nil {
		return nil, err
	}
	s.declare(routes)
	return problem.Wrap(errorForm, s.logged(routes)), nil
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

func (s *server) ownPlan(r *http.Request) (string, *ratelimit.Plan) {
	p, ok := authn.FromContext(r.Context())
	if !ok {
		return "", nil
	}
	return p.ID, s.own
}

func (s *server) denialPlan(r *http.Request) (string, *ratelimit.Plan) {
	p, ok := authn.FromContext(r.Context())
	if !ok {
		return "", nil
	}
	return p.Account + "/" + p.Environment, s.denials
}

// serve runs until ctx ends; then it lets requests in flight finish and writes
// the last uses.
func serve(ctx context.Context, listener net.Listener, handler http.Handler, keys *apikey.Manager, log *slog.Logger) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	written := make(chan struct{})
	go func() {
		defer close(written)
		keys.Run(background)
	}()
	srv := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
		deadline, cancel := context.WithTimeout(background, drain)
		err = srv.Shutdown(deadline)
		cancel()
	}
	stop() // after the last request: its use is written as well
	<-written
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func prefixes(list string) ([]netip.Prefix, error) {
	var ps []netip.Prefix
	for item := range strings.SplitSeq(list, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		p, err := netip.ParsePrefix(item)
		if err != nil {
			a, bad := netip.ParseAddr(item)
			if bad != nil {
				return nil, err
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		ps = append(ps, p.Masked())
	}
	return ps, nil
}

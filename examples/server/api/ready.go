package api

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// A dependency is what the server cannot do its work without.
type dependency struct {
	name  string // as the answer calls it: "database"
	check func(context.Context) error
}

// readiness tells whether all dependencies of requests are up. It checks them at
// most once a second, since anybody may ask.
type readiness struct {
	dependencies []dependency
	log          *slog.Logger
	now          func() time.Time
	// streams are those of changes, by the name of what is remembered, and whether
	// each is alive. A dead stream fails nothing: cached records are read anew
	// when their lease ends.
	streams map[string]func(now time.Time) bool

	turn    chan struct{} // holds one while the fields below are used
	checked time.Time
	down    map[string]bool
}

func newReadiness(dependencies []dependency, log *slog.Logger, now func() time.Time) *readiness {
	return &readiness{dependencies: dependencies, log: log, now: now, turn: make(chan struct{}, 1)}
}

// dependencies are those of a backend.
func (b *backend) dependencies() []dependency {
	all := []dependency{{"database", b.ready}}
	if b.redis != nil {
		all = append(all, dependency{"redis", b.redis.Ready})
	}
	return all
}

// lists is whether the database answers, where it cannot tell more.
func (b *backend) lists(ctx context.Context) error {
	_, err := b.Accounts().List(ctx, "", 1)
	return err
}

const (
	readyFor     = time.Second
	readyTimeout = 2 * time.Second // of every check, all at once
)

// missing returns the names of the dependencies that are down. The reason is
// for the log, which has it once.
func (c *readiness) missing(ctx context.Context) (map[string]bool, error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if c.down != nil && c.now().Sub(c.checked) < readyFor {
		return c.down, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyTimeout) // for all who wait meanwhile
	defer cancel()
	errs := make([]error, len(c.dependencies))
	var checks sync.WaitGroup
	for i, d := range c.dependencies {
		checks.Go(func() { errs[i] = d.check(ctx) })
	}
	checks.Wait()
	down := make(map[string]bool)
	for i, d := range c.dependencies {
		if errs[i] != nil {
			down[d.name] = true
		}
		if down[d.name] != c.down[d.name] {
			level := slog.LevelInfo
			if errs[i] != nil {
				level = slog.LevelError
			}
			c.log.Log(ctx, level, "readiness", slog.String("dependency", d.name), slog.Bool("ready", errs[i] == nil), slog.Any("err", errs[i]))
		}
	}
	c.checked, c.down = c.now(), down
	return down, nil
}

// ready reports whether the server can do its work, and which dependency is
// missing, for tools that start or replace replicas; and, as information,
// whether the streams of changes are alive. A load balancer that goes by it
// takes all replicas away at once when the database goes, though they could
// still serve the callers that they know: GET /health is for it.
func (s *server) ready(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if s.stopping.Load() {
		s.respond(w, r, http.StatusServiceUnavailable, map[string]any{"ready": false, "checks": map[string]string{"server": "stopping"}})
		return
	}
	status, checks := http.StatusOK, make(map[string]string)
	down, err := s.readiness.missing(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	for _, d := range s.readiness.dependencies {
		checks[d.name] = "ok"
		if down[d.name] {
			checks[d.name], status = "unavailable", http.StatusServiceUnavailable
		}
	}
	streams := make(map[string]string)
	for name, alive := range s.readiness.streams {
		streams[name] = "lost"
		if alive(time.Now()) { // a reading of the monotonic clock
			streams[name] = "ok"
		}
	}
	s.respond(w, r, status, map[string]any{"ready": status == http.StatusOK, "checks": checks, "streams": streams})
}

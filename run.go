package tollgate

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"medtwin.ai/tollgate/internal/retention"
	"medtwin.ai/tollgate/ratelimit"
)

// keepInvitations is how long an invitation that nobody accepted is kept after it has
// expired, so that its team sees that it did.
const keepInvitations = 30 * day

// Run does the work in the background until ctx ends, and then returns ctx's
// error: it hears of revocations, records last uses, and deletes what has long
// expired. The caller owns the goroutine: go gate.Run(ctx).
func (g *Gate) Run(ctx context.Context) error {
	g.mustBeMade()
	g.running.Store(true)
	keep := g.config.Retention.withDefaults()
	pruner := &retention.Pruner{
		Sessions: g.config.Store.Sessions(), KeepSessions: keep.Sessions,
		Keys: g.config.Store.KeyAdmin(), KeepKeys: keep.Keys,
		Events: g.config.Store.Events(), KeepEvents: keep.Events,
		Invitations: g.config.Store.Invitations(), KeepInvitations: keepInvitations,
		Logger: g.config.Logger,
	}
	tasks := append([]func(context.Context) error{g.keys.Run, g.sessions.Run, pruner.Run}, g.tasks...)
	if g.users != nil {
		tasks = append(tasks, g.users.memory.Run)
	}
	var running sync.WaitGroup
	for _, task := range tasks {
		running.Go(func() {
			if err := task(ctx); err != nil && !errors.Is(err, ctx.Err()) {
				g.config.Logger.LogAttrs(ctx, slog.LevelError, "background work of the gate has ended", slog.Any("err", err))
			}
		})
	}
	running.Wait()
	return ctx.Err()
}

// Background adds a task to the work of [Gate.Run], such as sending mail. It must return
// soon after its context ends. Add all tasks before calling Run.
func (g *Gate) Background(task func(context.Context) error) { g.tasks = append(g.tasks, task) }

// startGrace is how long a gate may serve before Run is called: programs start
// both at the same time.
const startGrace = time.Second

// warnNotRunning warns once if the gate serves without Run.
func (g *Gate) warnNotRunning(now time.Time) {
	if now.Sub(g.started) > startGrace && g.warned.CompareAndSwap(false, true) {
		g.config.Logger.Warn("the gate serves requests, but Gate.Run was never called: revocations arrive late, uses are not recorded and old records are not deleted; call: go gate.Run(ctx)")
	}
}

// clientAddr resolves the client's address by the trusted proxies, and warns once
// if a peer that is none of them sends X-Forwarded-For: then all its clients
// count as one.
func (g *Gate) clientAddr() func(*http.Request) netip.Addr {
	trusted := g.config.TrustedProxies
	resolve, peer := ratelimit.ClientAddr(trusted...), ratelimit.ClientAddr()
	var once sync.Once
	return func(r *http.Request) netip.Addr {
		if len(r.Header["X-Forwarded-For"]) > 0 {
			from := peer(r)
			if !slices.ContainsFunc(trusted, func(p netip.Prefix) bool {
				return p.Contains(from) || p.Addr().Is4In6() && p.Contains(netip.AddrFrom16(from.As16()))
			}) {
				once.Do(func() {
					g.config.Logger.LogAttrs(r.Context(), slog.LevelWarn,
						"X-Forwarded-For is ignored, because it comes from a peer that is not one of Config.TrustedProxies: if that is your proxy, name it there, or all its clients share one limit",
						slog.String("peer", from.String()))
				})
			}
		}
		return resolve(r)
	}
}

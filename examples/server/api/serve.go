package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

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
	if c.drain < 0 || c.drain > maxDrain {
		return fmt.Errorf("--drain: want from 0s to %v", maxDrain)
	}
	s, err := newServer(ctx, c, newLog(stderr, c.logLevel))
	if err != nil {
		return err
	}
	defer func() { within(closeTimeout, s.Close) }() // a database that hangs takes 15 seconds
	handler, err := s.handler()
	if err != nil {
		return err
	}

	listener, err := net.Listen("tcp", c.listen)
	if err != nil {
		return err
	}
	url := "http://" + listener.Addr().String()
	if c.demo {
		if err := s.makeDemo(ctx, c.demoFile, url, stdout); err != nil {
			listener.Close()
			return err
		}
	}
	s.log.InfoContext(ctx, "serving", slog.String("url", url),
		slog.Duration("max_revocation_delay", s.gate.MaxRevocationDelay()))
	fmt.Fprintf(stdout, "serving on %s\n", url)
	return s.serve(ctx, listener, handler, c.drain)
}

// maxDrain is more than any load balancer needs to look away.
const maxDrain = 10 * time.Minute

// serve runs until ctx ends. From then on /ready and /health answer 503. After
// drain, in which everything else is served as before, it lets requests in
// flight finish and writes the last uses. What could not be written in time is
// an error.
func (s *server) serve(ctx context.Context, listener net.Listener, handler http.Handler, drain time.Duration) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	writers := map[string]func(context.Context) error{
		"uses of credentials": s.gate.Run,
		"webhook attempts":    s.hooks.Run, "leak reports": s.leaks.Run,
	}
	ends := make(chan string, len(writers)) // never blocks one that is late
	for what, run := range writers {
		go func() {
			run(background)
			ends <- what
		}()
	}
	srv := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      45 * time.Second, // more than ReadTimeout, so that a slow client gets an answer
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
		s.stopping.Store(true)
		s.log.InfoContext(ctx, "stopping", slog.Duration("drain", drain))
		select {
		case err = <-served:
		case <-time.After(drain):
		}
	}
	told := time.Now()
	if err == nil {
		deadline, cancel := context.WithDeadline(background, told.Add(inFlightTimeout))
		if err = srv.Shutdown(deadline); err != nil {
			err = fmt.Errorf("requests in flight were cut off: %w", errors.Join(err, srv.Close()))
		}
		cancel()
	}
	stop() // after the last request: its use is written as well
	late := time.After(time.Until(told.Add(shutdownTimeout - closeTimeout)))
	return errors.Join(err, finish(slices.Sorted(maps.Keys(writers)), ends, late))
}

// finish waits for all that end, and names those that are late.
func finish(running []string, ends <-chan string, late <-chan time.Time) error {
	for len(running) > 0 {
		select {
		case what := <-ends:
			running = slices.DeleteFunc(running, func(s string) bool { return s == what })
		case <-late:
			return errors.New("not written in time: " + strings.Join(running, ", "))
		}
	}
	return nil
}

// within runs f and returns when it has, or after d.
func within(d time.Duration, f func()) {
	done := make(chan struct{})
	go func() {
		f()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(d):
	}
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
			if a.Zone() != "" { // PrefixFrom would drop it, and admit other links
				return nil, fmt.Errorf("%s: an address with a zone means something on one machine only: leave out the %%%s", item, a.Zone())
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		ps = append(ps, p.Masked())
	}
	return ps, nil
}

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
	"sync"
	"time"
)

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
	s, err := newServer(ctx, c, slog.New(slog.NewJSONHandler(stderr, nil)))
	if err != nil {
		return err
	}
	defer s.Close()
	handler, err := s.handler(list(c.origins).Items())
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
		slog.String("max_revocation_delay", max(s.keys.MaxRevocationDelay(), s.sessions.MaxRevocationDelay()).String()))
	fmt.Fprintf(stdout, "serving on %s\n", url)
	return s.serve(ctx, listener, handler)
}

// serve runs until ctx ends; then it lets requests in flight finish and writes
// the last uses.
func (s *server) serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var written sync.WaitGroup
	for _, run := range []func(context.Context) error{s.keys.Run, s.sessions.Run, s.hooks.Run, s.leaks.Run, s.warnOfExpiry} {
		written.Go(func() { run(background) })
	}
	srv := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
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
		deadline, cancel := context.WithTimeout(background, drain)
		err = srv.Shutdown(deadline)
		cancel()
	}
	stop() // after the last request: its use is written as well
	written.Wait()
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

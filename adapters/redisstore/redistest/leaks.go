package redistest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Leaks returns an error that names every key without an expiry and every
// connection that the tests have left behind. Connections may take a moment to
// close.
func (s *Server) Leaks() error { return s.leaks(10 * time.Second) }

func (s *Server) leaks(moment time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), serverTimeout)
	defer cancel()
	c := redis.NewClient(s.Options())
	defer c.Close()
	return errors.Join(eternal(ctx, c), connected(ctx, c, moment))
}

// Leaks is Leaks of the servers that have the data.
func (s *Sentinel) Leaks() error { return errors.Join(s.Master.Leaks(), s.Replica.Leaks()) }

// Leaks is Leaks of the masters.
func (cl *Cluster) Leaks() error {
	var errs []error
	for _, s := range cl.Masters {
		errs = append(errs, s.Leaks())
	}
	return errors.Join(errs...)
}

// eternal returns the keys that never expire.
func eternal(ctx context.Context, c *redis.Client) error {
	var errs []error
	keys := c.Scan(ctx, 0, "*", 1000).Iterator()
	for keys.Next(ctx) {
		left, err := c.PTTL(ctx, keys.Val()).Result()
		if err != nil {
			return fmt.Errorf("redistest: %w", err)
		}
		if left == -1 {
			errs = append(errs, fmt.Errorf("redistest: left behind without an expiry: %q", keys.Val()))
		}
	}
	if err := keys.Err(); err != nil {
		errs = append(errs, fmt.Errorf("redistest: %w", err))
	}
	return errors.Join(errs...)
}

// connected waits until only c and other servers are connected, or a moment has passed.
func connected(ctx context.Context, c *redis.Client, moment time.Duration) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(moment)
	for {
		list, err := c.ClientList(ctx).Result()
		if err != nil {
			return fmt.Errorf("redistest: %w", err)
		}
		self, err := c.ClientID(ctx).Result()
		if err != nil {
			return fmt.Errorf("redistest: %w", err)
		}
		var errs []error
		for line := range strings.Lines(list) {
			if strings.HasPrefix(line, fmt.Sprintf("id=%d ", self)) || strings.Contains(line, " name=sentinel-") || server(line) {
				continue
			}
			errs = append(errs, fmt.Errorf("redistest: left behind: the connection %s", strings.TrimSpace(line)))
		}
		if len(errs) == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-late:
			return errors.Join(errs...)
		}
	}
}

// server reports whether a line of CLIENT LIST is about a master or a replica.
func server(line string) bool {
	_, flags, _ := strings.Cut(line, " flags=")
	flags, _, _ = strings.Cut(flags, " ")
	return strings.ContainsAny(flags, "MS")
}

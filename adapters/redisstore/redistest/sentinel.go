package redistest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// MasterName is the name that the Sentinels have for their master.
const MasterName = "tollgate"

// A Sentinel is a master with a replica, and three Sentinels. They replace the master by
// the replica if two of them agree that it is down.
type Sentinel struct {
	Master, Replica *Server // at the start
	Sentinels       []*Server

	password string
}

// StartSentinel starts a master, a replica and the Sentinels, and returns when the replica
// has all data. The caller closes it.
func StartSentinel(c Config) (_ *Sentinel, err error) {
	s := &Sentinel{password: rand.Text()}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.Master, err = start(s.password, false, c.settings()); err != nil {
		return nil, err
	}
	host, port, _ := strings.Cut(s.Master.Addr(), ":")
	follow := fmt.Sprintf("replicaof %s %s", host, port)
	if s.Replica, err = start(s.password, false, append(c.settings(), follow)); err != nil {
		return nil, err
	}
	if err := inStep(s.Replica); err != nil {
		return nil, err
	}
	for range 3 {
		guard, err := start(s.password, true, []string{
			fmt.Sprintf("sentinel monitor %s %s %s 2", MasterName, host, port),
			fmt.Sprintf("sentinel auth-pass %s %s", MasterName, s.password),
			fmt.Sprintf("sentinel sentinel-pass %s", s.password),
			fmt.Sprintf("sentinel down-after-milliseconds %s %d", MasterName, c.down()),
			fmt.Sprintf("sentinel failover-timeout %s 5000", MasterName),
		})
		if err != nil {
			return nil, err
		}
		s.Sentinels = append(s.Sentinels, guard)
	}
	for _, guard := range s.Sentinels {
		if err := guard.wait("it does not know the other Sentinels and the replica", knowsAll); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// knowsAll reports whether a Sentinel knows all servers and can work.
func knowsAll(ctx context.Context, c *redis.Client) (bool, error) {
	reply, err := c.Do(ctx, "sentinel", "master", MasterName).StringSlice()
	if err != nil {
		return false, nil
	}
	about := map[string]string{}
	for i := 0; i+1 < len(reply); i += 2 {
		about[reply[i]] = reply[i+1]
	}
	return about["num-other-sentinels"] == "2" && about["num-slaves"] == "1" && about["flags"] == "master", nil
}

// inStep waits until a replica has all data of its master.
func inStep(replica *Server) error {
	return replica.wait("it does not follow its master", func(ctx context.Context, c *redis.Client) (bool, error) {
		info, err := c.Info(ctx, "replication").Result()
		return err == nil && strings.Contains(info, "master_link_status:up") && strings.Contains(info, "master_sync_in_progress:0"), nil
	})
}

// Addrs returns the addresses of the Sentinels.
func (s *Sentinel) Addrs() []string { return hostPorts(s.Sentinels) }

// Password returns the password of the servers and the Sentinels.
func (s *Sentinel) Password() string { return s.password }

// Options returns the options of a client of the present master. Its calls end with their
// contexts.
func (s *Sentinel) Options() *redis.FailoverOptions {
	return &redis.FailoverOptions{
		MasterName: MasterName, SentinelAddrs: s.Addrs(), Password: s.password, SentinelPassword: s.password,
		ContextTimeoutEnabled: true, DialTimeout: time.Second,
	}
}

// Client returns a client of the present master, which is closed when the test
// ends.
func (s *Sentinel) Client(tb testing.TB) *redis.Client {
	c := redis.NewFailoverClient(s.Options())
	tb.Cleanup(func() { c.Close() })
	return c
}

// Close stops the servers and removes all that they have written.
func (s *Sentinel) Close() error {
	return errors.Join(closeAll(s.Sentinels...), closeAll(s.Replica, s.Master))
}

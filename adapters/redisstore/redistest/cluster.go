package redistest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// slots is the number of slots of a cluster.
const slots = 16384

// A Cluster has three masters with a third of the slots each, and a replica of each of
// them.
type Cluster struct {
	Masters, Replicas []*Server // at the start; Replicas[i] is the replica of Masters[i]

	password string
}

// StartCluster starts the servers of a cluster, and returns when it is complete. The
// caller closes it.
func StartCluster(c Config) (_ *Cluster, err error) {
	cl := &Cluster{password: rand.Text()}
	defer func() {
		if err != nil {
			err = errors.Join(err, cl.Close())
		}
	}()
	down := c.down()
	servers, err := startMany(6, cl.password,
		append([]string{"cluster-enabled yes", "cluster-node-timeout 500"}, c.settings()...)) // the servers talk to each other as often as that, and so meet sooner
	cl.Masters, cl.Replicas = servers[:3], servers[3:]
	if err != nil {
		return nil, err
	}
	if err := cl.meet(); err != nil {
		return nil, err
	}
	for i, replica := range cl.Replicas {
		if err := cl.follow(replica, cl.Masters[i]); err != nil {
			return nil, err
		}
	}
	for i, s := range servers {
		if i >= 3 {
			if err := inStep(s); err != nil {
				return nil, err
			}
		}
		if err := s.wait("the cluster is not whole", whole); err != nil {
			return nil, err
		}
	}
	for _, s := range servers {
		if err := s.wait("it keeps its time-out", func(ctx context.Context, c *redis.Client) (bool, error) {
			return true, c.ConfigSet(ctx, "cluster-node-timeout", fmt.Sprint(down)).Err()
		}); err != nil {
			return nil, err
		}
	}
	return cl, nil
}

// startMany starts n servers at once. It returns a slice of n even with an error; then
// some are nil.
func startMany(n int, password string, settings []string) ([]*Server, error) {
	servers, errs := make([]*Server, n), make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { servers[i], errs[i] = start(password, false, settings) })
	}
	wg.Wait()
	return servers, errors.Join(errs...)
}

// meet gives the masters their slots and introduces all servers to the first one.
func (cl *Cluster) meet() error {
	first := redis.NewClient(cl.Masters[0].Options())
	defer first.Close()
	ctx, cancel := context.WithTimeout(context.Background(), serverTimeout)
	defer cancel()
	for i, master := range cl.Masters {
		c := redis.NewClient(master.Options())
		defer c.Close()
		if err := c.ClusterAddSlotsRange(ctx, i*slots/3, (i+1)*slots/3-1).Err(); err != nil {
			return fmt.Errorf("redistest: %s: %w", master.Addr(), err)
		}
	}
	for _, s := range append(cl.Masters[1:len(cl.Masters):len(cl.Masters)], cl.Replicas...) {
		host, port, _ := strings.Cut(s.Addr(), ":")
		if err := first.ClusterMeet(ctx, host, port).Err(); err != nil {
			return fmt.Errorf("redistest: %s: %w", s.Addr(), err)
		}
	}
	return nil
}

// follow makes one server the replica of another one, as soon as it knows it.
func (cl *Cluster) follow(replica, master *Server) error {
	var id string
	if err := master.wait("it does not know its id", func(ctx context.Context, c *redis.Client) (ok bool, err error) {
		id, err = c.Do(ctx, "cluster", "myid").Text()
		return err == nil, nil
	}); err != nil {
		return err
	}
	return replica.wait("it has not heard of its master", func(ctx context.Context, c *redis.Client) (bool, error) {
		return c.ClusterReplicate(ctx, id).Err() == nil, nil
	})
}

// whole reports whether a server knows three masters with a replica each.
func whole(ctx context.Context, c *redis.Client) (bool, error) {
	info, err := c.ClusterInfo(ctx).Result()
	if err != nil || !strings.Contains(info, "cluster_state:ok") {
		return false, nil
	}
	ranges, err := c.ClusterSlots(ctx).Result()
	if err != nil || len(ranges) != 3 {
		return false, nil
	}
	for _, r := range ranges {
		if len(r.Nodes) != 2 {
			return false, nil
		}
	}
	return true, nil
}

// Addrs returns the addresses of the servers.
func (cl *Cluster) Addrs() []string { return append(hostPorts(cl.Masters), hostPorts(cl.Replicas)...) }

// Password returns the password of the servers.
func (cl *Cluster) Password() string { return cl.password }

// Options returns the options of a client. Its calls end with their contexts.
func (cl *Cluster) Options() *redis.ClusterOptions {
	return &redis.ClusterOptions{
		Addrs: cl.Addrs(), Password: cl.password, ContextTimeoutEnabled: true, DialTimeout: time.Second,
	}
}

// Client returns a client, which is closed when the test ends.
func (cl *Cluster) Client(tb testing.TB) *redis.ClusterClient {
	c := redis.NewClusterClient(cl.Options())
	tb.Cleanup(func() { c.Close() })
	return c
}

// Close stops the servers and removes all that they have written.
func (cl *Cluster) Close() error {
	return errors.Join(closeAll(cl.Masters...), closeAll(cl.Replicas...))
}

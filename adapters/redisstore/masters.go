package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// A master is a server that takes writes, with the name of a key that it has.
type master struct {
	node    *redis.Client
	witness string
}

// witnessed is how long a witness exists that nobody renews. A watch that is alive renews
// it sooner.
const witnessed = time.Minute

var errUnsettled = errors.New("the cluster is changing, or a master has no slots")

// masters returns the one master, or those of the cluster. They are those of now, or, if
// no server of the cluster answers, those that the driver has seen last. The driver does
// not say which.
func (s *Store) masters(ctx context.Context) ([]master, error) {
	if s.single != nil {
		return []master{{s.single, s.names.witness(0)}}, nil
	}
	var mu sync.Mutex
	nodes := make(map[*redis.Client]bool)
	if err := s.cluster.ForEachMaster(ctx, func(_ context.Context, node *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		nodes[node] = true
		return nil
	}); err != nil {
		return nil, err
	}
	// This finds the master that has a key, and takes a microsecond.
	var list []master
	for n := 0; len(nodes) > 0; n++ {
		witness := s.names.witness(n)
		node, err := s.cluster.MasterForKey(ctx, witness)
		if err != nil {
			return nil, err
		}
		if nodes[node] {
			delete(nodes, node)
			list = append(list, master{node, witness})
		}
		if n == 100_000 {
			return nil, errUnsettled
		}
	}
	if len(list) == 0 {
		return nil, errUnsettled
	}
	return list, nil
}

// masterOf returns the server that has a key.
func (s *Store) masterOf(ctx context.Context, key string) (*redis.Client, error) {
	if s.single != nil {
		return s.single, nil
	}
	return s.cluster.MasterForKey(ctx, key)
}

// say writes and then publishes, on one connection. A server refuses the write if it is
// no longer a master or has lost its cluster or its replicas. So if it takes the write, it
// has published every change before that. If replicas are required, they must have the
// write; the replicas of a master that was replaced do not get it. heard is the number of
// connections to this server that have received the message, and witness is the value of
// the witness. The write needs no memory and no MULTI, so that it works when Redis is
// full.
func (s *Store) say(ctx context.Context, m master, channel string, messages ...string) (witness string, heard int64, err error) {
	pipe := m.node.Pipeline()
	renewed := pipe.GetEx(ctx, m.witness, witnessed)
	published := make([]*redis.IntCmd, len(messages))
	for i, message := range messages {
		published[i] = pipe.Publish(ctx, channel, message)
	}
	enough := s.wait(ctx, pipe)
	if err := send(ctx, pipe); err != nil {
		return "", 0, err
	}
	if witness, err = renewed.Result(); err != nil && !errors.Is(err, redis.Nil) {
		return "", 0, err
	}
	for _, p := range published {
		if heard, err = p.Result(); err != nil {
			return "", 0, err
		}
	}
	return witness, heard, enough()
}

// plant makes the witness if there is none, and returns its value. Another value than
// before shows that the database was emptied.
func (m master) plant(ctx context.Context) (witness string, err error) {
	return plant.Run(ctx, m.node, []string{m.witness}, rand.Text(), witnessed.Milliseconds()).Text()
}

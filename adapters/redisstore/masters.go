package redisstore

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// A master is a server that takes writes, and a key that lives there.
type master struct {
	node    *redis.Client
	witness string
}

// witnessed is how long a witness lives that nobody renews.
const witnessed = time.Minute

var errUnsettled = errors.New("the cluster is changing, or a master has no slots")

// masters returns the masters: one, or those of the cluster as it is now.
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
	// Where a key lives is found by asking, which costs a microsecond.
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

// masterOf returns the server that a key lives on.
func (s *Store) masterOf(ctx context.Context, key string) (*redis.Client, error) {
	if s.single != nil {
		return s.single, nil
	}
	return s.cluster.MasterForKey(ctx, key)
}

// say writes and then publishes, on one connection. A server refuses the write
// that is no longer a master, or is cut off from its cluster or replicas: so
// what it has published before is all that was changed before. heard is how
// many connections to that very server have got the last message, and there
// whether the witness was. It takes no memory, should Redis be full, and no
// MULTI, which it then refuses.
func (m master) say(ctx context.Context, channel string, messages ...string) (there bool, heard int64, err error) {
	pipe := m.node.Pipeline()
	renewed := pipe.PExpire(ctx, m.witness, witnessed)
	published := make([]*redis.IntCmd, len(messages))
	for i, message := range messages {
		published[i] = pipe.Publish(ctx, channel, message)
	}
	if err := send(ctx, pipe); err != nil {
		return false, 0, err
	}
	if there, err = renewed.Result(); err != nil {
		return false, 0, err
	}
	for _, p := range published {
		if heard, err = p.Result(); err != nil {
			return false, 0, err
		}
	}
	return there, heard, nil
}

// plant makes the witness. It is gone when the database has been emptied.
func (m master) plant(ctx context.Context) error {
	return m.node.Set(ctx, m.witness, "1", witnessed).Err()
}

package redisstore

import (
	"context"
	"crypto/rand"
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

// witnessed is how long a witness lives that nobody renews: longer than any
// watch that is alive goes without.
const witnessed = time.Minute

var errUnsettled = errors.New("the cluster is changing, or a master has no slots")

// masters returns the masters: one, or those of the cluster as it is now, or as
// the driver has last seen it where no server tells: it keeps that to itself.
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
	// Asking tells which master has a key, and costs a microsecond.
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
// what it has published before is all that was changed before. Where replicas
// were asked for they have to have the write, as those of a master that was
// replaced have not. heard is how many connections to that very server have got
// the last message, and witness what the witness says. It takes no memory,
// should Redis be full, and no MULTI, which it then refuses.
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

// plant makes the witness where there is none, and returns what it says: that
// it is another one shows everybody that the database has been emptied.
func (m master) plant(ctx context.Context) (witness string, err error) {
	return plant.Run(ctx, m.node, []string{m.witness}, rand.Text(), witnessed.Milliseconds()).Text()
}

package redisstore

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"medtwin.ai/tollgate/store"
)

// Prune looks at every list of sessions that there is. Redis drops sessions by
// itself, so nobody needs to call it.
func (v sessions) Prune(ctx context.Context, before time.Time) (int, error) {
	var mu sync.Mutex
	total := 0
	prune := func(ctx context.Context, node *redis.Client) error {
		n, err := v.pruneNode(ctx, node, before)
		mu.Lock()
		defer mu.Unlock()
		total += n
		return err
	}
	var err error
	if v.s.cluster != nil {
		err = v.s.cluster.ForEachMaster(ctx, prune)
	} else {
		err = prune(ctx, v.s.single)
	}
	if err != nil {
		return total, failed("prune sessions", err)
	}
	return total, nil
}

// pruneNode prunes the lists that one server has. SCAN may show one twice.
func (v sessions) pruneNode(ctx context.Context, node *redis.Client, before time.Time) (total int, err error) {
	for cursor := uint64(0); ; {
		lists, next, err := node.Scan(ctx, cursor, v.s.names.lists(), 1000).Result()
		if err != nil {
			return total, err
		}
		for _, list := range lists {
			user, err := v.s.names.user(list)
			if err != nil {
				continue // another store's, whose prefix goes on where this one ends
			}
			n, err := v.pruneUser(ctx, user, before)
			if total += n; err != nil {
				return total, err
			}
		}
		if cursor = next; cursor == 0 {
			return total, nil
		}
	}
}

func (v sessions) pruneUser(ctx context.Context, user string, before time.Time) (int, error) {
	ids, err := v.ids(ctx, user)
	if err != nil {
		return 0, err
	}
	all, err := v.readAll(ctx, user, ids)
	if err != nil {
		return 0, err
	}
	var calls []call
	var old []store.Session
	for _, o := range all {
		if o.Expires.IsZero() || !o.Expires.Before(before) {
			continue
		}
		old = append(old, o)
		calls = append(calls, call{
			[]string{v.s.names.session(user, o.ID), v.s.names.sessions(user)}, []any{v.s.names.changes(), o.ID},
		})
	}
	if len(old) == 0 {
		return 0, nil
	}
	// Pointers first: without them the session is found no more, and whoever
	// dies before its record is deleted leaves it to the next call.
	pipe := v.s.client.Pipeline()
	for _, o := range old {
		pipe.Del(ctx, v.s.names.id(o.ID))
		pipe.Del(ctx, v.s.names.digest(o.Digest))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return 0, err
	}
	return v.s.runAll(ctx, drop, calls)
}
